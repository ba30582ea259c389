"""Bytes at an address: the one way in which the house reads anything, wherever it lies.

A ``Reader`` has a size and ``read_at``; nothing else. ``Cursor`` decodes numbers from one,
``Budget`` is spent before anything is allocated.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from scanner.errors import BudgetExceeded, FormatError, ReadFailed

MIB = 1 << 20
WHOLE = 256 << 10
"""Remote files up to this size are fetched whole, by their first request, and hashed."""


class Reader(Protocol):
    """Random access to a fixed number of bytes."""

    @property
    def size(self) -> int:
        """Number of bytes."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from ``offset``; fewer than ``length`` only where the data ends.

        Raises:
            ReadFailed: The bytes cannot be had (I/O error, connection, changed remote file).
        """


class Opener(Protocol):
    """A picklable promise of a reader, so that a worker process can open the file itself."""

    def open(self) -> AbstractContextManager[Reader]:
        """Open for reading.

        Raises:
            ReadFailed: The file cannot be opened.
        """


@dataclass(frozen=True, slots=True)
class BytesReader:
    """A reader over bytes in memory."""

    data: bytes

    @property
    def size(self) -> int:
        """Number of bytes."""
        return len(self.data)

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from ``offset``."""
        return self.data[offset : offset + length] if offset >= 0 < length else b""


@dataclass(frozen=True, slots=True)
class BytesOpener:
    """Opens bytes in memory."""

    data: bytes

    @contextmanager
    def open(self) -> Iterator[Reader]:
        """A reader over the bytes."""
        yield BytesReader(self.data)


class FileReader:
    """A reader over an open local file; short where the file shrank, never a crash as with mmap."""

    __slots__ = ("_fd", "_size")

    def __init__(self, fd: int, size: int) -> None:
        self._fd = fd
        self._size = size

    @property
    def size(self) -> int:
        """Bytes at the moment of opening."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from ``offset``.

        Raises:
            ReadFailed: I/O error, or the file has shrunk since it was opened.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        length = min(length, self._size - offset)
        try:
            data = _pread(self._fd, length, offset)
            while len(data) < length:
                more = _pread(self._fd, length - len(data), offset + len(data))
                if not more:
                    raise ReadFailed("the file became shorter while it was read")
                data += more
        except OSError as error:
            raise ReadFailed(f"cannot be read: {error.strerror}") from error
        return data


def _pread(fd: int, length: int, offset: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(fd, length, offset)
    os.lseek(fd, offset, os.SEEK_SET)  # Windows: each reader owns its descriptor, so seeking is safe
    return os.read(fd, length)


Stamp = tuple[int, int, int]


def stamp_of(status: os.stat_result) -> Stamp:
    """What tells a file from another one, or from itself before a change: size, time, inode."""
    return status.st_size, status.st_mtime_ns, status.st_ino


@dataclass(frozen=True, slots=True)
class FileOpener:
    """Opens a local regular file; anything else (FIFO, device, folder) is refused unread."""

    path: str
    stamp: Stamp | None = None
    """What the file was when it was listed; another file of that name is refused."""

    @contextmanager
    def open(self) -> Iterator[Reader]:
        """A reader over the file.

        Raises:
            ReadFailed: It does not exist, is not a regular file, may not be read, is not the one
                that was listed; or, on leaving, it was changed in the meantime.
        """
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            # NOTE: the type is asked before opening, because opening a device can have effects,
            # and again on the descriptor, because the name may point elsewhere by then.
            if not stat.S_ISREG(os.stat(self.path).st_mode):  # noqa: PTH116 - the text as it is
                raise ReadFailed("is not a regular file")
            fd = os.open(self.path, flags | getattr(os, "O_CLOEXEC", 0))
        except (OSError, ValueError) as error:
            raise ReadFailed(f"cannot be opened: {getattr(error, 'strerror', error)}") from error
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise ReadFailed("is not a regular file")
            if self.stamp not in {None, stamp_of(status)}:
                raise ReadFailed("the file changed after it was listed")
            yield FileReader(fd, status.st_size)
            if self.stamp not in {None, stamp_of(os.fstat(fd))}:
                raise ReadFailed("the file changed while it was read")
        finally:
            os.close(fd)


class Window:
    """A part of another reader, addressed from its own zero."""

    __slots__ = ("_length", "_reader", "_start")

    def __init__(self, reader: Reader, start: int, length: int) -> None:
        if start < 0 or length < 0 or start + length > reader.size:
            raise FormatError("a region reaches past the end of its container", max(start, 0))
        self._reader = reader
        self._start = start
        self._length = length

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self._length

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from ``offset`` of the window, never past its end."""
        if offset < 0 or length <= 0 or offset >= self._length:
            return b""
        return self._reader.read_at(self._start + offset, min(length, self._length - offset))


