"""TorchScript source as it stands in an archive: which operators and native classes it refers to.

Strings and comments are those of ``torch/csrc/jit/frontend/lexer.h``. Names are resolved as
``torch/csrc/jit/serialization/import_source.cpp`` does: ``torch.x`` is the operator ``aten::x``,
``ops.a.b`` is ``a::b``, ``__torch__.torch.classes.a.B`` the native class ``a.B``. These three can also
be assigned to a variable or reached by ``getattr``, which no exporter writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_SPACE = r"(?:[ \t\r\f\v\n]|\\\r?\n|\#[^\n]*+)*+"
# Strings and comments are matched to be stepped over; everything else is of no interest. A string without
# an end is one up to the end: the file does not load.
_TOKEN = re.compile(
    r"""\"{3}(?:\\.|[^\\])*?(?:\"{3}|\Z)|'{3}(?:\\.|[^\\])*?(?:'{3}|\Z)"""
    r"""|"(?:\\.|[^"\\\n])*+"|'(?:\\.|[^'\\\n])*+'|\#[^\n]*+|\\."""
    rf"""|(?P<chain>(?<![A-Za-z0-9_])(?:ops|torch|__torch__)(?![A-Za-z0-9_])"""
    rf"""(?:{_SPACE}\.{_SPACE}[A-Za-z_][A-Za-z0-9_]*+)*+)(?:{_SPACE}(?P<binds>:|=(?!=)))?""",
    re.DOTALL,
)
_NAME = re.compile(rf"{_SPACE}\.?{_SPACE}([A-Za-z_][A-Za-z0-9_]*+)")
_ATTRIBUTE = re.compile(r"[A-Za-z_)\]}'\"][A-Za-z0-9_]*\.\Z")
_BEFORE = 256


@dataclass(frozen=True, slots=True)
class Use:
    """One reference to something outside the archive's own code."""

    kind: str
    """``operator``, ``class``, or ``indirect`` where the name is only known when the code runs."""
    name: str
    line: int


def references(source: str) -> Iterator[Use]:
    """Every operator and native class that the source names, in order; never raises."""
    line, counted = 1, 0
    for found in _TOKEN.finditer(source):
        if found["chain"] is None or _is_attribute(source, found.start()):
            continue
        chain = _NAME.findall(found["chain"])
        # A parameter, an attribute or a keyword argument may bear one of the names.
        if len(chain) > 1 or not found["binds"]:
            line += source.count("\n", counted, found.start())
            counted = found.start()
            yield from _ROOTS[chain[0]](chain, line)


def _is_attribute(source: str, at: int) -> bool:
    """Whether the name at ``at`` belongs to what stands before a dot in front of it, and not to a number."""
    before = source[max(at - _BEFORE, 0) : at].rstrip(" \t\r\f\v\n\\")
    return before.endswith(".") and _ATTRIBUTE.search(before) is not None


def _operator(chain: list[str], line: int) -> Iterator[Use]:
    if len(chain) < 3:
        yield Use("indirect", ".".join(chain), line)
    else:
        yield Use("operator", f"{chain[1]}::{chain[2]}", line)


def _builtin(chain: list[str], line: int) -> Iterator[Use]:
    if len(chain) < 2:
        yield Use("indirect", "torch", line)
    else:
        yield Use("operator", f"aten::{chain[1]}", line)


def _own(chain: list[str], line: int) -> Iterator[Use]:
    if chain[1:3] == ["torch", "classes"] and len(chain) > 4:
        yield Use("class", ".".join(chain[3:5]), line)
    elif chain in (["__torch__"], ["__torch__", "torch"]) or chain[1:3] == ["torch", "classes"]:
        yield Use("indirect", ".".join(chain), line)


_ROOTS = {"ops": _operator, "torch": _builtin, "__torch__": _own}
