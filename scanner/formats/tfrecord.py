"""TFRecord files: records behind a length and its checksum; the first ones are read as ``tf.train.Example``.

Source: tensorflow/core/lib/io/record_writer.h (framing, CRC-32C with a mask).
"""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note
from scanner.model import Facts, Location
from scanner.reader import Budget, Cursor, Reader
from scanner.wire.protobuf import LENGTH, Field, fields

_SPEC = "https://www.tensorflow.org/tutorials/load_data/tfrecord"
_SAMPLED = 16
_LONGEST = 4 << 20
_SHOWN = 60
_KINDS = {1: "bytes", 2: "float", 3: "int64"}


def _table() -> tuple[int, ...]:
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)  # noqa: PLW2901 - the polynomial division
        found.append(value)
    return tuple(found)


_CRC = _table()


def masked_crc(data: bytes) -> int:
    """CRC-32C with the mask that TFRecord puts on it."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _matches(head: Head) -> bool:
    data = head.data
    if len(data) < 16 or int.from_bytes(data[:8], "little") > head.size - 16:
        return False
    return masked_crc(data[:8]) == int.from_bytes(data[8:12], "little")


def _inspect(reader: Reader, budget: Budget, _: Location) -> Iterator[Note]:
    cursor = Cursor(reader, budget)
    records, features = 0, dict[str, str]()
    while cursor.left:
        budget.spend_items()
        start = cursor.position
        raw = cursor.read(8)
        if masked_crc(raw) != cursor.u32():
            raise FormatError(f"the checksum of the length of record {records} is wrong", start)
        length = int.from_bytes(raw, "little")
        if records < _SAMPLED and length <= _LONGEST:
            features |= _features(cursor.read(length), budget)
        else:
            cursor.skip(length)
        cursor.skip(4)
        records += 1
    yield _facts(records, features)


def _facts(records: int, features: dict[str, str]) -> Facts:
    named = ", ".join(f"{name}: {kind}" for name, kind in sorted(features.items())[:_SHOWN])
    told = (("records", str(records)), ("features", named))
    return Facts("tfrecord", metadata=tuple((key, value) for key, value in told if value))


def _features(record: bytes, budget: Budget) -> dict[str, str]:
    """Names and kinds of the features of an ``Example``; none where the record is something else."""
    found: dict[str, str] = {}
    try:
        for outer in _within(record, budget, None, 1):
            for entry in _within(record, budget, outer, 1):
                name, kind = "", ""
                for part in fields(record, budget, entry.start, entry.end):
                    if part.number == 1 and part.kind == LENGTH:
                        name = record[part.start : part.end].decode("utf-8")
                    elif part.number == 2 and part.kind == LENGTH:
                        inner = next(iter(fields(record, budget, part.start, part.end)), None)
                        kind = _KINDS.get(inner.number, "") if inner else "empty"
                if name and kind:
                    found[name[:120]] = kind
    except (FormatError, UnicodeDecodeError):
        return {}
    return found


def _within(record: bytes, budget: Budget, outer: Field | None, number: int) -> Iterator[Field]:
    start, end = (outer.start, outer.end) if outer else (0, len(record))
    for part in fields(record, budget, start, end):
        if part.number != number or part.kind != LENGTH:
            raise FormatError("is no Example")
        yield part


FORMAT = Format(
    name="tfrecord",
    title="TFRecord file",
    matches=_matches,
    inspect=_inspect,
    suffixes=(".tfrecord", ".tfrecords"),
    spec=_SPEC,
)
