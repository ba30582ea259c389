"""Which bytes of an archive its members and records own, and which nobody does."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from scanner.wire.torch_zip import Role
from scanner.wire.zip import DEFERRED, ENCRYPTED, END, LOCAL, End, Entry

# PyTorch pads in front of the data of a storage, to 64 bytes where nobody asks for more, and writes a
# descriptor behind it. A page is the most that anybody has a reason to ask for.
_PADDING = 256
_PAGE = 4096
_DESCRIPTORS = frozenset({12, 16, 20, 24})  # APPNOTE 4.3.9, with and without signature and zip64


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Bytes that belong to somebody."""

    start: int
    stop: int
    name: str = ""
    """The member; empty for a record of the archive itself."""
    deferred: bool = False
    """A data descriptor may follow."""


def record_spans(end: End) -> Iterator[Span]:
    """The directory and the end records of one reading."""
    yield Span(end.directory, end.directory + end.length)
    yield Span(end.position, end.end)
    if end.record64 is not None:
        yield Span(end.record64, end.record64 + 56)
        yield Span(end.position - 20, end.position)


def unowned(spans: Iterable[Span], size: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of what no span covers, in order."""
    at, deferred = 0, False
    for span in (*sorted(spans), Span(size, size)):
        if span.start > at and not (deferred and span.start - at in _DESCRIPTORS):
            yield at, span.start
        if span.stop > at:
            at, deferred = span.stop, span.deferred


def overlap(spans: Iterable[Span]) -> tuple[Span, Span] | None:
    """The first two members that share bytes, if any."""
    last: Span | None = None
    for span in sorted(span for span in spans if span.name and span.stop > span.start):
        if last and span.start < last.stop:
            return last, span
        last = span if last is None or span.stop > last.stop else last
    return None


def raw_storages(entries: Iterable[Entry], roles: Mapping[str, Role]) -> frozenset[str]:
    """Names of the raw tensor storages of a PyTorch archive: uncompressed, and nothing else of that name.

    PyTorch reads them as numbers by offset; a pickle beside their folder says which. There can be
    thousands of them, so they are not looked up one by one (docs/adr/0006).
    """
    listed = [entry for entry in entries if roles.get(entry.name) is Role.STORAGE]
    counts = Counter(entry.name for entry in listed)
    return frozenset(
        entry.name
        for entry in listed
        if counts[entry.name] == 1
        and entry.method == 0
        and entry.compressed == entry.size
        and not entry.flags & ENCRYPTED
    )


def storage_spans(
    storages: Sequence[Entry], known: Iterable[Span], size: int, alignment: int
) -> Iterator[tuple[Entry, Span | None]]:
    """Each raw storage with its span, by arithmetic alone; without one where that does not add up.

    Args:
        storages: Their directory entries.
        known: What owns other parts of the file.
        size: Of the file.
        alignment: What the archive says that its storages are padded to.
    """
    padding = _PADDING + min(alignment, _PAGE)
    starts = sorted({*(entry.header for entry in storages), *(span.start for span in known), size})
    for entry in storages:
        stop = entry.header + LOCAL.size + len(entry.raw_name) + entry.compressed
        index = bisect_right(starts, entry.header)
        following = starts[index] if index < len(starts) else size
        if entry.header >= 0 and 0 <= following - stop <= padding:
            yield entry, Span(entry.header, following, entry.name)
        else:
            yield entry, None


def is_deferred(entry: Entry) -> bool:
    """Whether a data descriptor may follow the data."""
    return bool(entry.flags & DEFERRED)


_CENTRAL_SIZE = 46


def record_length(head: bytes) -> int:
    """Length of a record other than a local header that begins with these 46 bytes; 0: it is none."""
    if head.startswith(b"PK\x01\x02") and len(head) == _CENTRAL_SIZE:
        return _CENTRAL_SIZE + sum(int.from_bytes(head[at : at + 2], "little") for at in (28, 30, 32))
    if head.startswith(b"PK\x05\x06") and len(head) >= END.size:
        return END.size + int.from_bytes(head[20:22], "little")
    if head.startswith(b"PK\x06\x06") and len(head) >= 12:
        return 12 + int.from_bytes(head[4:12], "little")
    return 20 if head.startswith(b"PK\x06\x07") else 0
