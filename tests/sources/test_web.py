"""One file at an address, against the test Hub's plain `resolve` route and against Python's own server."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scanner.errors import SourceError, TargetError
from scanner.model import Coverage, Target
from scanner.pipeline import Request, scan_artefact
from scanner.reader import Limits
from scanner.result import Decision, Report
from scanner.sources import Options, resolve
from scanner.sources.web import _name
from tests.hub import Hub, sparse

ROOT = Path(__file__).parent.parent.parent


def scan(text: str, workers, **options) -> Report:
    request = Request(Target(text), source=Options(**options), limits=Limits(seconds=30))
    return scan_artefact(request, workers=workers)


@pytest.fixture
def plain(tmp_path):
    """Python's own file server: it ignores ranges."""
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    handler.func.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def at(hub: Hub, files) -> str:
    commit = hub.model("org/name").commit(files)
    return f"{hub.url}/org/name/resolve/{commit}"


def test_eight_gibibytes_cost_two_requests(hub: Hub, workers) -> None:
    size = 8 << 30
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    header += b" " * (-len(header) % 8)
    head = len(header).to_bytes(8, "little") + header
    address = at(hub, {"model.safetensors": sparse(len(head) + size, {0: head})})
    report = scan(f"{address}/model.safetensors?download=true", workers)
    assert report.verdict.decision is Decision.PASS
    assert report.files[0].coverage is Coverage.STRUCTURE
    assert report.artefact.name == "model.safetensors"
    assert len(hub.requests()) == 2
    assert hub.sent() < 160 << 10


def test_an_empty_file_is_read(hub: Hub, workers) -> None:
    report = scan(f"{at(hub, {'a.txt': b''})}/a.txt", workers)
    assert (report.files[0].size, report.verdict.decision) == (0, Decision.PASS)


def test_without_a_validator_that_is_said(hub: Hub, workers) -> None:
    address = at(hub, {"a.txt": b"text\n"})
    hub.fault("", drop=frozenset({"etag"}))
    report = scan(f"{address}/a.txt", workers)
    assert [finding.rule.id for finding in report.findings] == ["web/no-validator"]
    assert report.verdict.decision is Decision.PASS


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("http://example.org/a", "use https://"),
        ("https://user:pw@example.org/a", "an address with a password"),
        ("https:///a", "names no host"),
        ("https://[::1/a", "is no address"),
        ("https://host:99999/a", "is no address"),
    ],
)
def test_addresses_that_are_refused(text: str, says: str) -> None:
    with pytest.raises(TargetError, match=says) as caught:
        resolve(Target(text), Options())
    assert "pw" not in str(caught.value)


def test_what_a_signed_address_hides_is_not_repeated(hub: Hub, workers) -> None:
    address = at(hub, {"a.txt": b"text\n"})
    report = scan(f"{address}/a.txt?X-Amz-Signature=s3cr3t&id=5&access_token=s3cr3t", workers)
    assert report.artefact.target == f"{address}/a.txt?X-Amz-Signature=…&id=5&access_token=…"
    hub.fault("", status=404)
    with pytest.raises(SourceError, match="404") as caught:
        scan(f"{address}/a.txt?signature=s3cr3t", workers)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/b%20c.bin", "b c.bin"),
        ("/", "host"),
        ("/a/..", "host"),
        ("/a%2F..%2Fb", "b"),
        ("/%1b[1m", "_[1m"),
    ],
)
def test_a_name_is_never_a_path(path: str, name: str) -> None:
    assert _name(urlsplit(f"https://host{path}")) == name


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500])
def test_an_answer_that_is_none_decides_nothing(hub: Hub, workers, status: int) -> None:
    hub.fault("", status=status)
    with pytest.raises(SourceError, match=str(status)):
        scan(f"{hub.url}/a", workers)


def test_a_server_that_is_not_there_decides_nothing(workers) -> None:
    with pytest.raises(SourceError, match="the connection failed"):
        scan("http://127.0.0.1:9/a", workers)


def test_ignored_ranges_are_refused_or_spooled(plain, workers) -> None:
    folder, address = plain
    (folder / "a.txt").write_bytes(b"text\n" * 100_000)
    refused = scan(f"{address}/a.txt", workers)
    assert refused.verdict.decision is Decision.INCOMPLETE
    assert "--spool" in refused.gaps[0].reason
    spooled = scan(f"{address}/a.txt", workers, spool=True)
    assert spooled.verdict.decision is Decision.PASS
    assert spooled.files[0].computed("sha256")


def _family(pid: int) -> Iterator[tuple[int, int]]:
    """(process, its peak memory in KiB so far) of a process and of everything that descends from it."""
    parents: dict[int, tuple[int, int]] = {}
    for place in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in place.read_text().splitlines() if ":" in line)
        except OSError:
            continue  # it has ended
        parents[int(place.parent.name)] = int(fields["PPid"]), int(fields.get("VmHWM", "0 kB").split()[0])
    family = [pid]
    for member in family:
        family += [child for child, (parent, _) in parents.items() if parent == member]
    yield from ((member, parents[member][1]) for member in family if member in parents)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_huge_file_without_ranges_costs_no_memory(hub: Hub) -> None:
    address = at(hub, {"m.bin": sparse(8 << 30, {0: b"x"})})
    hub.fault("", "no-range", delay=0.5)  # long enough to be watched
    command = [sys.executable, "-m", "scanner", "scan", f"{address}/m.bin"]
    peaks: dict[int, int] = {}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as run:
        while run.poll() is None:
            for pid, peak in _family(run.pid):
                peaks[pid] = max(peak, peaks.get(pid, 0))
            time.sleep(0.02)
        out, err = run.communicate()
    assert run.returncode == 3, err
    assert "the server ignores ranges" in out
    assert len(peaks) >= 3  # itself, the fork server, a worker
    assert max(peaks.values()) < 100 << 10, peaks
    assert hub.sent() < 16 << 20


@pytest.mark.parametrize(
    ("behave", "says"),
    [
        ("flood", "sends more than the 5000 bytes"),
        ("short", "the connection failed or was reset"),
        ("gzip", "compresses what it was asked"),
    ],
)
def test_what_is_spooled_is_bounded_by_what_was_declared(hub: Hub, workers, behave: str, says: str) -> None:
    address = at(hub, {"a.txt": b"text\n" * 1000})
    hub.fault("", "no-range", times=1)
    hub.fault("", behave)
    report = scan(f"{address}/a.txt", workers, spool=True)
    assert report.verdict.decision is Decision.INCOMPLETE
    assert says in report.gaps[0].reason
