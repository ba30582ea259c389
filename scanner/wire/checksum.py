"""CRC-32 of bytes that are read anyway: the sum is taken on the way, not in a second pass."""

from __future__ import annotations

import zlib

from scanner.reader import Reader

_SMALL = 64 << 10


class Summed:
    """A reader that sums what is read in order from its start; jumps ahead are not counted."""

    __slots__ = ("_crc", "_position", "_reader")

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._crc = 0
        self._position = 0

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self._reader.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from ``offset``.

        Raises:
            ReadFailed: From the reader below.
        """
        data = self._reader.read_at(offset, length)
        if 0 <= offset <= self._position < offset + len(data):
            self._crc = zlib.crc32(memoryview(data)[self._position - offset :], self._crc)
            self._position = offset + len(data)
        return data

    def crc(self) -> int | None:
        """CRC-32 of all bytes; ``None`` where not all have come by and they are too many to fetch."""
        if self._position < self.size <= _SMALL:
            self.read_at(0, self.size)
        return self._crc if self._position == self.size else None
