"""Which bytes of a Parquet file belong to what, and which belong to nothing."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.formats.parquet.footer import Chunk, bloom_length
from scanner.formats.parquet.rules import LAYOUT
from scanner.inspection import Child, Note
from scanner.model import Finding, Gap, Location
from scanner.reader import Budget, Reader, Window

_STEP = 1 << 20
_SHOWN = 20
_BLOOM_HEADER = 64
_ENTRY = 13  # Arrow writes the entry that the metadata are a field of: a place, two tags, an end


class Layout:
    """The regions that a footer declares; neighbours in file order are kept as one."""

    def __init__(self, reader: Reader, budget: Budget, first: int, end: int) -> None:
        self._reader = reader
        self._budget = budget
        self._end = end
        """Where the footer begins: columns and their indexes lie in front of it."""
        self._columns: list[list[int]] = [[0, first]] if first else []
        self._indexes: list[list[int]] = []
        self._copies: dict[int, int] = {}
        """Where columns end, and how long a copy of their metadata there may be."""

    def add(self, chunk: Chunk) -> None:
        """One column chunk.

        Raises:
            FormatError: It reaches past the footer, or has a negative length.
        """
        if chunk.length:
            self._own(self._columns, chunk.start, chunk.length, "a column")
            self._budget.spend_bytes(128)
            self._copies[chunk.start + chunk.length] = chunk.described + _ENTRY
        for start, length in chunk.indexes:
            self._own(self._indexes, start, length, "an index of a column")
        if chunk.bloom:
            found = bloom_length(self._reader.read_at(chunk.bloom, _BLOOM_HEADER), self._budget)
            if found is None:
                raise FormatError("no Bloom filter begins where the footer says", chunk.bloom)
            self._own(self._indexes, chunk.bloom, found, "a Bloom filter")

    def _own(self, regions: list[list[int]], start: int, length: int, what: str) -> None:
        if length < 0 or start < 0 or start + length > self._end:
            raise FormatError(f"{what} of {length} bytes reaches past the footer", max(start, 0))
        if regions and regions[-1][1] == start:
            regions[-1][1] += length
            return
        self._budget.spend_bytes(128)
        regions.append([start, start + length])

    def judge(self, where: Location) -> Iterator[Note]:
        """Overlaps, and bytes between the regions."""
        at, shown = 0, 0
        for start, end in sorted((*self._columns, *self._indexes, [self._end, self._end])):
            self._budget.spend_items()
            if start < at:
                message = f"columns overlap: one begins at {start}, another one ends at {at}"
                evidence = (("overlap", str(start)), ("length", str(at - start)))
                yield Finding(LAYOUT, where.at(start, at - start), message, evidence=evidence)
                shown += 1
            elif start > at and not self._is_padding(at, start):
                message = f"{start - at} bytes that no column owns"
                evidence = (("stray", str(at)), ("length", str(start - at)))
                yield Finding(LAYOUT, where.at(at, start - at), message, evidence=evidence)
                yield Child(f"bytes at {at}", Window(self._reader, at, start - at))
                shown += 1
            if shown >= _SHOWN:
                yield Gap(where.at(at), "more regions overlap or are owned by no column than are shown")
                return
            at = max(at, end)

    def _is_padding(self, at: int, end: int) -> bool:
        """Whether a copy of the column's metadata stands there, or zeros, as block-wise writers pad."""
        if end - at <= self._copies.get(at, 0):
            return True
        while at < end:
            block = self._reader.read_at(at, min(_STEP, end - at))
            self._budget.spend_bytes(len(block))
            if not block or block.count(0) != len(block):
                return False
            at += len(block)
        return True
