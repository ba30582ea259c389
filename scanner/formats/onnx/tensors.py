"""One tensor of an ONNX model: type, shape, where its numbers are, and whether that adds up."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from math import prod

from scanner.formats.onnx.model import Model, entry, message, scalar
from scanner.formats.onnx.rules import EXTERNAL_KEY, EXTERNAL_PATH, PAYLOAD, TENSOR
from scanner.inspection import Note, Text
from scanner.model import Finding, Location, Region, Tensor
from scanner.wire.paths import escape
from scanner.wire.protobuf import LENGTH, Field

# TensorProto.DataType: name and bits of an element in raw_data.
TYPES = {
    1: ("f32", 32),
    2: ("u8", 8),
    3: ("i8", 8),
    4: ("u16", 16),
    5: ("i16", 16),
    6: ("i32", 32),
    7: ("i64", 64),
    8: ("string", 0),
    9: ("bool", 8),
    10: ("f16", 16),
    11: ("f64", 64),
    12: ("u32", 32),
    13: ("u64", 64),
    14: ("c64", 64),
    15: ("c128", 128),
    16: ("bf16", 16),
    17: ("f8_e4m3", 8),
    18: ("f8_e4m3fnuz", 8),
    19: ("f8_e5m2", 8),
    20: ("f8_e5m2fnuz", 8),
    21: ("u4", 4),
    22: ("i4", 4),
    23: ("f4", 4),
    24: ("f8_e8m0", 8),
    25: ("u2", 2),
    26: ("i2", 2),
    27: ("f6_e2m3", 6),
    28: ("f6_e3m2", 6),
}
_DIMS, _TYPE, _STRINGS, _NAME, _RAW, _EXTERNAL, _PLACE = 1, 2, 6, 8, 9, 13, 14
_HEAD = frozenset({_DIMS, _TYPE, _NAME, _RAW, _PLACE})
_TYPED = frozenset({4, 5, 7, 10, 11})
_QUIET = frozenset({3, 12, 16})  # segment, doc_string, metadata_props
_ADDRESS = "_ORT_MEM_ADDR_"
_KEYS = frozenset({"location", "offset", "length", "checksum", "basepath"})
_STRING_BYTES = 1 << 20
_DIGITS = 18


@dataclass(slots=True)
class _Seen:
    """What the fields of a tensor say."""

    name: str = ""
    kind: int = 0
    shape: list[int] = field(default_factory=list)
    raw: Field | None = None
    typed: int = 0
    external: bool = False
    entries: list[tuple[str, str]] = field(default_factory=list)
    strings: list[str] = field(default_factory=list)
    held: int = 0


def read_tensor(
    model: Model, span: Field, where: Location, *, depth: int, keep: bool
) -> Generator[Note, None, str]:
    """Walk a ``TensorProto`` and return its name; ``keep`` says that it is one of the model's own weights."""
    seen = _Seen()
    place = where.at(span.start, span.end - span.start)
    for part in model.wire.fields(span.start, span.end, depth):
        if part.number in _TYPED:
            seen.typed += part.end - part.start
        elif part.number == _STRINGS:
            _string(model, part, seen)
        elif part.number == _EXTERNAL:
            seen.entries.append(entry(model.wire, part, depth + 1))
        elif part.number in _HEAD:
            _head(model, part, seen)
        elif part.number not in _QUIET:
            yield from model.odd(part, "a tensor", where)
    if seen.strings:
        yield Text("\n".join(seen.strings), place, "string")
    yield from _judge(model, seen, place)
    region = None
    if seen.external or seen.entries:
        region = yield from _external(model, seen, place)
    model.keep(_tensor(seen, region), weight=keep)
    return seen.name


def _head(model: Model, part: Field, seen: _Seen) -> None:
    if part.number == _DIMS:
        seen.shape += model.wire.numbers(part)
    elif part.number == _TYPE:
        seen.kind = scalar(part)
    elif part.number == _NAME:
        seen.name = model.wire.text(part)
    elif part.number == _RAW:
        seen.raw = message(part)
    else:
        seen.external = scalar(part) == 1


