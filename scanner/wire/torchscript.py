"""TorchScript source as it stands in an archive: which operators and native classes it refers to.

The lexical grammar is that of ``torch/csrc/jit/frontend/lexer.h``. Names are resolved as
``torch/csrc/jit/serialization/import_source.cpp`` does: ``torch.x`` is the operator ``aten::x``,
``ops.a.b`` is ``a::b``, ``__torch__.torch.classes.a.B`` the native class ``a.B``. These three can also
be assigned to a variable or reached by ``getattr``, which no exporter writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<text>\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''"""
    r"""|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
    r"""|(?P<skip>\#[^\n]*|\\\r?\n|[ \t\r\f\v]+)|(?P<line>\n)"""
    r"""|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"""
    r"""|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?j?)"""
    r"""|(?P<mark>\.\.\.|==|.)""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Use:
    """One reference to something outside the archive's own code."""

    kind: str
    """``operator``, ``class``, or ``indirect`` where the name is only known when the code runs."""
    name: str
    line: int


def references(source: str) -> Iterator[Use]:
    """Every operator and native class that the source names, in order; never raises."""
    chain: list[str] = []
    begun, previous = 1, ""
    for text, line, is_name in _tokens(source):
        if chain and text == "." and previous != ".":
            previous = text
            continue
        if chain and is_name and previous == ".":
            chain.append(text)
        else:
            yield from _resolved(chain, begun, text)
            chain = [text] if is_name and text in _ROOTS and previous != "." else []
            begun = line
        previous = text
    yield from _resolved(chain, begun, "")


def _resolved(chain: list[str], line: int, following: str) -> Iterator[Use]:
    # A parameter, an attribute or a keyword argument may bear one of the names.
    if chain and (len(chain) > 1 or following not in {":", "="}):
        yield from _ROOTS[chain[0]](chain, line)


def _tokens(source: str) -> Iterator[tuple[str, int, bool]]:
    line = 1
    for found in _TOKEN.finditer(source):
        kind, text = found.lastgroup, found[0]
        if kind not in {"skip", "line"}:
            yield text if kind != "text" else "", line, kind == "name"
        line += text.count("\n")


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