@dataclass(frozen=True, slots=True)
class Joined:
    """Two readers, one behind the other."""

    first: Reader
    second: Reader

    @property
    def size(self) -> int:
        """Number of bytes of both."""
        return self.first.size + self.second.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from ``offset``."""
        if offset < 0 or length <= 0:
            return b""
        data = self.first.read_at(offset, length)
        left = length - len(data)
        behind = max(offset - self.first.size, 0)
        return data + self.second.read_at(behind, left) if left else data


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost."""

    bytes: int = 4 << 30
    items: int = 100_000_000
    depth: int = 16
    seconds: float = 120.0
    children: int = 100_000


@dataclass(slots=True)
class Budget:
    """What one file, with everything nested in it, may cost. Spent before the work is done."""

    bytes: int = 2 << 30
    """Bytes that may be held or expanded from compressed data, in all."""
    items: int = 50_000_000
    """Steps of any loop over what the file declares."""
    depth: int = 16
    """How deeply containers may nest."""
    _spent_bytes: int = field(default=0, init=False)
    _spent_items: int = field(default=0, init=False)

    def spend_bytes(self, count: int) -> None:
        """Take ``count`` bytes.

        Raises:
            BudgetExceeded: That is more than is left.
        """
        self._spent_bytes += max(count, 0)
        if self._spent_bytes > self.bytes:
            raise BudgetExceeded("bytes", self.bytes)

    def spend_items(self, count: int = 1) -> None:
        """Take ``count`` steps.

        Raises:
            BudgetExceeded: That is more than is left.
        """
        self._spent_items += max(count, 0)
        if self._spent_items > self.items:
            raise BudgetExceeded("items", self.items)

    def check_depth(self, depth: int) -> None:
        """Raise ``BudgetExceeded`` where nesting is deeper than allowed."""
        if depth > self.depth:
            raise BudgetExceeded("depth", self.depth)

    @property
    def bytes_left(self) -> int:
        """How many bytes may still be taken."""
        return max(self.bytes - self._spent_bytes, 0)


class Cursor:
    """A position in a reader, with exact reads: too few bytes is a ``FormatError``, never a short answer.

    Small reads are served from a chunk, so decoding a header byte by byte costs one ``read_at``.
    """

    __slots__ = ("_chunk", "_chunk_start", "_read_ahead", "budget", "position", "reader")

    def __init__(
        self, reader: Reader, budget: Budget, position: int = 0, *, read_ahead: int = 64 << 10
    ) -> None:
        self.reader = reader
        self.budget = budget
        self.position = position
        self._read_ahead = read_ahead
        self._chunk = b""
        self._chunk_start = 0

    @property
    def left(self) -> int:
        """Bytes between here and the end."""
        return max(self.reader.size - self.position, 0)

    def read(self, length: int) -> bytes:
        """Exactly ``length`` bytes; what is large is spent from the budget first.

        Raises:
            FormatError: Fewer than ``length`` bytes are left.
            BudgetExceeded: The budget does not allow that many.
        """
        if length < 0 or length > self.left:
            raise FormatError(f"{length} bytes are declared, {self.left} are left", self.position)
        start = self.position - self._chunk_start
        if start >= 0 and start + length <= len(self._chunk):
            data = self._chunk[start : start + length]
        elif length <= self._read_ahead:
            self._chunk = self.reader.read_at(self.position, max(length, self._read_ahead))
            self._chunk_start = self.position
            data = self._chunk[:length]
        else:
            self.budget.spend_bytes(length)
            data = self.reader.read_at(self.position, length)
        if len(data) < length:
            raise FormatError("the data ends early", self.position + len(data))
        self.position += length
        return data

    def skip(self, length: int) -> None:
        """Step over ``length`` bytes without reading them.

        Raises:
            FormatError: Fewer than ``length`` bytes are left.
        """
        if length < 0 or length > self.left:
            raise FormatError(f"{length} bytes are declared, {self.left} are left", self.position)
        self.position += length

    def u8(self) -> int:
        """One byte."""
        return self.read(1)[0]

    def u16(self, *, big: bool = False) -> int:
        """Two bytes, unsigned."""
        return int.from_bytes(self.read(2), "big" if big else "little")

    def u32(self, *, big: bool = False) -> int:
        """Four bytes, unsigned."""
        return int.from_bytes(self.read(4), "big" if big else "little")

    def u64(self, *, big: bool = False) -> int:
        """Eight bytes, unsigned."""
        return int.from_bytes(self.read(8), "big" if big else "little")

    def i32(self) -> int:
        """Four bytes, signed, little-endian."""
        return int.from_bytes(self.read(4), "little", signed=True)

    def i64(self) -> int:
        """Eight bytes, signed, little-endian."""
        return int.from_bytes(self.read(8), "little", signed=True)


def read_whole(reader: Reader, budget: Budget, limit: int) -> bytes:
    """All bytes of a reader that is expected to be small.

    Raises:
        BudgetExceeded: It is larger than ``limit`` or than the budget.
        FormatError: Fewer bytes came than the reader's size says.
    """
    if reader.size > limit:
        raise BudgetExceeded("bytes", limit)
    budget.spend_bytes(reader.size)
    data = reader.read_at(0, reader.size)
    if len(data) < reader.size:
        raise FormatError("the data ends early", len(data))
    return data
