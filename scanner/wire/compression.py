"""Compressed streams, expanded step by step: a bomb meets the budget before it meets the memory."""

from __future__ import annotations

import bz2
import lzma
import os
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Protocol

from scanner.errors import BudgetExceeded, FormatError, ReadFailed
from scanner.reader import Budget, Reader

_STEP = 256 << 10
_IN_MEMORY = 32 << 20
_SUM = 4


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes | None: ...

    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


class _Zlib:
    """zlib's object under the interface that the other codecs share."""

    def __init__(self, wbits: int) -> None:
        self._inner = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max(max_length, 0))


def _lz4() -> _Decoder:
    from lz4.frame import LZ4FrameDecompressor  # noqa: PLC0415 - only for such files

    decoder: _Decoder = LZ4FrameDecompressor()
    return decoder


def _zstd() -> _Decoder:
    decoder: _Decoder = _zstd_module().ZstdDecompressor()
    return decoder


def _zstd_module() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415 - only for such files
    else:
        from backports import zstd  # noqa: PLC0415
    return zstd


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "deflate": lambda: _Zlib(-15),
    "zlib": lambda: _Zlib(15),
    "gzip": lambda: _Zlib(31),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=256 << 20),
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=256 << 20),
    "lz4": _lz4,
    "zstd": _zstd,
}
CODECS = frozenset(_DECODERS)
# The bytes with which another stream of the same codec begins; its readers go on with it (joblib does
# so for zlib and lzma too). What else stands behind a stream is not part of it.
_AGAIN: dict[str, tuple[bytes, ...]] = {
    "gzip": (b"\x1f\x8b\x08",),
    "bzip2": (b"BZh",),
    "xz": (b"\xfd7zXZ\x00",),
    "lzma": (b"]\x00\x00",),
    "zlib": (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"),
    "lz4": (b"\x04\x22\x4d\x18", *(bytes([low]) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))),
    "zstd": (b"\x28\xb5\x2f\xfd", *(bytes([low]) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))),
}
_MAGIC = {
    b"\x1f\x8b\x08": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"]\x00\x00": "lzma",
    b"\x04\x22\x4d\x18": "lz4",
    b"\x28\xb5\x2f\xfd": "zstd",
}


def codec_of(head: bytes) -> str:
    """Name of the whole-file compression that these first bytes begin, or an empty string."""
    while head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50:
        # A skippable frame, which zstd and lz4 share: the next frame tells which of them it is.
        head = head[8 + int.from_bytes(head[4:8], "little") :]
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            if name == "bzip2" and head[4:10] not in {b"1AY&SY", b"\x17rE8P\x90"}:
                continue
            return name if name != "lzma" or _expands(head, name) else ""
    if len(head) > 2 and head[0] & 0x8F == 0x08 and (head[0] << 8 | head[1]) % 31 == 0:
        # RFC 1950 has two weak bytes of magic, so the data has to expand as well.
        return "zlib" if not head[1] & 0x20 and _expands(head, "zlib") else ""
    return ""


def _expands(head: bytes, name: str) -> bool:
    for data in (head, head[:-_SUM]):  # a wrong sum at the end makes it no other format
        decoder = _DECODERS[name]()
        try:
            return bool(decoder.decompress(data, 1 << 16)) or decoder.eof
        except (zlib.error, lzma.LZMAError):
            continue
    return False


class Expanded:
    """A reader over expanded bytes, and what went wrong on the way to their end."""

    def __init__(self) -> None:
        self.problem: FormatError | BudgetExceeded | None = None
        self.corrupt = False
        """Whether that was the compressed data."""
        self.consumed = 0
        """Compressed bytes that belong to the stream; what is behind them does not."""
        self.crc = 0
        """CRC-32 of what came out."""
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self._size = 0

    @property
    def size(self) -> int:
        """Number of bytes that came out."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from ``offset``."""
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        length = min(length, self._size - offset)
        if self._file is None:
            return bytes(self._memory[offset : offset + length])
        if hasattr(os, "pread"):
            return os.pread(self._file.fileno(), length, offset)
        self._file.seek(offset)
        return self._file.read(length)

    def append(self, data: bytes) -> None:
        """Grow; beyond 32 MiB into an anonymous temporary file."""
        self.crc = zlib.crc32(data, self.crc)
        if self._file is None and self._size + len(data) > _IN_MEMORY:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
            self._file.write(self._memory)
            self._memory = bytearray()
        if self._file is None:
            self._memory += data
        else:
            self._file.write(data)
        self._size += len(data)

    def close(self) -> None:
        """Let go of the bytes."""
        self._memory = bytearray()
        if self._file is not None:
            self._file.close()

    def settle(self) -> None:
        """Make written bytes readable."""
        if self._file is not None:
            self._file.flush()


