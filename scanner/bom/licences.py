"""Licences as people declare them, and what they are called in SPDX."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

from scanner.data import load

# Longer than any honest expression: a parser is not handed more.
_LONGEST = 200
_WORDS = re.compile(r"[A-Za-z0-9.+()\-: ]+\Z")
_PART = re.compile(r"[()]|[^ ()]+")
_OPERATORS = frozenset({"AND", "OR", "WITH"})
_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+:\-]*")
_REFERENCE = re.compile(r"LicenseRef-[A-Za-z0-9.\-]+\Z")
_LATER = re.compile(r"(-only|-or-later|\+)\Z")


@cache
def _names() -> dict[str, str]:
    names: dict[str, str] = load("licence-names.json")["names"]
    return names


def normalise(raw: str) -> str:
    """The SPDX expression that a declared licence is; empty where that cannot be said.

    ``apache-2.0`` becomes ``Apache-2.0``, ``llama3`` becomes ``LicenseRef-llama3``; ``other`` and
    free text become ``""``.
    """
    text = " ".join(raw.split())
    known = _names().get(text.casefold())
    if known is not None:
        return known
    if _REFERENCE.fullmatch(text):
        return text
    if len(text) > _LONGEST or not _WORDS.fullmatch(text) or not _well_formed(_PART.findall(text)):
        return ""
    return _expression(text)


def _well_formed(parts: list[str]) -> bool:
    """Operands, operators and parentheses in an order that the library's reader has been seen to bear."""
    depth, wanted = 0, True
    for part in parts:
        if part == "(":
            ordered, depth = wanted, depth + 1
        elif part == ")":
            ordered, depth = not wanted and depth > 0, depth - 1
        else:
            ordered = wanted != (part.upper() in _OPERATORS)
            wanted = part.upper() in _OPERATORS
        if not ordered:
            return False
    return depth == 0 and not wanted


@lru_cache(maxsize=1024)
def _expression(text: str) -> str:
    # Some 60 ms: only where the table does not know the name.
    from license_expression import ExpressionError, ParseError  # noqa: PLC0415

    try:
        return str(_licensing().parse(text, validate=True))
    except (ExpressionError, ParseError):
        return ""


@cache
def _licensing() -> Any:
    from license_expression import get_spdx_licensing  # noqa: PLC0415 - as above

    return get_spdx_licensing()


def licence_keys(expression: str) -> frozenset[str]:
    """The licences that an SPDX expression names, for comparing: no exceptions, no versions "or later".

    A licence's text cannot tell ``GPL-3.0-only`` from ``GPL-3.0-or-later``.
    """
    keys = []
    skip = False
    for symbol in _SYMBOL.findall(expression):
        if symbol in _OPERATORS:
            skip = symbol == "WITH"
        elif not skip:
            keys.append(_LATER.sub("", symbol).casefold())
    return frozenset(keys)


def is_identifier(expression: str) -> bool:
    """Whether an expression is one licence of the SPDX list, with no operator in it."""
    return bool(expression) and " " not in expression and not expression.startswith("LicenseRef-")
