"""PNG: chunks up to IEND; texts are surfaced (PNG specification, third edition)."""

from __future__ import annotations

from collections.abc import Generator

from scanner.errors import FormatError
from scanner.inspection import Child, Note, Text
from scanner.model import Location
from scanner.reader import Budget, BytesReader, Cursor, Reader

_LONGEST = (1 << 31) - 1
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})


def png(reader: Reader, budget: Budget, where: Location) -> Generator[Note, None, int | None]:
    """Walk the chunks; returns where the picture ends.

    Raises:
        FormatError: A chunk reaches past the end, or IEND is missing.
    """
    cursor = Cursor(reader, budget, 8)
    while True:
        budget.spend_items()
        place = cursor.position
        length, kind = cursor.u32(big=True), cursor.read(4)
        if length > _LONGEST or not kind.isalpha():
            raise FormatError("a chunk has an impossible length or name", place)
        if kind in _TEXTS:
            budget.spend_bytes(length)
            yield from _text(kind, cursor.read(length), where.at(place))
        else:
            cursor.skip(length)
        cursor.skip(4)  # CRC
        if kind == b"IEND":
            return cursor.position


def _text(kind: bytes, data: bytes, place: Location) -> Generator[Note, None, None]:
    keyword, _, rest = data.partition(b"\0")
    name = keyword.decode("latin-1")[:80]
    if kind == b"tEXt":
        yield Text(rest.decode("utf-8", "replace"), place, "metadata")
    elif kind == b"zTXt":
        yield Child(f"text {name}", BytesReader(rest[1:]), codec="zlib", read_as="text")
    else:
        compressed, content = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
        if compressed:
            yield Child(f"text {name}", BytesReader(content), codec="zlib", read_as="text")
        else:
            yield Text(content.decode("utf-8", "replace"), place, "metadata")
