"""Arrow's own files: IPC files (Feather version 2), streams, a schema alone, and Feather version 1.

Metadata of every message are read, bodies are skipped by their declared length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from scanner.errors import FormatError
from scanner.formats.arrow import feather, messages
from scanner.formats.arrow.messages import BATCH, DICTIONARY, KINDS, Message
from scanner.formats.arrow.rules import LAYOUT, RULES, SCHEMAS, SPEC
from scanner.formats.arrow.schema import Schema, judge, pairs, read, text_or_child
from scanner.inspection import Child, Format, Head, Note, Text
from scanner.model import Facts, Finding, Gap, Location
from scanner.reader import Budget, Cursor, Reader, Window
from scanner.wire.flatbuffers import Flat, Table

_MAGIC = b"ARROW1"
_FOOTER_LIMIT = 256 << 20
_BLOCK = 24
_STEP = 1 << 20
_SHOWN = 20
_COLUMNS = 40


def _matches(head: Head) -> bool:
    data = head.data
    if data.startswith((_MAGIC, feather.MAGIC)):
        return True
    # Readers of files go by the end alone.
    if head.tail.endswith(_MAGIC) and head.size > 18:
        return 0 < int.from_bytes(head.tail[-10:-6], "little") <= head.size - 10
    return head.size > 16 and messages.begins(data, head.size)


@dataclass(slots=True)
class _Table:
    """What was learnt of one table."""

    kind: str
    schema: Schema = field(default_factory=Schema)
    rows: int = 0
    batches: int = 0
    dictionaries: int = 0
    codecs: dict[str, None] = field(default_factory=dict)
    regions: list[tuple[int, int]] = field(default_factory=list)

    def take(self, message: Message, where: Location) -> Iterator[Note]:
        """Count a message's batch and read what its metadata say."""
        self.regions.append((message.start, message.end))
        for key, value in message.metadata:
            yield from text_or_child(f"metadata {key[:80]}", value, where.at(message.start))
        if message.kind in {BATCH, DICTIONARY}:
            batch = messages.batch(message)
            self.batches += message.kind == BATCH
            self.dictionaries += message.kind == DICTIONARY
            self.rows += batch.rows if message.kind == BATCH else 0
            self.codecs.setdefault(batch.codec or "none")
            if batch.outside:
                evidence = (("batch", str(message.start)),)
                text = "a buffer of the batch reaches out of its body"
                yield Finding(LAYOUT, where.at(message.start), text, evidence=evidence)

    def facts(self, version: str = "") -> Facts:
        """For the report."""
        schema = self.schema
        named = ", ".join(f"{name}: {kind}" for name, kind in schema.columns[:_COLUMNS])
        shown = (
            ("kind", self.kind),
            ("rows", str(self.rows)),
            ("columns", str(len(schema.columns))),
            ("batches", str(self.batches)),
            ("dictionaries", str(self.dictionaries or "")),
            ("codecs", ", ".join(sorted(self.codecs))),
            ("schema", named + (", …" if len(schema.columns) > _COLUMNS else "")),
            ("extension types", ", ".join(sorted({name for _, name, _ in schema.extensions})[:_COLUMNS])),
        )
        told = tuple((k, v.encode("utf-8", "backslashreplace").decode()[:2000]) for k, v in shown if v)
        return Facts("arrow", version, metadata=told)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    first = reader.read_at(0, 8)
    if first.startswith(feather.MAGIC):
        yield from _feather(reader, budget, where)
    elif first.startswith(_MAGIC) or reader.read_at(max(reader.size - 6, 0), 6) == _MAGIC:
        yield from _file(reader, budget, where)
    else:
        yield from _stream(reader, budget, where)