def _string(model: Model, part: Field, seen: _Seen) -> None:
    length = part.end - part.start
    if part.kind == LENGTH and seen.held + length <= _STRING_BYTES:
        seen.held += length
        seen.strings.append(model.wire.text(part))


def _judge(model: Model, seen: _Seen, place: Location) -> Iterator[Note]:
    name, wrong = seen.name[:200], ""
    dtype, bits = TYPES.get(seen.kind, ("", 0))
    length = seen.raw.end - seen.raw.start if seen.raw else 0
    if any(extent < 0 for extent in seen.shape):
        wrong = "has a negative extent"
    elif not dtype and seen.kind:
        wrong = f"is of the unknown type {seen.kind}"
    elif seen.raw and bits and length * 8 // bits != prod(seen.shape) and length != _bytes(seen.shape, bits):
        wrong = f"has {length} bytes for {prod(seen.shape)} elements of {dtype}"
    if wrong and model.first(TENSOR, name):
        yield Finding(TENSOR, place, f"the tensor {name!r} {wrong}", evidence=(("tensor", name),))
    places = [
        what
        for what, there in (
            ("raw_data", length > 0),
            ("typed data", seen.typed > 0),
            ("another file", seen.external),
        )
        if there
    ]
    if len(places) > 1 and model.first(PAYLOAD, name):
        message = f"the tensor {name!r} has numbers in {' and in '.join(places)}: readers take one of them"
        yield Finding(PAYLOAD, place, message, evidence=(("tensor", name),))


def _bytes(shape: list[int], bits: int) -> int:
    return (prod(shape) * bits + 7) // 8


def _external(model: Model, seen: _Seen, place: Location) -> Generator[Note, None, int | None]:
    """Judge where the numbers are, by every value of a key that stands twice; returns how many bytes."""
    name = seen.name[:200]
    offset, length = 0, None
    for key, value in seen.entries:
        if key == "location":
            how = "is an address in memory" if _ADDRESS in value else escape(value)
            how = how or ("" if value.strip() else "is empty")
            if how and model.first(EXTERNAL_PATH, value[:200]):
                message = f"the tensor {name!r} takes its numbers from {value[:200]!r}, a path that {how}"
                yield Finding(EXTERNAL_PATH, place, message, evidence=(("location", value[:200]),))
        elif key in {"offset", "length"}:
            if value.isascii() and value.isdigit() and len(value) <= _DIGITS:
                offset, length = (int(value), length) if key == "offset" else (offset, int(value))
            elif model.first(EXTERNAL_KEY, value[:80]):
                message = f"the tensor {name!r} has the {key} {value[:80]!r}, which is no number"
                yield Finding(EXTERNAL_KEY, place, message, evidence=((key, value[:80]),))
        elif key not in _KEYS and model.first(EXTERNAL_KEY, key[:80]):
            message = f"the external data of {name!r} has the key {key[:80]!r}"
            yield Finding(EXTERNAL_KEY, place, message, evidence=(("key", key[:80]),))
    bits = TYPES.get(seen.kind, ("", 0))[1]
    if length is None and bits and all(extent >= 0 for extent in seen.shape):
        length = _bytes(seen.shape, bits)
    for location in dict.fromkeys(value for key, value in seen.entries if key == "location"):
        model.take(Region(location, offset, length or 0, seen.name))
    return length


def _tensor(seen: _Seen, outside: int | None) -> Tensor:
    dtype = TYPES.get(seen.kind, (f"type {seen.kind}", 0))[0]
    shape = tuple(max(extent, 0) for extent in seen.shape)
    if seen.raw is not None and outside is None:
        return Tensor(seen.name, dtype, shape, seen.raw.start, seen.raw.end - seen.raw.start)
    return Tensor(seen.name, dtype, shape, None, outside if outside is not None else seen.typed or None)
