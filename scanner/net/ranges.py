"""Ranged reading that trusts no server.

A range must be answered with 206, the same total size and the same validator (ETag, otherwise
Last-Modified) every time; reading stops at the asked length. A server that ignores ranges is
refused before its body is read, because a client that goes on reading exhausts the memory.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import IO

import requests

from scanner.errors import ReadFailed, SourceError
from scanner.net.connection import Connection
from scanner.reader import WHOLE, FileReader, Reader

_AHEAD = 64 << 10
_AHEAD_LIMIT = 4 << 20
_KEPT = 8 << 20
_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)\Z")
_SPOOL_LIMIT = 1 << 30

IGNORES_RANGES = "the server ignores ranges and would send the whole file; use --spool to download it to disk"
UNNAMED_RANGE = (
    "the server does not say which range it sends (no Content-Range); use --spool to download it to disk"
)
CHANGED = "the file changed while it was read"


def _validator(response: requests.Response) -> str:
    return response.headers.get("ETag") or response.headers.get("Last-Modified") or ""


def _check_encoding(response: requests.Response) -> None:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise ReadFailed("the server compresses what it was asked to send as it is")


def _body(response: requests.Response, length: int) -> bytes:
    """Exactly ``length`` bytes of a body; nothing beyond them is read."""
    _check_encoding(response)
    data = bytearray()
    for chunk in response.iter_content(64 << 10):
        data += chunk
        if len(data) >= length:
            break
    if len(data) < length:
        raise ReadFailed("the server sent fewer bytes than it announced")
    return bytes(data[:length])


@dataclass(frozen=True, slots=True)
class _Part:
    """One range as it was answered."""

    data: bytes
    size: int | None
    """Total size, where the server says it."""
    validator: str


def _part(response: requests.Response, offset: int, length: int) -> _Part:
    """The answer to a range; shorter than asked only where the file ends.

    Raises:
        ReadFailed: It is another range, or none.
    """
    match = _RANGE.match(response.headers.get("Content-Range", ""))
    if match is None:
        raise ReadFailed(UNNAMED_RANGE)
    first, last, total = int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])
    wanted = min(offset + length, total) - 1 if total is not None else offset + length - 1
    if first != offset or last != wanted:
        raise ReadFailed("the server answered another range than was asked")
    return _Part(_body(response, last - first + 1), total, _validator(response))


class RangeReader:
    """A remote file as a :class:`scanner.reader.Reader`."""

    def __init__(self, connection: Connection, size: int, first: _Part) -> None:
        self._connection = connection
        self._size = size
        self._validator = first.validator
        self._blocks: OrderedDict[int, bytes] = OrderedDict({0: first.data} if first.data else {})
        self._ahead = _AHEAD

    @property
    def size(self) -> int:
        """Bytes, as the source says; each answer has to agree."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from ``offset``; only those that are not at hand are asked for.

        Raises:
            ReadFailed: The server cannot be reached, ignores ranges, or sends another file.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        end = min(offset + length, self._size)
        start = self._known_up_to(offset, end)
        if start < end:
            # Reading on doubles what is read ahead; a jump starts small again.
            follows = any(at + len(block) == start for at, block in self._blocks.items())
            stop = min(max(end, start + self._ahead), self._size)
            self._ahead = min(self._ahead * 2, _AHEAD_LIMIT) if follows else _AHEAD
            self._blocks[start] = self._ask(start, self._unknown_from(start, stop) - start)
        data = self._join(offset, end)
        while len(self._blocks) > 1 and sum(map(len, self._blocks.values())) > _KEPT:
            self._blocks.popitem(last=False)
        return data

    def _known_up_to(self, offset: int, end: int) -> int:
        """The first byte from ``offset`` on that is not at hand."""
        while offset < end:
            found = self._block_with(offset)
            if found is None:
                break
            offset = found + len(self._blocks[found])
        return min(offset, end)

    def _unknown_from(self, start: int, stop: int) -> int:
        """The end of what has to be fetched, if ``[start, stop)`` is to be at hand."""
        while stop > start:
            found = self._block_with(stop - 1)
            if found is None:
                break
            stop = found
        return stop

    def _block_with(self, offset: int) -> int | None:
        return next((at for at, block in self._blocks.items() if at <= offset < at + len(block)), None)

    def _join(self, offset: int, end: int) -> bytes:
        parts = []
        while offset < end:
            at = self._block_with(offset)
            if at is None:  # pragma: no cover - read_at has fetched it
                raise ReadFailed("a part of the file was not fetched")
            self._blocks.move_to_end(at)
            part = self._blocks[at][offset - at : end - at]
            parts.append(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _ask(self, offset: int, length: int) -> bytes:
        def take(response: requests.Response) -> _Part:
            if response.status_code == 416:
                raise ReadFailed(CHANGED)
            if response.status_code != 206:
                raise ReadFailed(IGNORES_RANGES)
            part = _part(response, offset, length)
            if part.size not in {None, self._size} or part.validator != self._validator:
                raise ReadFailed(CHANGED)
            return part

        part = self._connection.fetch({"Range": f"bytes={offset}-{offset + length - 1}"}, take)
        if len(part.data) != length:
            raise ReadFailed(CHANGED)
        return part.data


@dataclass(frozen=True, slots=True)
class Found:
    """What a first request told about a remote file."""

    size: int | None
    validator: str
    head: bytes = b""
    """Its first bytes; empty where the server ignores ranges."""


def probe(url: str, shown: str, *, timeout: float = 30.0) -> Found:
    """Size, validator and first bytes of a remote file, by its first range; ``shown`` names it in errors.

    Raises:
        SourceError: It cannot be reached.
    """

    def take(response: requests.Response) -> Found:
        if response.status_code == 206 and _RANGE.match(response.headers.get("Content-Range", "")):
            part = _part(response, 0, _AHEAD)
            if part.size is not None:
                return Found(part.size, part.validator, part.data)
        # 416: an empty file. Otherwise ranges are ignored; the opener refuses or spools.
        length = response.headers.get("Content-Length", "") if response.status_code == 200 else ""
        size = int(length) if length.isdigit() else None
        return Found(0 if response.status_code == 416 else size, _validator(response))

    try:
        return Connection(url, {}, timeout).fetch({"Range": f"bytes=0-{_AHEAD - 1}"}, take)
    except ReadFailed as error:
        raise SourceError(f"{shown}: {error}") from error


@dataclass(frozen=True, slots=True)
class RangeOpener:
    """A picklable promise of a ranged reader; opened in the worker that inspects the file."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    size: int | None = None
    """What the source says; an answer that disagrees is another file."""
    found: Found | None = None
    """What a probe brought; spares the first request."""
    expect: Mapping[str, str] = field(default_factory=dict)
    """Response headers that, where the first hop sends them, must have these values."""
    timeout: float = 30.0
    spool: bool = False

    @contextmanager
    def open(self) -> Iterator[Reader]:
        """A reader over the remote file.

        Raises:
            ReadFailed: It cannot be reached, is not the one that was resolved, or ignores ranges
                and may not be spooled.
        """
        connection = Connection(self.url, self.headers, self.timeout, self.expect)
        if self.found is not None and self.found.head and self.found.size is not None:
            head = _Part(self.found.head, self.found.size, self.found.validator)
            yield RangeReader(connection, self.found.size, head)
            return
        with tempfile.TemporaryFile() if self.spool else nullcontext() as file:
            reader = self._first(connection, file)
            yield reader

    def _first(self, connection: Connection, file: IO[bytes] | None) -> Reader:
        length = WHOLE if self.size is not None and self.size <= WHOLE else _AHEAD
        length = max(min(length, self.size if self.size is not None else length), 1)

        def take(response: requests.Response) -> Reader | None:
            if response.status_code == 416 and self.size in {0, None}:
                return RangeReader(connection, 0, _Part(b"", 0, _validator(response)))
            if response.status_code == 206:
                try:
                    part = _part(response, 0, length)
                except ReadFailed:
                    if file is None:
                        raise
                    return None
                return RangeReader(connection, self._agreed(part), part)
            if response.status_code == 200 and self.size == 0 and not any(response.iter_content(1)):
                return RangeReader(connection, 0, _Part(b"", 0, _validator(response)))
            if file is None:
                raise ReadFailed(IGNORES_RANGES)
            return FileReader(file.fileno(), _spool(response, file, self.size))

        reader = connection.fetch({"Range": f"bytes=0-{length - 1}"}, take)
        if reader is None and file is not None:
            return connection.fetch({}, lambda r: FileReader(file.fileno(), _spool(r, file, self.size)))
        if reader is None:  # pragma: no cover - take gives none only with a file
            raise ReadFailed(IGNORES_RANGES)
        return reader

    def _agreed(self, part: _Part) -> int:
        size = part.size if part.size is not None else self.size
        if size is None:
            raise ReadFailed("the server does not say how large the file is")
        if self.size not in {None, size} or (self.found and part.validator != self.found.validator):
            raise ReadFailed("the file is not the one that was resolved: size or ETag differ")
        return size


def _spool(response: requests.Response, file: IO[bytes], size: int | None) -> int:
    """Write the body to disk, block by block, never more than was declared; returns its length."""
    if response.status_code != 200:
        raise ReadFailed(UNNAMED_RANGE)
    _check_encoding(response)
    declared = response.headers.get("Content-Length", "")
    size = size if size is not None else int(declared[:19]) if declared.isdigit() else None
    limit = size if size is not None else _SPOOL_LIMIT
    total = 0
    try:
        if size is not None and shutil.disk_usage(tempfile.gettempdir()).free < size:
            raise ReadFailed(f"{size} bytes do not fit into {tempfile.gettempdir()}; set TMPDIR")
        file.seek(0)
        file.truncate()
        for block in response.iter_content(1 << 20):
            total += len(block)
            if total > limit:
                raise ReadFailed(f"the server sends more than the {limit} bytes that are declared or allowed")
            file.write(block)
        file.flush()
    except OSError as error:
        if isinstance(error, requests.RequestException):
            raise
        raise ReadFailed(f"cannot be written to disk: {error.strerror}") from error
    if size is not None and total != size:
        raise ReadFailed("the server sent fewer bytes than it announced")
    return total
