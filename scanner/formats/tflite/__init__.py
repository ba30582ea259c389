"""TensorFlow Lite models: operators, tensors and their buffers, metadata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.errors import BudgetExceeded, FormatError
from scanner.formats.tflite.metadata import read_metadata
from scanner.formats.tflite.operators import Code, judge_custom, read_codes
from scanner.formats.tflite.rules import BUFFER, RULES
from scanner.inspection import Child, Format, Head, Note, Text
from scanner.model import Claim, Facts, Finding, Location, Tensor
from scanner.reader import Budget, Reader, Window
from scanner.wire.flatbuffers import Flat, Table, Vector

# TensorType of schema.fbs: name and bits of an element.
_TYPES = (
    *(("f32", 32), ("f16", 16), ("i32", 32), ("u8", 8), ("i64", 64), ("string", 0), ("bool", 8), ("i16", 16)),
    *(("c64", 64), ("i8", 8), ("f64", 64), ("c128", 128), ("u64", 64), ("resource", 0), ("variant", 0)),
    *(("u32", 32), ("u16", 16), ("i4", 4), ("bf16", 16), ("i2", 2)),
)
_NAMED = 20
_SHOWN = 200
_UNUSED = 16  # bytes that are worth a finding


def _matches(head: Head) -> bool:
    return head.data[4:8] == b"TFL3" and head.size >= 12


@dataclass(slots=True)
class _Model:
    flat: Flat
    version: str = ""
    tensors: list[Tensor] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    metadata: list[tuple[str, str]] = field(default_factory=list)
    used: dict[int, list[tuple[str, int, tuple[int, ...], bool]]] = field(default_factory=dict)
    """Buffer to the tensors that use it: name, type, shape, whether it is sparse."""
    spoken: set[int] = field(default_factory=lambda: {0})
    """Buffers that metadata uses; the first one is empty by custom."""

    def facts(self) -> Facts:
        return Facts(
            "tflite", self.version, tuple(self.tensors), tuple(self.claims), metadata=tuple(self.metadata)
        )


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    model = _Model(Flat(reader, budget))
    try:
        yield from _read(model, where)
    except (FormatError, BudgetExceeded):
        yield model.facts()
        raise
    yield model.facts()


def _read(model: _Model, where: Location) -> Iterator[Note]:
    root = model.flat.root()
    model.version = str(root.number(0, 4))
    codes = read_codes(root.vector(1))
    if text := root.text(3):
        yield Text(text, where, "metadata")
        model.metadata.append(("description", text[:_SHOWN]))
    for index, graph in enumerate(root.vector(2).tables()):
        yield from _graph(model, graph, codes, index, where)
    yield from judge_custom(codes, where)
    names = [f"{code.name} {code.count}" for code in codes if code.count]
    model.metadata.append(("operators", ", ".join(names)[:1000]))
    buffers = root.vector(4)
    for name, number, place in read_metadata(model.claims, root.vector(6), buffers):
        model.spoken.add(number)
        yield from _spoken(model, name, place, where)
    model.spoken |= set(root.vector(5).numbers(4, signed=False))
    for signature in root.vector(7).tables():
        model.metadata.append(("signature", signature.text(2)[:_SHOWN]))
    yield from _buffers(model, buffers, where)


def _graph(model: _Model, graph: Table, codes: list[Code], index: int, where: Location) -> Iterator[Note]:
    shown: dict[int, str] = {}
    for number, tensor in enumerate(graph.vector(0).tables()):
        model.flat.budget.spend_bytes(400)
        name, kind = tensor.text(3), tensor.number(1, 1)
        shape = tuple(tensor.vector(0).numbers(4, 64))
        sparse = tensor.place(6) != 0
        model.used.setdefault(tensor.number(2, 4), []).append((name, kind, shape, sparse))
        shown[number] = f"{name[:80]} {_type(kind)[0]}{list(shape)}"
    for what, slot in (("input", 1), ("output", 2)):
        for number in graph.vector(slot).numbers(4, 4096)[:_NAMED]:
            if index == 0 and number in shown:
                model.metadata.append((what, shown[number]))
    for operator in graph.vector(3).tables():
        number = operator.number(0, 4)
        if number >= len(codes):
            raise FormatError(f"an operator has the code {number} of {len(codes)}", operator.at)
        codes[number].count += 1
        yield from codes[number].options(operator, where)
        yield from _large(model, operator, codes[number])


def _large(model: _Model, operator: Table, code: Code) -> Iterator[Note]:
    """Options that stand behind the FlatBuffer, as those of compiled programs do."""
    offset, size = operator.number(9, 8), operator.number(10, 8)
    if offset > 1 and size:
        if offset + size > model.flat.reader.size:
            raise FormatError("the options of an operator lie outside the file", operator.at)
        yield Child(f"{code.name} at {offset}", Window(model.flat.reader, offset, size))


def _spoken(model: _Model, name: str, place: Vector, where: Location) -> Iterator[Note]:
    """A metadata buffer: text, or something of its own format."""
    if name in {"TFLITE_METADATA", "CONVERSION_METADATA"} or place.count == 0:
        return
    if place.count <= 1 << 16:
        raw = model.flat.bytes_at(place.start, place.count).rstrip(b"\0")
        if raw.isascii():
            model.metadata.append((name[:80], raw.decode()[:_SHOWN]))
            yield Text(raw.decode(), where.at(place.start, place.count), "metadata")
            return
    yield Child(name[:_SHOWN] or f"metadata at {place.start}", place.window())


def _buffers(model: _Model, buffers: Vector, where: Location) -> Iterator[Note]:
    unused = odd = 0
    for number, table in enumerate(buffers.tables()):
        start, length = _extent(model, table)
        if not length:
            continue
        place = where.at(start, length)
        for name, kind, shape, sparse in model.used.get(number, []):
            dtype, bits = _type(kind)
            told = Tensor(name, dtype, tuple(max(extent, 0) for extent in shape), start, length)
            model.tensors.append(told)
            if bits and not sparse and (told.elements * bits + 7) // 8 != length and odd < _NAMED:
                odd += 1
                message = f"the tensor {name[:_SHOWN]!r} has {length} bytes for {told.elements} of {dtype}"
                yield Finding(BUFFER, place, message, evidence=(("tensor", name[:_SHOWN]),))
        if number not in model.used and number not in model.spoken and length >= _UNUSED and unused < _NAMED:
            unused += 1
            message = f"{length} bytes in a buffer that nothing uses"
            yield Finding(BUFFER, place, message, evidence=(("buffer", str(number)),))
            yield Child(f"buffer {number}", Window(model.flat.reader, start, length))


def _extent(model: _Model, table: Table) -> tuple[int, int]:
    """Where a buffer's bytes are: in the FlatBuffer, or behind it."""
    offset, size = table.number(1, 8), table.number(2, 8)
    if offset > 1 and size:
        if offset + size > model.flat.reader.size:
            raise FormatError("a buffer lies outside the file", table.at)
        return offset, size
    data = table.vector(0, 1)
    return data.start, data.count


def _type(kind: int) -> tuple[str, int]:
    return _TYPES[kind] if kind < len(_TYPES) else (f"type {kind}", 0)


FORMAT = Format(
    name="tflite",
    title="TensorFlow Lite model",
    matches=_matches,
    inspect=_inspect,
    rules=RULES,
    suffixes=(".tflite",),
    within=("zip",),
    spec="https://github.com/tensorflow/tensorflow/blob/master/tensorflow/compiler/mlir/lite/schema/schema.fbs",
)
