"""A Parquet footer, read entry by entry: the struct ``FileMetaData`` of parquet.thrift.

Values of another type than the specification gives a field count as missing, as in generated readers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from scanner.errors import FormatError
from scanner.reader import Budget
from scanner.wire.thrift import LIST, STRUCT, Compact, Struct

CODECS = ("none", "snappy", "gzip", "lzo", "brotli", "lz4", "zstd", "lz4-raw")
TYPES = ("boolean", "int32", "int64", "int96", "float", "double", "bytes", "fixed-bytes")
_CONVERTED = {0: "utf8", 1: "map", 3: "list", 4: "enum", 5: "decimal", 6: "date", 19: "json", 20: "bson"}


@dataclass(frozen=True, slots=True)
class Column:
    """One element of the schema, a group or a leaf."""

    name: str
    kind: str
    children: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """The bytes of one column in one row group, and what belongs to it elsewhere in the file."""

    path: str
    """The file that holds it; empty for this one."""
    start: int
    length: int
    codec: str
    described: int
    """Length of its metadata in the footer; some writers put a copy, whole or in part, behind the column."""
    indexes: tuple[tuple[int, int], ...]
    bloom: int
    """Where a Bloom filter begins whose length the footer does not say; 0 for none."""
    encrypted: bool


@dataclass(slots=True)
class Footer:
    """What the footer says of the whole file; filled while :func:`read` runs."""

    version: int = 0
    rows: int = 0
    created_by: str = ""
    columns: list[Column] = field(default_factory=list)
    metadata: list[tuple[str, bytes]] = field(default_factory=list)
    groups: int = 0
    group_rows: int = 0
    unpacked: int = 0
    encrypted: bool = False


def read(data: bytes, budget: Budget, base: int, footer: Footer) -> Iterator[Chunk]:
    """Every column chunk, in the order of the footer; the rest goes into ``footer``.

    Args:
        data: The footer's bytes.
        budget: Spent by every field.
        base: Where they stand in the file.
        footer: Filled on the way; complete once the chunks are exhausted.

    Raises:
        FormatError: The footer is no ``FileMetaData``.
    """
    thrift = Compact(data, budget, base)
    for number, kind in thrift.fields():
        if number == 4 and kind == LIST:
            for element in thrift.elements():
                _expect(element, base + thrift.at)
                yield from _group(thrift, footer)
            continue
        if number == 2 and kind == LIST:
            for element in thrift.elements():
                _expect(element, base + thrift.at)
                footer.columns.append(_column(thrift.value(STRUCT)))
            continue
        _scalar(number, thrift.value(kind), footer)


def _expect(kind: int, offset: int) -> None:
    if kind != STRUCT:
        raise FormatError("the footer's list holds no structs", offset)


def _scalar(number: int, value: Any, footer: Footer) -> None:
    if number == 1 and isinstance(value, int):
        footer.version = value
    elif number == 3 and isinstance(value, int):
        footer.rows = value
    elif number == 5 and isinstance(value, list):
        pairs = [entry for entry in value if isinstance(entry, dict)]
        footer.metadata = [(text(entry, 1), raw(entry, 2)) for entry in pairs]
    elif number == 6 and isinstance(value, bytes):
        footer.created_by = value.decode("utf-8", "replace")
    elif number == 8:
        footer.encrypted = True


def _column(entry: Struct) -> Column:
    children = whole(entry, 5)
    kind = "group" if children else _of(TYPES, whole(entry, 1))
    converted = _CONVERTED.get(entry.get(6, -1) if isinstance(entry.get(6), int) else -1, "")
    return Column(text(entry, 4), converted or kind, children)


def _group(thrift: Compact, footer: Footer) -> Iterator[Chunk]:
    footer.groups += 1
    for number, kind in thrift.fields():
        if number == 1 and kind == LIST:
            for element in thrift.elements():
                _expect(element, thrift.at)
                yield _chunk(thrift, footer)
            continue
        value = thrift.value(kind)
        if number == 3 and isinstance(value, int):
            footer.group_rows += value


def _chunk(thrift: Compact, footer: Footer) -> Chunk:
    entry: Struct = {}
    described = 0
    for number, kind in thrift.fields():
        start = thrift.at
        entry[number] = thrift.value(kind)
        if number == 3:
            described = thrift.at - start
    meta = entry.get(3)
    encrypted = 8 in entry or 9 in entry
    meta = meta if isinstance(meta, dict) else {}
    footer.unpacked += max(whole(meta, 6), 0)
    data, dictionary, index = whole(meta, 9), whole(meta, 11), whole(meta, 10)
    # The dictionary stands in front of the data where there is one; some old writers give it as 0.
    first = min((at for at in (data, dictionary, index) if at > 0), default=0)
    bloom, bloom_length = whole(meta, 14), whole(meta, 15)
    places = ((whole(entry, 4), whole(entry, 5)), (whole(entry, 6), whole(entry, 7)), (bloom, bloom_length))
    return Chunk(
        text(entry, 1),
        first,
        whole(meta, 7),
        _of(CODECS, whole(meta, 4)),
        described,
        tuple((at, length) for at, length in places if length),
        bloom if bloom and not bloom_length else 0,
        encrypted,
    )


def _of(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else f"unknown-{number}"


def whole(entry: Struct, number: int) -> int:
    """The number in a field; 0 where there is none."""
    value = entry.get(number)
    return value if type(value) is int else 0


def raw(entry: Struct, number: int) -> bytes:
    """The bytes in a field; empty where there are none."""
    value = entry.get(number)
    return value if isinstance(value, bytes) else b""


def text(entry: Struct, number: int) -> str:
    """The text in a field, what is no UTF-8 replaced; empty where there is none."""
    return raw(entry, number).decode("utf-8", "replace")


def bloom_length(data: bytes, budget: Budget) -> int | None:
    """Length of the Bloom filter that begins with these bytes, header and bits; ``None`` if none does."""
    thrift = Compact(data, budget)
    try:
        header = thrift.value(STRUCT)
    except FormatError:
        return None
    bits = whole(header, 1)
    return thrift.at + bits if bits > 0 else None
