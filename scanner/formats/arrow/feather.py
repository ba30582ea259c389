"""Feather version 1: bare columns, then one FlatBuffer that says where they lie (feather.fbs)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.errors import FormatError
from scanner.reader import Budget, Cursor, Reader, Window
from scanner.wire.flatbuffers import Flat, Table

MAGIC = b"FEA1"
_LIMIT = 64 << 20
_TYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float", "double"),
    *("text", "binary", "category", "timestamp", "date", "time", "large-text", "large-binary"),
)


@dataclass(slots=True)
class Feather:
    """What the metadata of a file say."""

    rows: int = 0
    version: int = 0
    columns: list[tuple[str, str]] = field(default_factory=list)
    regions: list[tuple[int, int]] = field(default_factory=list)
    metadata: list[str] = field(default_factory=list)
    end: int = 0
    """Where the metadata begin."""


def read(reader: Reader, budget: Budget) -> Feather:
    """The metadata of a file.

    Raises:
        FormatError: It does not end as such a file.
    """
    cursor = Cursor(reader, budget, max(reader.size - 8, 0))
    length = cursor.u32()
    if cursor.read(4) != MAGIC or length > min(reader.size - 12, _LIMIT):
        raise FormatError("does not end with the length of its metadata and FEA1", max(reader.size - 8, 0))
    end = reader.size - 8 - length
    root = Flat(Window(reader, end, length), budget).root()
    found = Feather(root.number(1, 8), root.number(3, 4), end=end)
    found.metadata.append(root.text(4))
    for column in root.vector(2).tables():
        values = column.table(1)
        if values is None:
            raise FormatError("a column has no values", end)
        kind = values.number(0, 1)
        found.columns.append((column.text(0), _TYPES[kind] if kind < len(_TYPES) else f"unknown-{kind}"))
        found.metadata.append(column.text(4))
        found.regions.append(_region(values, end))
        levels = _levels(column)
        if levels is not None:
            found.regions.append(_region(levels, end))
    return found


def _levels(column: Table) -> Table | None:
    """The names of a category, which lie in the file as well."""
    metadata = column.table(3) if column.number(2, 1) == 1 else None
    return metadata.table(0) if metadata else None


def _region(array: Table, end: int) -> tuple[int, int]:
    offset, length = array.number(2, 8, signed=True), array.number(5, 8, signed=True)
    if offset < 0 or length < 0 or offset + length > end:
        raise FormatError(f"a column of {length} bytes reaches past the metadata", max(offset, 0))
    return offset, length


def regions(found: Feather) -> Iterator[tuple[int, int]]:
    """Start and end of everything that belongs to the file in front of its metadata."""
    yield 0, len(MAGIC)
    yield from ((offset, offset + length) for offset, length in found.regions)
