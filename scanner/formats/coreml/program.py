"""Neural networks and ML programs of CoreML: layers, operations, and where their weights are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from scanner.errors import FormatError
from scanner.formats.coreml.rules import CUSTOM, PATH
from scanner.inspection import Note, Text
from scanner.model import Claim, Finding, Location, Tensor
from scanner.wire.paths import escape
from scanner.wire.protobuf import LENGTH, Field, Wire

# DataType of MIL.proto: name and bits of an element.
_TYPES = {
    1: ("bool", 8),
    2: ("string", 0),
    10: ("f16", 16),
    11: ("f32", 32),
    12: ("f64", 64),
    13: ("bf16", 16),
    21: ("i8", 8),
    22: ("i16", 16),
    23: ("i32", 32),
    24: ("i64", 64),
    25: ("i4", 4),
    31: ("u8", 8),
    32: ("u16", 16),
    33: ("u32", 32),
    34: ("u64", 64),
    35: ("u4", 4),
    36: ("u2", 2),
    37: ("u1", 1),
    38: ("u6", 6),
    39: ("u3", 3),
    40: ("f8_e4m3", 8),
    41: ("f8_e5m2", 8),
}
_MODEL = "@model_path/"
_NETWORKS = {605: (1, 2), 615: (3, 4)}  # branch and loop, which have networks in them
_LAYER_CUSTOM, _CLASS = 500, 10
_TEXT = 1 << 16


@dataclass(slots=True)
class Model:
    """What has been learnt so far."""

    wire: Wire
    version: str = ""
    kinds: list[str] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    metadata: list[tuple[str, str]] = field(default_factory=list)
    files: dict[str, None] = field(default_factory=dict)
    classes: dict[str, None] = field(default_factory=dict)
    operations: Counter[str] = field(default_factory=Counter)
    odd_fields: int = 0


_Read = Callable[[Model, Field, Location, int], Iterator[Note]]


def inside(part: Field) -> Field:
    """The field, if it has a content.

    Raises:
        FormatError: It is a number.
    """
    if part.kind != LENGTH:
        raise FormatError(f"field {part.number} is not the message that it should be", part.start)
    return part


def read_network(model: Model, span: Field, where: Location, depth: int) -> Iterator[Note]:
    """A ``NeuralNetwork`` (also as a classifier or a regressor): its layers."""
    for part in model.wire.fields(inside(span).start, span.end, depth):
        if part.number == 1:
            yield from _layer(model, inside(part), where, depth + 1)


def _layer(model: Model, span: Field, where: Location, depth: int) -> Iterator[Note]:
    for part in model.wire.fields(span.start, span.end, depth):
        if part.number < 100:
            continue
        model.operations[f"layer {part.number}"] += 1
        if part.number == _LAYER_CUSTOM:
            yield from custom(model, inside(part), where, depth + 1, "layer")
        for number in _NETWORKS.get(part.number, ()):
            for inner in model.wire.fields(inside(part).start, part.end, depth + 1):
                if inner.number == number:
                    yield from read_network(model, inner, where, depth + 2)


def custom(model: Model, span: Field, where: Location, depth: int, what: str) -> Iterator[Note]:
    """A custom layer or model: the class that the application has to bring."""
    name = ""
    for part in model.wire.fields(span.start, span.end, depth):
        if part.number == _CLASS:
            name = model.wire.text(part)
        elif part.number == 40:
            yield Text(model.wire.text(part), where.at(part.start), "metadata")
    shown = ascii(name[:120])[1:-1]
    if shown in model.classes:
        return
    model.wire.budget.spend_bytes(1024)
    model.classes.setdefault(shown)
    message = f"needs the class {shown} of the application, for a custom {what}"
    yield Finding(CUSTOM, where.at(span.start), message, evidence=(("class", shown),))


def read_program(model: Model, span: Field, where: Location, depth: int) -> Iterator[Note]:
    """An ML ``Program``: functions, blocks, operations."""
    for part in model.wire.fields(inside(span).start, span.end, depth):
        if part.number == 2:
            yield from _entry(model, inside(part), where, depth + 1, _function)
        elif part.number == 4:
            yield from _entry(model, inside(part), where, depth + 1, _value)
        elif part.number == 3:
            yield Text(model.wire.text(part), where.at(part.start), "text")


def _entry(model: Model, span: Field, where: Location, depth: int, read: _Read) -> Iterator[Note]:
    """The value of an entry of a map."""
    for part in model.wire.fields(span.start, span.end, depth):
        if part.number == 2:
            yield from read(model, inside(part), where, depth + 1)


def _function(model: Model, span: Field, where: Location, depth: int) -> Iterator[Note]:
    for part in model.wire.fields(span.start, span.end, depth):
        if part.number == 3:
            yield from _entry(model, inside(part), where, depth + 1, _block)
        elif part.number == 4:
            yield from _entry(model, inside(part), where, depth + 1, _value)


def _block(model: Model, span: Field, where: Location, depth: int) -> Iterator[Note]:
    for part in model.wire.fields(span.start, span.end, depth):
        if part.number == 3:
            yield from _operation(model, inside(part), where, depth + 1)


def _operation(model: Model, span: Field, where: Location, depth: int) -> Iterator[Note]:
    kind, names, values = "", [], []
    for part in model.wire.fields(span.start, span.end, depth):
        if part.number == 1:
            kind = model.wire.text(part)
        elif part.number == 3:
            names += [
                model.wire.text(p)
                for p in model.wire.fields(inside(part).start, part.end, depth + 1)
                if p.number == 1
            ]
        elif part.number == 4:
            yield from _block(model, inside(part), where, depth + 1)
        elif part.number == 5:
            values.append(inside(part))
    model.wire.budget.spend_bytes(128)
    model.operations[kind[:80]] += 1
    if kind == "custom_layer":
        message = "needs a class of the application, for a custom layer"
        yield Finding(CUSTOM, where.at(span.start), message, evidence=(("operation", kind),))
    for value in values:
        for part in model.wire.fields(value.start, value.end, depth + 1):
            if part.number == 2:
                yield from _value(model, inside(part), where, depth + 2, names[0] if names else "")


def _value(model: Model, span: Field, where: Location, depth: int, name: str = "") -> Iterator[Note]:
    """A ``Value``: numbers in the model, or in a file beside it."""
    kind: tuple[str, tuple[int, ...]] = ("", ())
    for part in model.wire.fields(span.start, span.end, depth):
        if part.number == 2:
            kind = _type(model.wire, inside(part), depth + 1)
        elif part.number == 3 and part.end - part.start <= _TEXT and kind[0] == "string":
            yield Text(model.wire.text(inside(part)), where.at(part.start), "string")
        elif part.number == 5:
            yield from _blob(model, inside(part), where, depth + 1)
            model.wire.budget.spend_bytes(256)
            model.tensors.append(Tensor(name, *kind, None, _length(*kind)))


def _length(dtype: str, shape: tuple[int, ...]) -> int:
    bits = next((bits for told, bits in _TYPES.values() if told == dtype), 0)
    return (Tensor("", dtype, shape).elements * bits + 7) // 8


def _blob(model: Model, span: Field, where: Location, depth: int) -> Iterator[Note]:
    for part in model.wire.fields(span.start, span.end, depth):
        if part.number == 1:
            path = model.wire.text(part).removeprefix(_MODEL)
            told = path[:200] in model.files
            model.files.setdefault(path[:200])
            if not told and (how := escape(path)):
                message = f"takes weights from {path[:200]!r}, a path that {how}"
                yield Finding(PATH, where.at(part.start), message, evidence=(("path", path[:200]),))


def _type(wire: Wire, span: Field, depth: int) -> tuple[str, tuple[int, ...]]:
    """Type and shape of a ``ValueType`` that is a tensor."""
    dtype, shape = "", []
    for part in wire.fields(span.start, span.end, depth):
        if part.number != 1:
            continue
        for inner in wire.fields(inside(part).start, part.end, depth + 1):
            if inner.number == 1:
                dtype = _TYPES.get(inner.value, (f"type {inner.value}", 0))[0]
            elif inner.number == 3:
                shape += list(_extent(wire, inside(inner), depth + 2))
    return dtype, tuple(shape)


def _extent(wire: Wire, span: Field, depth: int) -> Iterator[int]:
    for part in wire.fields(span.start, span.end, depth):
        if part.number == 1:
            sizes = [p.value for p in wire.fields(inside(part).start, part.end, depth + 1) if p.number == 1]
            yield sizes[-1] if sizes else 0
