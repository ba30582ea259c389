"""The only module that opens sockets for bytes: ranged reading that trusts no server.

A range must be answered with 206, the same total size and the same ETag every time; reading stops
at the asked length. A server that ignores ranges is refused before its body is read, because a
client that goes on reading exhausts the memory.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import urljoin, urlsplit

import requests

from scanner import __version__
from scanner.errors import ReadFailed, SourceError
from scanner.reader import BytesReader, FileReader, Reader

_AHEAD = 64 << 10
_AHEAD_LIMIT = 4 << 20
_KEPT = 8 << 20
_TRIES = 4
_WAIT_LIMIT = 20.0
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOVED = frozenset({301, 302, 303, 307, 308})
_EXPIRED = frozenset({401, 403, 410})
_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})\Z")
_RESET = re.compile(r"(?:^|;)\s*t=(\d{1,9})")
_REDIRECTS = 5
_SPOOL_LIMIT = 1 << 40

IGNORES_RANGES = "the server ignores ranges and would send the whole file; use --spool to download it to disk"
CHANGED = "the file changed while it was read"


class RangesIgnored(ReadFailed):
    """The server answered a range with the whole file; nothing of it was read."""


class _Interrupted(ReadFailed):
    """The body broke off; asking again may help."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a first request told about a remote file."""

    size: int | None
    etag: str


@dataclass(frozen=True, slots=True)
class Part:
    """One range of a remote file, and what the answer says of the whole."""

    data: bytes
    total: int
    etag: str


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: a token is never sent to another one."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


