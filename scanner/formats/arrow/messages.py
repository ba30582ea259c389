"""Arrow's encapsulated messages: a length, metadata as a FlatBuffer, a body of buffers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scanner.errors import FormatError
from scanner.formats.arrow.schema import pairs
from scanner.reader import Budget, BytesReader, Cursor, Reader
from scanner.wire.flatbuffers import Flat, Table

SCHEMA, DICTIONARY, BATCH = 1, 2, 3
KINDS = {SCHEMA: "schema", DICTIONARY: "dictionary", BATCH: "batch", 4: "tensor", 5: "sparse tensor"}
CODECS = ("lz4", "zstd")
CONTINUES = b"\xff\xff\xff\xff"
_LIMIT = 64 << 20
_BUFFERS = 1 << 22


@dataclass(frozen=True, slots=True)
class Message:
    """One message: where it stands, what it is, and its metadata."""

    start: int
    body: int
    end: int
    kind: int
    header: Table | None
    metadata: tuple[tuple[str, bytes], ...]


def read(reader: Reader, budget: Budget, start: int) -> Message | None:
    """The message at ``start``; ``None`` where the stream says that it ends.

    Raises:
        FormatError: It is no message, or reaches past the end.
    """
    cursor = Cursor(reader, budget, start, read_ahead=4 << 10)
    length = cursor.u32()
    if length == 0xFFFFFFFF:  # since version 0.15 of the format
        length = cursor.u32()
    if length == 0:
        return None
    if length > _LIMIT:
        raise FormatError(f"the metadata of a message have {length} bytes", start)
    flat = Flat(BytesReader(cursor.read(length)), budget)
    root = flat.root()
    body, size = cursor.position, root.number(3, 8, signed=True)
    if size < 0 or size > cursor.left:
        raise FormatError(f"a body of {size} bytes is declared, {cursor.left} are left", start)
    return Message(start, body, body + size, root.number(1, 1), root.table(2), tuple(pairs(root, 4)))


def bare(reader: Reader, budget: Budget, start: int, end: int) -> Message:
    """Metadata of a message between two places, without a length in front or a body behind.

    Raises:
        FormatError: There are none.
    """
    cursor = Cursor(reader, budget, start)
    root = Flat(BytesReader(cursor.read(end - start)), budget).root()
    return Message(start, end, end, root.number(1, 1), root.table(2), tuple(pairs(root, 4)))


@dataclass(frozen=True, slots=True)
class Batch:
    """What a batch of records or of a dictionary holds."""

    rows: int
    codec: str
    outside: bool
    """Whether a buffer reaches out of the body."""


def batch(message: Message) -> Batch:
    """The batch in a message.

    Raises:
        FormatError: It is malformed.
    """
    table = message.header
    if table is not None and message.kind == DICTIONARY:
        table = table.table(1)
    if table is None:
        raise FormatError("a batch has no header", message.start)
    size = message.end - message.body
    outside = any(offset < 0 or length < 0 or offset + length > size for offset, length in _buffers(table))
    compression = table.table(3)
    codec = ""
    if compression:
        number = compression.number(0, 1)
        codec = CODECS[number] if number < len(CODECS) else f"unknown-{number}"
    return Batch(table.number(0, 8, signed=True), codec, outside)


def _buffers(table: Table) -> Iterator[tuple[int, int]]:
    vector = table.vector(2, 16)
    if vector.count > _BUFFERS:
        raise FormatError(f"a batch of {vector.count} buffers", vector.start)
    if not vector.count:
        return
    raw = vector.flat.bytes_at(vector.start, vector.count * 16)
    vector.flat.budget.spend_items(vector.count)
    for at in range(0, len(raw), 16):
        yield (
            int.from_bytes(raw[at : at + 8], "little", signed=True),
            int.from_bytes(raw[at + 8 : at + 16], "little", signed=True),
        )


def begins(data: bytes, size: int) -> bool:
    """Whether a stream begins with these bytes: the first message of one is its schema."""
    first = int.from_bytes(data[:4], "little")
    base = 4
    if first == 0xFFFFFFFF:
        first, base = int.from_bytes(data[4:8], "little"), 8
    if not 16 <= first <= min(size - base, _LIMIT) or first % 4:
        return False
    return _is_schema(data[base:], first)


def is_bare(data: bytes) -> bool:
    """Whether the metadata of a schema's message begin with these bytes."""
    return _is_schema(data, len(data))


def _is_schema(data: bytes, size: int) -> bool:
    root = int.from_bytes(data[:4], "little")
    if not 4 <= root <= size - 8 or root + 4 > len(data):
        return False
    behind = root - int.from_bytes(data[root : root + 4], "little", signed=True)
    if not 0 <= behind <= len(data) - 8:
        return False
    slot = int.from_bytes(data[behind + 6 : behind + 8], "little")
    length = int.from_bytes(data[behind : behind + 2], "little")
    return length >= 10 and 4 <= slot < 64 and data[root + slot : root + slot + 1] == b"\x01"