@contextmanager
def expanded(reader: Reader, codec: str, budget: Budget, size: int | None = None) -> Iterator[Expanded]:
    """Expand a stream; what came out before an error is there to be read, with ``problem`` set.

    Args:
        reader: The compressed bytes.
        codec: One of :data:`CODECS`.
        budget: Its bytes are spent before the output grows.
        size: Expanded size that a container declares; another one is a problem.

    Raises:
        FormatError: The codec is unknown.
        ReadFailed: From the reader.
    """
    if codec not in _DECODERS:
        raise FormatError(f"compression method {codec!r} is not supported")
    source = _Input(reader)
    result = _attempt(source, codec, budget, size)
    try:
        if result.corrupt and result.size < _IN_MEMORY:
            # What stands in front of the damage is handed out by readers that read less at once.
            again = _attempt(_Input(reader, source.last), codec, budget, size)
            result, worse = (again, result) if again.size > result.size else (result, again)
            worse.close()
        if result.problem is None and size is not None and result.size != size:
            result.problem = FormatError(f"{size} bytes are declared, {result.size} came out")
        result.settle()
        yield result
    finally:
        result.close()


def _attempt(source: _Input, codec: str, budget: Budget, size: int | None) -> Expanded:
    result = Expanded()
    try:
        _expand(source, codec, budget, size, result)
    except (FormatError, BudgetExceeded) as error:
        result.problem = error
    except (zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError, ValueError) as error:
        result.problem, result.corrupt = FormatError(f"corrupt {codec} data: {error}"), True
    except _zstd_errors(codec) as error:
        result.problem, result.corrupt = FormatError(f"corrupt {codec} data: {error}"), True
    except ReadFailed:
        result.close()
        raise
    return result


def _zstd_errors(codec: str) -> tuple[type[BaseException], ...]:
    return (_zstd_module().ZstdError,) if codec == "zstd" else ()


class _Input:
    """The compressed bytes in steps, and where the stream in them ends."""

    def __init__(self, reader: Reader, slow_from: int | None = None) -> None:
        """``slow_from``: from there on byte by byte."""
        self._reader = reader
        self._step = _STEP
        self._slow_from = reader.size if slow_from is None else slow_from
        self._slow = b""
        self.offset = 0
        self.last = 0
        """Where the last step began."""

    def next(self) -> bytes:
        self.last = self.offset
        if self.offset >= self._slow_from:
            return self._single()
        step = min(self._step, self._slow_from - self.offset)
        data = self._reader.read_at(self.offset, step)
        if not data and self.offset < self._reader.size:
            raise FormatError("the data ends early", self.offset)
        self.offset += len(data)
        self._step = min(self._step * 2, _STEP)
        return data

    def _single(self) -> bytes:
        place = (self.offset - self._slow_from) % _STEP
        if place == 0 or not self._slow:
            self._slow = self._reader.read_at(self.offset - place, _STEP)
        self.offset += place < len(self._slow)
        return self._slow[place : place + 1]

    def give_back(self, count: int) -> None:
        # Small steps from here, so that a row of tiny streams does not read the same bytes again and again.
        self.offset -= count
        self._step = 4096

    def goes_on(self, marks: tuple[bytes, ...]) -> bool:
        """Whether one of ``marks`` comes next."""
        return bool(marks) and self._reader.read_at(self.offset, 8).startswith(marks)


def _expand(source: _Input, codec: str, budget: Budget, size: int | None, out: Expanded) -> None:
    # A declared size that cannot be afforded is looked into, but may not starve what comes after it.
    ceiling = _IN_MEMORY if size is not None and size > budget.bytes_left else None
    decoder = _DECODERS[codec]()
    while True:
        data = source.next()
        block = decoder.decompress(data, _STEP)
        while block:
            if ceiling is not None and out.size + len(block) > ceiling:
                raise BudgetExceeded("bytes", budget.bytes)
            budget.spend_bytes(len(block))
            out.append(block)
            if size is not None and out.size > size:
                raise FormatError(f"more than the declared {size} bytes come out")
            block = b"" if decoder.eof else decoder.decompress(b"", _STEP)
        budget.spend_items()
        if decoder.eof:
            source.give_back(len(decoder.unused_data or b""))
            out.consumed = source.offset
            if not source.goes_on(_AGAIN.get(codec, ())):
                return
            decoder = _DECODERS[codec]()
        elif not data:
            raise FormatError(f"the {codec} stream ends before its end marker", source.offset)