def _stream(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    table = _Table("stream")
    at = 0
    while at < reader.size:
        budget.spend_items()
        budget.spend_bytes(64)
        message = messages.read(reader, budget, at)
        if message is None:
            at += 8 if reader.read_at(at, 4) == messages.CONTINUES else 4
            break
        if not at:
            if message.kind != messages.SCHEMA or message.header is None:
                raise FormatError(f"begins with a {KINDS.get(message.kind, 'message')}, not a schema", 0)
            table.schema = read(message.header)
            yield from judge(table.schema, where)
        yield from table.take(message, where)
        at = message.end
    yield table.facts()
    yield from _stray(reader, budget, [(0, at)], reader.size, where)


def _file(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    end, footer = _footer(reader, budget)
    table = _Table("file")
    declared = footer.table(1)
    if declared is None:
        raise FormatError("the footer has no schema", end)
    table.schema = read(declared)
    yield from judge(table.schema, where.at(end))
    table.regions.append((0, 8))
    for key, value in pairs(footer, 4):
        yield from text_or_child(f"metadata {key[:80]}", value, where.at(end))
    for slot in (2, 3):  # dictionaries and batches
        vector = footer.vector(slot, _BLOCK)
        for index in range(vector.count):
            budget.spend_bytes(64)
            raw = vector.flat.bytes_at(vector.start + index * _BLOCK, _BLOCK)
            yield from _block(raw, reader, budget, end, table, where)
    starts = [at for at, _ in table.regions if at >= 8]
    first = _first(reader, budget, min(starts, default=end), reader.size - end)
    if first is not None and first.header is not None:
        yield from table.take(first, where)
        yield from _compare(table.schema, read(first.header), where)
    yield table.facts()
    yield from _stray(reader, budget, table.regions, end, where)


def _footer(reader: Reader, budget: Budget) -> tuple[int, Table]:
    cursor = Cursor(reader, budget, max(reader.size - 10, 0))
    length = cursor.u32()
    if cursor.read(6) != _MAGIC or length > min(reader.size - 10, _FOOTER_LIMIT):
        raise FormatError("does not end with the footer's length and ARROW1", max(reader.size - 10, 0))
    end = reader.size - 10 - length
    return end, Flat(Window(reader, end, length), budget).root()


def _first(reader: Reader, budget: Budget, end: int, longest: int) -> Message | None:
    """The schema at the start of a file, which readers of streams go by; ``None`` where there is none.

    Polars 2.1 writes it bare, without its length, so that no reader of streams finds it. Nothing can
    hide behind it: it is no longer than the footer, which has the same schema in it.
    """
    attempts = [messages.read(reader, budget, 8)] if messages.begins(reader.read_at(8, 4096), end - 8) else []
    if not attempts and 8 < end <= 8 + longest:
        attempts = (
            [messages.bare(reader, budget, 8, end)] if messages.is_bare(reader.read_at(8, 4096)) else []
        )
    return attempts[0] if attempts else None


def _block(
    raw: bytes, reader: Reader, budget: Budget, end: int, table: _Table, where: Location
) -> Iterator[Note]:
    """A batch that the footer names: its metadata, and that both lengths are those of the message."""
    start, body = (int.from_bytes(raw[at : at + 8], "little", signed=True) for at in (0, 16))
    head = int.from_bytes(raw[8:12], "little", signed=True)
    if start < 0 or head < 0 or body < 0 or start + head + body > end:
        raise FormatError("a batch reaches past the footer", max(start, 0))
    message = messages.read(reader, budget, start)
    if message is None or (message.body, message.end) != (start + head, start + head + body):
        evidence = (("batch", str(start)),)
        text = "the footer gives a batch other lengths than the batch itself"
        yield Finding(LAYOUT, where.at(start), text, evidence=evidence)
    if message is not None:
        yield from table.take(message, where)


def _compare(footer: Schema, start: Schema, where: Location) -> Iterator[Note]:
    if footer.columns != start.columns or footer.extensions != start.extensions:
        yield Finding(SCHEMAS, where.at(8), "the schema at the start is not the one in the footer")
        yield from judge(start, where.at(8))


def _feather(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    found = feather.read(reader, budget)
    for text in found.metadata:
        if text:
            yield Text(text, where.at(found.end), "metadata")
    table = _Table("feather 1", Schema(found.columns), found.rows)
    yield table.facts(str(found.version))
    yield from _stray(reader, budget, feather.regions(found), found.end, where)


def _stray(
    reader: Reader, budget: Budget, regions: Iterable[tuple[int, int]], end: int, where: Location
) -> Iterator[Note]:
    at, shown = 0, 0
    for start, stop in sorted((*regions, (end, end))):
        budget.spend_items()
        if shown >= _SHOWN:
            yield Gap(where.at(at), "more regions overlap or are owned by no batch than are shown")
            return
        if start < at and start < stop:
            overlap = (("overlap", str(start)),)
            yield Finding(LAYOUT, where.at(start), f"batches overlap at {start}", evidence=overlap)
            shown += 1
        elif start > at and not _is_padding(reader, budget, at, start):
            evidence = (("stray", str(at)), ("length", str(start - at)))
            message = f"{start - at} bytes that no batch owns"
            yield Finding(LAYOUT, where.at(at, start - at), message, evidence=evidence)
            yield Child(f"bytes at {at}", Window(reader, at, start - at))
            shown += 1
        at = max(at, stop)


def _is_padding(reader: Reader, budget: Budget, at: int, end: int) -> bool:
    """Zeros, or the mark of the end of a stream, which stands in front of a footer."""
    if reader.read_at(at, min(8, end - at)) == messages.CONTINUES + bytes(4):
        at += 8
    while at < end:
        block = reader.read_at(at, min(_STEP, end - at))
        budget.spend_bytes(len(block))
        if not block or block.count(0) != len(block):
            return False
        at += len(block)
    return True


FORMAT = Format(
    name="arrow",
    title="Arrow table",
    matches=_matches,
    inspect=_inspect,
    rules=RULES,
    suffixes=(".arrow", ".arrows", ".feather", ".ipc", ".ftr"),
    spec=SPEC,
)
