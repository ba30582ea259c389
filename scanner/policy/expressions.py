"""CEL, wrapped once: compiled against declared facts when a policy is loaded, fail-closed when it runs.

What CEL (cel-expr-python 0.1.3) leaves to its user, and what is done here about each:

- an error at run time comes back as a *value that is true*: only ``true`` and ``false`` of type BOOL count;
- fields of list elements are not checked: :mod:`scanner.policy.syntax` does it;
- a broken regular expression is found when the rule runs: patterns are tried when the policy is loaded;
- text that is doubled again and again takes all memory: joining text is refused, length is bounded;
- ten thousand iterations end an evaluation: that is an error, hence a refusal, and the message says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from scanner.errors import ScannerError
from scanner.policy.facts import ARTEFACT, FILE, FINDING, GAP, LISTS, VERIFICATION, Record
from scanner.policy.schema import Each
from scanner.policy.syntax import Problem, read

RECORD_OF: Mapping[Each, Record] = {
    Each.ARTEFACT: ARTEFACT,
    Each.FILE: FILE,
    Each.FINDING: FINDING,
    Each.GAP: GAP,
    Each.VERIFICATION: VERIFICATION,
}
_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNDECLARED = re.compile(r"undeclared reference to '([^']*)'")
_FUNCTIONS = (
    "all", "bool", "bytes", "contains", "double", "duration", "dyn", "endsWith", "exists", "exists_one",
    "filter", "has", "int", "map", "matches", "size", "startsWith", "string", "timestamp", "type", "uint",
)  # fmt: skip


class NotEvaluated(ScannerError):
    """An expression gave no answer: the rule counts as not kept."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """An expression that has been checked."""

    each: Each
    program: Any
    used: frozenset[str]
    """Variables that the expression names."""

    def answer(self, data: Mapping[str, object]) -> bool:
        """True or false.

        Raises:
            NotEvaluated: Anything else happened.
        """
        from cel_expr_python import cel  # noqa: PLC0415 - only where a policy has expressions

        try:
            value = self.program.eval(data=data)
        except RuntimeError as error:
            raise NotEvaluated(_why(str(error))) from error
        plain = value.value()
        if value.type() == cel.Type.BOOL and isinstance(plain, bool):
            return plain
        raise NotEvaluated(_why(str(plain)))


def _why(text: str) -> str:
    if "Iteration budget" in text:
        return "it takes more than 10,000 steps: ask about each item (each: file, each: finding) instead"
    return re.sub(r"^[A-Z_]+: | \[[A-Z_]+\]$", "", text.partition("\n")[0])[:200]


def compile_expression(text: str, each: Each) -> Compiled | list[Problem]:
    """Check an expression; a list of problems where there are any."""
    environment, variables = _environment(each)
    try:
        program = environment.compile(text)
    except RuntimeError as error:
        return _compiler_problems(str(error), text, variables)
    if program.return_type().name() != "BOOL":
        kind = program.return_type().name().lower()
        return [Problem(f"gives {kind}, but has to give true or false", 0)]
    found, patterns, used = read(program.serialize(), variables)
    found += (problem for pattern, offset in patterns for problem in _pattern_problems(pattern, offset))
    return found or Compiled(each, program, used)


@cache
def _environment(each: Each) -> tuple[Any, dict[str, str]]:
    """The environment, and the names in it with their types as the declarations spell them."""
    from cel_expr_python import cel  # noqa: PLC0415

    kinds = {
        "string": cel.Type.STRING,
        "int": cel.Type.INT,
        "bool": cel.Type.BOOL,
        "list(string)": cel.Type.List(cel.Type.STRING),
        "map(string)": cel.Type.Map(cel.Type.STRING, cel.Type.STRING),
    }
    record = RECORD_OF[each]
    types = {f"{r.name}.{fact.name}": fact.type for r in (ARTEFACT, record) for fact in r.fields}
    declared = {name: kinds[kind] for name, kind in types.items()}
    if each is Each.ARTEFACT:
        types |= {name: f"list(record:{name})" for name in LISTS}
        declared |= {name: cel.Type.List(cel.Type.Map(cel.Type.STRING, cel.Type.DYN)) for name in LISTS}
    return cel.NewEnv(variables=declared), types


def _compiler_problems(text: str, source: str, variables: Mapping[str, str]) -> list[Problem]:
    found = []
    lines = source.split("\n")
    for line, column, message in _ERROR.findall(text):
        before = sum(len(entry) + 1 for entry in lines[: int(line) - 1])
        offset = before + int(column) - 1
        undeclared = _UNDECLARED.search(message)
        if undeclared is None:
            found.append(Problem(message.replace(" [INVALID_ARGUMENT]", ""), offset))
            continue
        name = undeclared[1]
        start = source.find(name, max(0, offset - len(name)))
        offset = start if start >= 0 else offset
        if name.split(".")[0] in LISTS:
            hint = "is not among the facts here: lists belong to rules about the whole artefact"
            found.append(Problem(f"{name} {hint}", offset))
        else:
            known = tuple(variables) if "." in name else (*variables, *_FUNCTIONS)
            found.append(Problem(f"{name} is not among the facts", offset, name, known))
    return found or [Problem(_why(text), 0)]


def _pattern_problems(pattern: str, offset: int) -> list[Problem]:
    from cel_expr_python import cel  # noqa: PLC0415

    probe = cel.NewEnv(variables={"pattern": cel.Type.STRING}).compile("''.matches(pattern)")
    value = probe.eval(data={"pattern": pattern})
    if value.type() == cel.Type.BOOL:
        return []
    return [Problem(f"the pattern is no RE2 regular expression: {_why(str(value.value()))}", offset)]
