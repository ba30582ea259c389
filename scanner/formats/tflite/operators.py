"""Operators of a TensorFlow Lite model: built in, of the whole TensorFlow (flex), or somebody's own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from scanner.data import load
from scanner.errors import BudgetExceeded, FormatError
from scanner.formats.tflite.rules import CUSTOM, EFFECT, FLEX
from scanner.inspection import Child, Note
from scanner.model import Finding, Gap, Location
from scanner.reader import BytesReader
from scanner.wire.flatbuffers import Table, Vector
from scanner.wire.flexbuffers import texts
from scanner.wire.protobuf import LENGTH, Wire

_CUSTOM_CODE = 32
_FLEX = "Flex"
# Registered by TensorFlow Lite itself (kernels/register.cc).
_OWN = frozenset({"NumericVerify", "Mfcc", "AudioSpectrogram", "TFLite_Detection_PostProcess"})
_OPTIONS = 1 << 20
_PROGRAM = 4096
_FOUND = 200


@cache
def _builtin() -> tuple[str, ...]:
    return tuple(load("tflite_operators.json")["operators"].split())


@cache
def _effects() -> dict[str, str]:
    known = load("tensorflow_operators.json")
    told = {name: does for does, names in known["effects"].items() for name in names.split()}
    opens = (*known["checkpoint"], *known["table"])
    return {
        **told,
        **dict.fromkeys(opens, "opens a file"),
        **dict.fromkeys(known["addressed"], "can write a file"),
    }


@dataclass(slots=True)
class Code:
    """One entry of the operator table."""

    number: int
    custom: str
    place: int
    count: int = 0
    seen: set[str] = field(default_factory=set)
    """TensorFlow operators that the options of flex operators name."""

    @property
    def name(self) -> str:
        """What people call it."""
        if self.number == _CUSTOM_CODE:
            return self.custom[:80] or "CUSTOM"
        return _builtin()[self.number] if self.number < len(_builtin()) else f"operator {self.number}"

    def options(self, operator: Table, where: Location) -> Iterator[Note]:
        """Look at the options of a custom operator: a flex one names what is run."""
        if self.number != _CUSTOM_CODE:
            return
        data = operator.vector(5, 1)
        if self.custom.startswith(_FLEX):
            raw = operator.flat.bytes_at(data.start, data.count) if 0 < data.count <= _OPTIONS else b""
            try:
                self.seen |= set(_named(raw, operator)) - {""}
            except (FormatError, BudgetExceeded) as error:
                yield Gap(where.at(data.start), f"the options of {self.name} cannot be read: {error}")
        elif data.count >= _PROGRAM:
            yield Child(f"{self.name} at {data.start}", data.window())


def _named(raw: bytes, operator: Table) -> Iterator[str]:
    """The operator of the options, and that of the NodeDef in them, which is what the delegate runs."""
    if not raw:
        return
    found = texts(raw)
    yield found[0].decode("utf-8", "replace") if found else ""
    for definition in found[1:2]:
        wire = Wire(BytesReader(definition), operator.flat.budget)
        for part in wire.fields():
            if part.number == 2 and part.kind == LENGTH:
                yield wire.text(part)


def read_codes(entries: Vector) -> list[Code]:
    """The operator table; the number is the larger one of the old and the new field."""
    found = []
    for entry in entries.tables():
        entry.flat.budget.spend_bytes(256)
        number = max(entry.number(0, 1, signed=True), entry.number(3, 4, signed=True), 0)
        found.append(Code(number, entry.text(1), entry.at))
    return found


def judge_custom(codes: list[Code], where: Location) -> Iterator[Note]:
    """Findings about operators that are not built in, each told once."""
    custom = flex = 0
    for code in codes:
        place = where.at(code.place)
        if code.number != _CUSTOM_CODE:
            name = f"operator {code.number}" if code.number >= len(_builtin()) else ""
        else:
            name = "" if code.custom.startswith(_FLEX) or code.custom in _OWN else code.custom or "CUSTOM"
        if name and custom < _FOUND:
            custom += 1
            yield _custom(name, place)
        if code.number != _CUSTOM_CODE or not code.custom.startswith(_FLEX):
            continue
        for name in sorted({code.custom.removeprefix(_FLEX), *code.seen}):
            shown = ascii(name[:120])[1:-1]
            evidence = (("operator", shown),)
            if does := _effects().get(name):
                yield Finding(EFFECT, place, f"runs {shown} of TensorFlow, which {does}", evidence=evidence)
            elif flex < _FOUND:
                flex += 1
                yield Finding(FLEX, place, f"runs {shown} of TensorFlow", evidence=evidence)


def _custom(name: str, place: Location) -> Finding:
    shown = ascii(name[:120])[1:-1]
    message = f"needs the operator {shown}, which TensorFlow Lite does not bring"
    return Finding(CUSTOM, place, message, evidence=(("operator", shown),))
