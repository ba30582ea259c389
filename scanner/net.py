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

from scanner.errors import ReadFailed, SourceError
from scanner.reader import FileReader, Reader
from scanner.version import __version__

_AHEAD = 64 << 10
_AHEAD_LIMIT = 4 << 20
_KEPT = 8 << 20
_TRIES = 4
_WAIT_LIMIT = 20.0
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)\Z")
_REDIRECTS = 5
_SPOOL_LIMIT = 1 << 40

IGNORES_RANGES = "the server ignores ranges and would send the whole file; use --spool to download it to disk"


@dataclass(frozen=True, slots=True)
class Found:
    """What a first request told about a remote file."""

    size: int | None
    etag: str


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port: a token is never sent to another one."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


class Connection:
    """One remote file: redirects resolved once, retries bounded, the token kept at its origin."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout: float) -> None:
        self._url = url
        self._headers = dict(headers)
        self._timeout = timeout
        self._resolved: str | None = None
        self._session = requests.Session()
        self._session.trust_env = True
        self.requests = 0

    def close(self) -> None:
        """Close the session's sockets."""
        self._session.close()

    def get(self, headers: Mapping[str, str]) -> requests.Response:
        """GET with redirects followed by hand; the caller closes the response.

        Raises:
            ReadFailed: The server cannot be reached or refuses.
        """
        wait = 0.5
        for attempt in range(_TRIES):
            try:
                response = self._once(headers)
            except requests.RequestException as error:
                if attempt == _TRIES - 1:
                    raise ReadFailed(f"cannot be fetched: {_reason(error)}") from error
                time.sleep(wait)
            else:
                status = response.status_code
                if status in {200, 206}:
                    return response
                response.close()
                if status in {401, 403, 410} and self._resolved is not None:
                    self._resolved = None  # a signed address has expired: resolve it again
                elif status not in _AGAIN or attempt == _TRIES - 1:
                    raise ReadFailed(f"the server answered {status} {response.reason}".rstrip())
                else:
                    time.sleep(_retry_after(response, wait))
            wait *= 2
        raise ReadFailed("the server kept refusing")

    def _once(self, headers: Mapping[str, str]) -> requests.Response:
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
            if response.status_code not in {301, 302, 303, 307, 308}:
                self._resolved = url if url != self._url else None
                return response
            target = urljoin(url, response.headers.get("Location", ""))
            response.close()
            if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
                raise ReadFailed("the server redirects from https to an unprotected address")
            url = target
        raise ReadFailed("the server redirects without end")


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from adding credentials of its own (a .netrc entry) to a redirected address."""
    return request


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    if isinstance(error, requests.ConnectionError):
        return "the connection failed or was reset"
    return type(error).__name__


def _retry_after(response: requests.Response, fallback: float) -> float:
    value = response.headers.get("Retry-After", "")
    return min(float(value) if value.isdigit() else fallback, _WAIT_LIMIT)


def probe(url: str, *, headers: Mapping[str, str] | None = None, timeout: float = 30.0) -> Found:
    """Size and ETag of a remote file, by a one-byte range.

    Raises:
        SourceError: It cannot be reached.
    """
    connection = Connection(url, headers or {}, timeout)
    try:
        with connection.get({"Range": "bytes=0-0"}) as response:
            etag = response.headers.get("ETag", "")
            match = _RANGE.match(response.headers.get("Content-Range", ""))
            if response.status_code == 206 and match:
                return Found(int(match[3]), etag)
            length = response.headers.get("Content-Length", "")
            return Found(int(length) if length.isdigit() else None, etag)
    except ReadFailed as error:
        raise SourceError(f"{url}: {error}") from error
    finally:
        connection.close()


class RangeReader:
    """A remote file as a :class:`scanner.reader.Reader`."""

    def __init__(self, connection: Connection, size: int, etag: str) -> None:
        self._connection = connection
        self._size = size
        self._etag = etag
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._ahead = _AHEAD
        self._last_end = -1
        self.bytes_read = 0

    @property
    def size(self) -> int:
        """Bytes, as the source says; each answer has to agree."""
        return self._size

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
        # Sequential reading doubles what is read ahead; a jump starts small again.
        self._ahead = min(self._ahead * 2, _AHEAD_LIMIT) if offset == self._last_end else _AHEAD
        block = self._fetch(offset, min(max(length, self._ahead), self._size - offset))
        self._last_end = offset + len(block)
        self._blocks[offset] = block
        while len(self._blocks) > 1 and sum(map(len, self._blocks.values())) > _KEPT:
            self._blocks.popitem(last=False)
        return block[:length]

    def prime(self, head: bytes) -> None:
        """Keep the bytes that the first answer brought."""
        self._blocks[0] = head
        self._last_end = len(head)
        self.bytes_read += len(head)

    def _fetch(self, offset: int, length: int) -> bytes:
        last = offset + length - 1
        with self._connection.get({"Range": f"bytes={offset}-{last}"}) as response:
            if response.status_code != 206:
                raise ReadFailed(IGNORES_RANGES)
            match = _RANGE.match(response.headers.get("Content-Range", ""))
            if match is None or (int(match[1]), int(match[2])) != (offset, last):
                raise ReadFailed("the server answered another range than was asked")
            if int(match[3]) != self._size or response.headers.get("ETag", "") != self._etag:
                raise ReadFailed("the file changed while it was read")
            if response.headers.get("Content-Encoding", "identity") != "identity":
                raise ReadFailed("the server compresses what it was asked to send as it is")
            data = bytearray()
            try:
                for chunk in response.iter_content(64 << 10):
                    data += chunk
                    if len(data) >= length:
                        break
            except requests.RequestException as error:
                raise ReadFailed(f"cannot be fetched: {_reason(error)}") from error
        if len(data) < length:
            raise ReadFailed("the server sent fewer bytes than it announced")
        self.bytes_read += length
        return bytes(data[:length])


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
        connection = Connection(self.url, self.headers, self.timeout)
        try:
            yield from self._open(connection)
        finally:
            connection.close()

    def _open(self, connection: Connection) -> Iterator[Reader]:
        if self.size == 0:
            yield RangeReader(connection, 0, self.etag)
            return
        last = min(_AHEAD, self.size or _AHEAD) - 1
        with connection.get({"Range": f"bytes=0-{last}"}) as response:
            match = _RANGE.match(response.headers.get("Content-Range", ""))
            etag = response.headers.get("ETag", "")
            if response.status_code == 206 and match:
                head = b"".join(response.iter_content(_AHEAD))[: last + 1]
                size = int(match[3])
                if self.size not in {None, size} or (self.etag and etag != self.etag):
                    raise ReadFailed("the file is not the one that was resolved: size or ETag differ")
                reader = RangeReader(connection, size, etag)
                reader.prime(head)
            elif not self.spool:
                raise ReadFailed(IGNORES_RANGES)
            else:
                with tempfile.TemporaryFile() as file:
                    yield FileReader(file.fileno(), _spool(response, file, self.size))
                return
        yield reader


def _spool(response: requests.Response, file: IO[bytes], size: int | None) -> int:
    """Write the body to disk, block by block; returns its length."""
    total = 0
    try:
        for block in response.iter_content(1 << 20):
            total += len(block)
            if total > (size if size is not None else _SPOOL_LIMIT):
                raise ReadFailed("the server sends more bytes than it announced")
            file.write(block)
    except requests.RequestException as error:
        raise ReadFailed(f"cannot be fetched: {_reason(error)}") from error
    except OSError as error:
        raise ReadFailed(f"cannot be written to disk: {error.strerror}") from error
    file.flush()
    if size is not None and total != size:
        raise ReadFailed("the server sent fewer bytes than it announced")
    return total