class Connection:
    """One remote file: redirects resolved once, retries bounded, the token kept at its origin."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout: float) -> None:
        self._url = url
        self._headers = dict(headers)
        self._timeout = timeout
        self._resolved: str | None = None
        self._session = requests.Session()
        self.requests = 0
        self.bytes_read = 0

    def close(self) -> None:
        """Close the session's sockets."""
        self._session.close()

    def get(self, headers: Mapping[str, str]) -> requests.Response:
        """GET with redirects followed by hand; the caller closes the response (200, 206 or 416).

        Raises:
            ReadFailed: The server cannot be reached or refuses.
        """
        wait = 0.5
        for attempt in range(_TRIES):
            last = attempt == _TRIES - 1
            try:
                response = self._once(headers)
            except requests.RequestException as error:
                if last:
                    raise ReadFailed(f"cannot be fetched: {_reason(error)}") from error
                time.sleep(wait)
            else:
                status = response.status_code
                if status in {200, 206, 416}:
                    return response
                response.close()
                if not last and status in _EXPIRED and self._resolved is not None:
                    self._resolved = None  # a signed address has expired: resolve it again
                elif last or status not in _AGAIN:
                    raise ReadFailed(f"the server answered {status}{_meaning(status)}")
                else:
                    time.sleep(retry_after(response.headers, wait))
            wait *= 2
        raise AssertionError("unreachable: the last try returns or raises")

    def part(self, start: int, last: int) -> Part:
        """Bytes ``start`` to ``last`` (inclusive; fewer where the file ends), and no byte more.

        Raises:
            RangesIgnored: The server would send the whole file.
            ReadFailed: It cannot be reached, refuses, or answers something else.
        """
        for attempt in range(_TRIES):
            try:
                with self.get({"Range": f"bytes={start}-{last}"}) as response:
                    return self._part(response, start, last)
            except _Interrupted:
                if attempt == _TRIES - 1:
                    raise
                time.sleep(0.2 * 2**attempt)
        raise AssertionError("unreachable: the last try returns or raises")

    def _part(self, response: requests.Response, start: int, last: int) -> Part:
        etag = _validator(response)
        answered = response.headers.get("Content-Range", "")
        if response.status_code == 416 and answered == "bytes */0":
            return Part(b"", 0, etag)
        if response.status_code == 416:
            raise ReadFailed("the server has no such range: the file is shorter than it was said to be")
        if response.status_code != 206:
            raise RangesIgnored(IGNORES_RANGES)
        match = _RANGE.match(answered)
        if match is None:
            raise ReadFailed("the server answered a range without saying which (no usable Content-Range)")
        total = int(match[3])
        if (int(match[1]), int(match[2])) != (start, min(last, total - 1)):
            raise ReadFailed("the server answered another range than was asked")
        _demand_identity(response)
        length = min(last, total - 1) - start + 1
        data = bytearray()
        try:
            for chunk in response.iter_content(min(_AHEAD, length)):
                data += chunk
                if len(data) >= length:
                    break
        except requests.RequestException as error:
            raise _Interrupted(f"cannot be fetched: {_reason(error)}") from error
        self.bytes_read += len(data)
        if len(data) < length:
            raise _Interrupted("the server sent fewer bytes than it announced")
        return Part(bytes(memoryview(data)[:length]), total, etag)

    def _once(self, headers: Mapping[str, str]) -> requests.Response:
        try:
            return self._follow(headers)
        except ValueError as error:  # urlsplit: a port that is no number, half an IPv6 address
            if isinstance(error, requests.RequestException):
                raise
            raise ReadFailed("the server redirects to something that is no address") from error

    def _follow(self, headers: Mapping[str, str]) -> requests.Response:
        url = self._resolved or self._url
        for _ in range(_REDIRECTS):
            own = self._headers if origin(url) == origin(self._url) else {}
            self.requests += 1
            response = self._session.get(
                url,
                headers={
                    "User-Agent": f"weighbridge/{__version__}",
                    "Accept-Encoding": "identity",
                    **own,
                    **headers,
                },
                timeout=self._timeout,
                stream=True,
                allow_redirects=False,
                auth=_no_netrc,
            )
            if response.status_code not in _MOVED:
                self._resolved = url if url != self._url else None
                return response
            target = urljoin(url, response.headers.get("Location", ""))
            response.close()
            allowed = {"https"} if urlsplit(url).scheme == "https" else {"http", "https"}
            if urlsplit(target).scheme not in allowed:
                raise ReadFailed("the server redirects from https to an unprotected address")
            url = target
        raise ReadFailed("the server redirects without end")


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from adding credentials of its own (a .netrc entry) to any address."""
    return request


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate cannot be verified, or TLS failed"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy cannot be reached"
    if isinstance(error, requests.ConnectionError):
        return "the connection failed or was reset"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    return type(error).__name__


def _meaning(status: int) -> str:
    words = {
        401: " (unauthorised: is a token missing?)",
        403: " (forbidden: the token has no access)",
        404: " (not found)",
        410: " (gone)",
        429: " (too many requests: wait, then try again)",
    }
    return words.get(status, "")


def retry_after(headers: Mapping[str, str], fallback: float) -> float:
    """Seconds that a server asks to wait (``Retry-After``, ``RateLimit``), never more than 20."""
    value = headers.get("Retry-After", "")
    if value.isascii() and value.isdigit() and len(value) < 10:
        return min(float(value), _WAIT_LIMIT)
    match = _RESET.search(headers.get("RateLimit", ""))
    return min(float(match[1]) if match else fallback, _WAIT_LIMIT)


def _validator(response: requests.Response) -> str:
    """What has to stay the same from one answer to the next: the ETag, or else the date."""
    return response.headers.get("ETag") or response.headers.get("Last-Modified", "")


def _demand_identity(response: requests.Response) -> None:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise ReadFailed("the server compresses what it was asked to send as it is")


def probe(url: str, *, headers: Mapping[str, str] | None = None, timeout: float = 30.0) -> Found:
    """Size and ETag of a remote file, by a one-byte range.

    Raises:
        SourceError: It cannot be reached.
    """
    connection = Connection(url, headers or {}, timeout)
    try:
        with connection.get({"Range": "bytes=0-0"}) as response:
            etag = _validator(response)
            answered = response.headers.get("Content-Range", "")
            match = _RANGE.match(answered)
            if response.status_code == 206 and match:
                return Found(int(match[3]), etag)
            if response.status_code == 416 and answered == "bytes */0":
                return Found(0, etag)
            length = response.headers.get("Content-Length", "")
            known = response.status_code == 200 and length.isascii() and length.isdigit()
            return Found(int(length) if known else None, etag)
    except ReadFailed as error:
        raise SourceError(f"{url}: {error}") from error
    finally:
        connection.close()


class RangeReader:
    """A remote file as a :class:`scanner.reader.Reader`."""

    def __init__(self, connection: Connection, first: Part) -> None:
        self._connection = connection
        self._size = first.total
        self._etag = first.etag
        self._blocks: OrderedDict[int, bytes] = OrderedDict({0: first.data})
        self._ahead = _AHEAD
        self._last_end = len(first.data)

    @property
    def size(self) -> int:
        """Bytes, as the first answer says; each later one has to agree."""
        return self._size

    @property
    def requests(self) -> int:
        """Requests made so far, redirects included."""
        return self._connection.requests

    @property
    def bytes_read(self) -> int:
        """Bytes of bodies received so far."""
        return self._connection.bytes_read

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from ``offset``.

        Raises:
            ReadFailed: The server cannot be reached, ignores ranges, or sends another file.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        length = min(length, self._size - offset)
        for start, block in self._blocks.items():
            if start <= offset and offset + length <= start + len(block):
                self._blocks.move_to_end(start)
                return block[offset - start : offset - start + length]
        # Reading on from a kept block doubles what is read ahead; a jump starts small again.
        near = self._last_end - self._ahead <= offset <= self._last_end
        self._ahead = min(self._ahead * 2, _AHEAD_LIMIT) if near else _AHEAD
        block = self._fetch(offset, min(max(length, self._ahead), self._size - offset))
        self._last_end = offset + len(block)
        if len(block) <= _KEPT:
            self._blocks[offset] = block
        while sum(map(len, self._blocks.values())) > _KEPT:
            self._blocks.popitem(last=False)
        return block[:length]

    def _fetch(self, offset: int, length: int) -> bytes:
        part = self._connection.part(offset, offset + length - 1)
        if part.total != self._size or part.etag != self._etag:
            raise ReadFailed(CHANGED)
        return part.data


@dataclass(frozen=True, slots=True)
class RangeOpener:
    """A picklable promise of a ranged reader; opened in the worker that inspects the file."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    size: int | None = None
    etag: str = ""
    """Expected ETag; empty: whatever the first answer says, from then on constant."""
    timeout: float = 30.0
    spool: bool = False

    @contextmanager
    def open(self) -> Iterator[Reader]:
        """A reader over the remote file.

        Raises:
            ReadFailed: It cannot be reached, or ignores ranges and may not be spooled.
        """
        if self.size == 0:
            yield BytesReader(b"")
            return
        connection = Connection(self.url, self.headers, self.timeout)
        try:
            part = self._first(connection)
            if part is not None:
                yield RangeReader(connection, part)
                return
            with _temporary() as file:
                yield FileReader(file.fileno(), self._spool(connection, file))
        finally:
            connection.close()

    def _first(self, connection: Connection) -> Part | None:
        """The head of the file; ``None`` where it has to be spooled."""
        try:
            part = connection.part(0, min(_AHEAD, self.size or _AHEAD) - 1)
        except RangesIgnored:
            if self.spool:
                return None
            raise
        if self.size not in {None, part.total} or (self.etag and part.etag != self.etag):
            raise ReadFailed("the file is not the one that was resolved: its size or ETag differs")
        return part

    def _spool(self, connection: Connection, file: IO[bytes]) -> int:
        """Write the body to disk, block by block; returns its length."""
        limit = self.size if self.size is not None else _SPOOL_LIMIT
        total = 0
        with connection.get({}) as response:
            if response.status_code != 200:
                raise ReadFailed(f"the server answered {response.status_code} where a file was asked")
            if self.etag and _validator(response) != self.etag:
                raise ReadFailed(CHANGED)
            _demand_identity(response)
            try:
                for block in response.iter_content(1 << 20):
                    total += len(block)
                    if total > limit:
                        raise ReadFailed("the server sends more bytes than it announced")
                    file.write(block)
                file.flush()
            except requests.RequestException as error:
                raise ReadFailed(f"cannot be fetched: {_reason(error)}") from error
            except OSError as error:
                raise ReadFailed(f"cannot be written to disk: {error.strerror}") from error
        if self.size is not None and total != self.size:
            raise ReadFailed("the server sent fewer bytes than it announced")
        return total


@contextmanager
def _temporary() -> Iterator[IO[bytes]]:
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
    except OSError as error:
        raise ReadFailed(f"no temporary file can be made: {error.strerror}") from error
    with file:
        yield file
