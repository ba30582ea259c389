"""TensorFlow graphs as text (``saved_model.pbtxt``), which TensorFlow loads like the binary ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from scanner.data import load
from scanner.inspection import Format, Head, Note, Read
from scanner.model import Check, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader, read_whole

EFFECT = Rule(
    id="tensorflow-text/effect",
    title="The graph reaches outside",
    severity=Severity.HIGH,
    check=Check.GRAPH_CODE,
    finds="An operator that reads or writes files, talks to other machines, calls Python or native code.",
    why="TensorFlow loads a SavedModel from `saved_model.pbtxt` where there is no `saved_model.pb`, and runs "
    "it like any other.",
    remedy="Do not load the model.",
    example='`node { name: "w" op: "WriteFile" }`',
    limits="Checkpoint and table operators are part of ordinary models and are not judged here: where their "
    "path comes from is only followed in the binary format.",
    references=("CWE-829", "https://protobuf.dev/reference/protobuf/textformat-spec/"),
)
_LIMIT = 64 << 20
_FIRST = re.compile(
    rb"(?:\s|#[^\n]*\n)*(?:saved_model_schema_version\s*:|(?:node|meta_graphs|library|meta_info_def)\s*:?\s*[{<])"
)
# The operator of a node; strings that stand side by side are one.
_STRING = r"(?:\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
_TOKEN = re.compile(
    rf"#[^\n]*|(?P<key>[A-Za-z_][A-Za-z0-9_]*+)\s*+:\s*+(?P<text>{_STRING}(?:\s*+{_STRING})*+)|{_STRING}",
    re.DOTALL,
)
_PART = re.compile(_STRING, re.DOTALL)
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|(.))", re.DOTALL)


@cache
def _effects() -> dict[str, str]:
    known = load("tensorflow_operators.json")
    return {name: does for does, names in known["effects"].items() for name in names.split()}


def _matches(head: Head) -> bool:
    return _FIRST.match(head.data[:1024]) is not None


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    source = read_whole(reader, budget, _LIMIT).decode("utf-8", "replace")
    budget.spend_items(len(source) // 8)
    operators: dict[str, int] = {}
    for found in _TOKEN.finditer(source):
        if found["key"] == "op":
            operators.setdefault(_joined(found["text"]), found.start())
    for name, at in operators.items():
        if does := _effects().get(name):
            shown = ascii(name)[1:-1]
            place = where.at(line=source.count("\n", 0, at) + 1)
            yield Finding(EFFECT, place, f"uses {shown}, which {does}", evidence=(("operator", shown),))
    used = ", ".join(sorted(operators))
    yield Facts("tensorflow-text", metadata=(("operators", used[:2000]),) if used else ())
    yield Read(Coverage.WHOLE)


def _joined(text: str) -> str:
    """The value of strings that stand side by side, escapes resolved."""
    return "".join(_ESCAPE.sub(_escaped, part[0][1:-1]) for part in _PART.finditer(text))


def _escaped(match: re.Match[str]) -> str:
    octal, hexadecimal, wide, plain = match.groups()
    if octal:
        return chr(int(octal, 8) & 0xFF)
    digits = hexadecimal or wide
    return chr(int(digits, 16)) if digits else str(plain)


FORMAT = Format(
    name="tensorflow-text",
    title="TensorFlow graph as text",
    matches=_matches,
    inspect=_inspect,
    rules=(EFFECT,),
    within=("text",),
    spec="https://protobuf.dev/reference/protobuf/textformat-spec/",
)
