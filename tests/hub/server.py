"""The HTTP side of the test Hub: one origin for the API and `resolve`, a second one as its CDN."""

from __future__ import annotations

import contextlib
import hashlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

from tests.hub.faults import Behaviour, Fault
from tests.hub.repository import Blob, Repository
from tests.hub.routes import Answer, Routes

_STEP = 64 << 10


@dataclass(frozen=True)
class Asked:
    """One request that was answered."""

    origin: str
    """``hub`` or ``cdn``."""
    method: str
    path: str
    range: str
    authorization: str
    status: int
    sent: int
    """Bytes of the body."""
    connection: tuple[str, int]
    """The client's address and port: equal on a connection that was kept."""


class Hub:
    """The server; a context manager. Repositories and faults may be changed while it runs."""

    def __init__(
        self,
        *,
        cdn: bool = False,
        page: int = 1000,
        port: int = 0,
        delay: float = 0.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.tokens: set[str] = set()
        self.faults: list[Fault] = []
        self.log: list[Asked] = []
        self.cdn = cdn
        self.page = page
        self.delay = delay
        self.link_to = ""
        """Where the tree's next pages are said to be; empty: here."""
        self._lock = threading.Lock()
        self._scheme = "https" if tls else "http"
        self._servers = {"hub": _serve(self, "hub", port, tls), "cdn": _serve(self, "cdn", 0, tls)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._servers['hub'].server_port}"

    @property
    def cdn_url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._servers['cdn'].server_port}"

    def model(self, name: str, **traits: Any) -> Repository:
        return self._add(Repository(name, "model", **traits))

    def dataset(self, name: str, **traits: Any) -> Repository:
        return self._add(Repository(name, "dataset", **traits))

    def _add(self, repository: Repository) -> Repository:
        self.tokens |= repository.readers
        self.repositories[repository.kind, repository.name] = repository
        return repository

    def fault(self, where: str, behave: Behaviour = "", **how: Any) -> Fault:
        """Misbehave where the pattern is found in `METHOD /path`."""
        made = Fault(where, behave, **how)
        self.faults.append(made)
        return made

    def struck(self, line: str) -> Fault | None:
        with self._lock:
            return next((fault for fault in self.faults if fault.strikes(line)), None)

    def noted(self, asked: Asked) -> None:
        with self._lock:
            self.log.append(asked)

    def requests(self, where: str = "", *, ranged: bool = False) -> list[Asked]:
        """What was asked so far, in order, filtered by a part of the path."""
        self._settle()
        with self._lock:
            return [a for a in self.log if where in a.path and (a.range or not ranged)]

    def sent(self, where: str = "") -> int:
        return sum(asked.sent for asked in self.requests(where))

    def _settle(self) -> None:
        """Wait until nothing more is written down: a client has its answer before that is."""
        seen = -1
        while seen != len(self.log):
            seen = len(self.log)
            time.sleep(0.1)

    def forget(self) -> None:
        self._settle()
        with self._lock:
            self.log.clear()

    def blob_by_digest(self, digest: str) -> Blob | None:
        for repository in self.repositories.values():
            for commit in repository.commits.values():
                for file in commit.files.values():
                    if file.etag == digest:
                        return file
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    hub: Hub
    origin: str

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away in the middle is ordinary here."""


def _serve(hub: Hub, origin: str, port: int, tls: ssl.SSLContext | None) -> _Server:
    server = _Server(("127.0.0.1", port), _Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.hub, server.origin = hub, origin
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: object) -> None:
        """Silent: `Hub.log` is the log."""

    def do_GET(self) -> None:
        self._handle()

    def do_HEAD(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def _handle(self) -> None:
        hub = self.server.hub
        length = int(self.headers.get("Content-Length") or 0)
        form = parse_qs(self.rfile.read(length).decode()) if length else {}
        fault = hub.struck(f"{self.command} {self.path}") or Fault("")
        time.sleep(hub.delay + fault.delay)
        if fault.behave == "drop":
            self._break(fault)
            return
        if fault.status:
            error = fault.body
            if error is None:
                error = json.dumps({"error": f"test: {fault.status}"}).encode()
            answer = Answer(fault.status, {"Content-Type": "application/json"}, error)
        elif fault.behave in {"loop", "downgrade"}:
            answer = Answer(302, {"Location": fault.location or self.path})
        else:
            token = self.headers.get("Authorization", "")
            answer = Routes(hub, self.server.origin, self.path, token, form).answer()
        self._send(answer, fault)

    def _send(self, answer: Answer, fault: Fault) -> None:
        body = answer.body
        status, headers = answer.status, {**answer.headers}
        size = len(body) if isinstance(body, bytes) else body.size
        start, length = 0, size
        asked = self.headers.get("Range", "")
        if (
            status == 200
            and not isinstance(body, bytes)
            and asked
            and fault.behave not in {"no-range", "flood"}
        ):
            found = _range(asked, size)
            if found is None:
                status, length = 416, 0
                headers["Content-Range"] = f"bytes */{size}"
            else:
                start, length = found
                status = 206
                headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size}"
        start = _bend(fault, headers, start, length, size)
        headers = {"Content-Length": str(length), **headers, **fault.headers}
        if fault.behave in {"endless", "flood"}:
            headers.pop("Content-Length", None)
            headers["Connection"] = "close"
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in fault.drop:
                self.send_header(name, value)
        self.end_headers()
        sent = 0
        with contextlib.suppress(OSError):
            if self.command != "HEAD":
                for block in _blocks(body, start, length, fault):
                    self.wfile.write(block)
                    sent += len(block)
                self._break(fault)
        path, token = self.path, self.headers.get("Authorization", "")
        self.server.hub.noted(
            Asked(self.server.origin, self.command, path, asked, token, status, sent, self.client_address)
        )

    def _break(self, fault: Fault) -> None:
        if fault.behave == "hang":
            time.sleep(3600)
        if fault.behave in {"reset", "drop"}:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        if fault.behave in {"short", "reset", "drop", "endless", "flood"}:
            self.close_connection = True


def _range(text: str, size: int) -> tuple[int, int] | None:
    first, _, last = text.removeprefix("bytes=").partition("-")
    if not first:
        length = min(int(last), size)
        return (size - length, length) if length else None
    start, end = int(first), min(int(last) if last else size - 1, size - 1)
    return (start, end - start + 1) if start <= end else None


def _bend(fault: Fault, headers: dict[str, str], start: int, length: int, size: int) -> int:
    """Change the headers as the fault says; returns the offset to send from."""
    match fault.behave:
        case "other-etag":
            headers["ETag"] = '"' + hashlib.sha256(headers.get("ETag", "").encode()).hexdigest() + '"'
        case "other-size":
            headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{size + 1}"
        case "no-total":
            headers["Content-Range"] = f"bytes {start}-{start + length - 1}/*"
        case "no-content-range":
            headers.pop("Content-Range", None)
        case "gzip":
            headers["Content-Encoding"] = "gzip"
        case "wrong-range":
            headers["Content-Range"] = f"bytes {start + 1}-{start + length}/{size}"
            return start + 1
    return start


def _blocks(body: Blob | bytes, start: int, length: int, fault: Fault) -> Iterator[bytes]:
    if fault.behave in {"endless", "flood"}:
        while True:
            yield bytes(_STEP)
    stop = length // 2 if fault.behave in {"short", "reset", "hang"} else length
    for at in range(0, stop, _STEP):
        count = min(_STEP, stop - at)
        block = (
            body[start + at : start + at + count] if isinstance(body, bytes) else body.read(start + at, count)
        )
        yield bytes(byte ^ 1 for byte in block) if fault.behave == "other-bytes" else block
