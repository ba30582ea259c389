"""The members of a PyTorch zip archive: their bytes, and where those lie."""

from __future__ import annotations

import zlib
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager

from scanner.errors import BudgetExceeded, FormatError
from scanner.inspection import Child
from scanner.reader import Budget, Reader, Window, read_whole
from scanner.wire.compression import expanded
from scanner.wire.zip import METHODS, TAIL_BYTES, Entry, directory, find_ends, local_header

_RECORD = 256
_SUMMED = 1 << 20
# Behind a member: nothing, or a data descriptor (APPNOTE 4.3.9) with or without signature and zip64.
_DESCRIPTORS = frozenset({0, 12, 16, 20, 24})
_SATURATED = 0xFFFFFFFF


class Members:
    """One archive's members, from every directory that a reader might use."""

    def __init__(self, reader: Reader, budget: Budget) -> None:
        start = max(reader.size - TAIL_BYTES, 0)
        ends = find_ends(reader, reader.read_at(start, TAIL_BYTES), start)
        if not ends:
            raise FormatError("there is no end record that leads to a directory", reader.size)
        self.reader = reader
        self.budget = budget
        found: dict[tuple[bytes, int, int, int], Entry] = {}
        for end in ends:
            for entry in directory(reader, end, budget):
                found.setdefault((entry.raw_name, entry.header, entry.method, entry.size), entry)
        self.entries = [entry for entry in found.values() if not entry.is_folder]
        begins = {entry.header for entry in self.entries} | {end.directory for end in ends}
        self._begins = sorted(begins)

    def child(self, entry: Entry, read_as: str = "") -> Child:
        """The member as something to be looked at; cut where the archive is.

        Raises:
            FormatError: It is not where the directory says, or packed in a way that cannot be undone.
        """
        codec = METHODS.get(entry.method)
        if codec not in {"", "deflate"}:  # what PyTorch's reader can undo
            raise FormatError(f"compression method {entry.method} is not supported", entry.header)
        start = local_header(self.reader, entry.header).data
        wanted = entry.compressed if codec else max(entry.compressed, entry.size)
        stored = Window(self.reader, start, min(wanted, max(self.reader.size - start, 0)))
        return Child(entry.name, stored, codec, entry.size, read_as, crc=entry.crc)

    @contextmanager
    def content(self, child: Child) -> Iterator[Reader]:
        """What a member holds, expanded.

        Raises:
            FormatError: It does not expand to its declared size.
        """
        if not child.codec:
            yield child.reader
            return
        with expanded(child.reader, child.codec, self.budget, child.size) as content:
            yield content
            if content.problem is not None:
                raise FormatError(str(content.problem))

    def is_sound(self, content: Reader, child: Child) -> bool:
        """Whether a short member's bytes have the length and the sum that the directory declares."""
        if content.size != child.size or content.size > _SUMMED:
            return False
        self.budget.spend_bytes(content.size)
        return zlib.crc32(content.read_at(0, content.size)) == child.crc

    def record(self, entry: Entry | None) -> str:
        """Text of a short record such as ``version``; empty where there is none."""
        if entry is None or entry.size > _RECORD:
            return ""
        try:
            with self.content(self.child(entry)) as content:
                return read_whole(content, self.budget, _RECORD).decode("ascii", "replace").strip()
        except (FormatError, BudgetExceeded):
            return ""

    def place(self, entry: Entry, alignment: int) -> int | None:
        """Where a stored member's bytes begin, without reading its local header.

        By the rule of PyTorch's writer (``getPadding`` in ``caffe2/serialize/inline_container.cc``);
        ``None`` where what follows does not lie where that rule puts it.
        """
        start = entry.header + 30 + len(entry.raw_name) + 4
        if entry.size >= _SATURATED or entry.header >= _SATURATED:
            start += 4 + 16 * (entry.size >= _SATURATED) + 8 * (entry.header >= _SATURATED)
        start += -start % alignment
        index = bisect_right(self._begins, entry.header)
        follows = self._begins[index] if index < len(self._begins) else -1
        exact = entry.method == 0 and follows - start - entry.size in _DESCRIPTORS
        return start if exact else None
