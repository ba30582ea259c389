"""The command against a Hub, as a user types it: messages, exit codes, nothing leaked, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hub import Hub

ROOT = Path(__file__).parent.parent.parent
FILES = {"README.md": b"# card\n", "notes.txt": b"text\n"}
TOKEN = "hf_neverPrinted"


def weighbridge(hub: Hub, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return subprocess.run(
        [sys.executable, "-m", "scanner", *arguments],
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=60,
        env={**clean, "HF_ENDPOINT": hub.url, **environment},
    )  # fmt: skip


def test_a_private_repository_with_a_token_of_the_environment(hub: Hub) -> None:
    commit = hub.model("org/name", private=True, readers={TOKEN}).commit(FILES)
    refused = weighbridge(hub, "scan", "hf://org/name")
    assert refused.returncode == 2
    assert "give a token (--token or HF_TOKEN)" in refused.stderr
    passed = weighbridge(hub, "scan", "hf://org/name", "-vv", HF_TOKEN=f"{TOKEN}\n")
    assert passed.returncode == 0, passed.stderr
    assert f"it is {commit} now" in " ".join(passed.stdout.split())
    assert TOKEN not in passed.stdout + passed.stderr


@pytest.mark.parametrize("token", ["a b", "x\ny", "ü"])
def test_a_token_that_is_none_is_refused_unprinted(hub: Hub, token: str) -> None:
    done = weighbridge(hub, "scan", "hf://org/name", "--token", token)
    assert done.returncode == 2
    assert "the token" in done.stderr
    assert token not in done.stderr
    assert not hub.requests()


@pytest.mark.parametrize(
    ("where", "fault", "code", "says"),
    [
        ("api/", {"status": 401}, 2, "HF_TOKEN"),
        (
            "api/",
            {"status": 403, "headers": {"X-Error-Message": "go\x1b[31m away"}},
            2,
            "access is forbidden",
        ),
        ("api/", {"status": 500}, 2, "answered 500"),
        ("api/", {"behave": "drop"}, 2, "cannot be reached"),
        ("GET .*resolve/", {"status": 404}, 3, "404 Not Found"),
        ("GET .*resolve/", {"status": 429, "headers": {"Retry-After": "9999"}}, 3, "wait 9999 seconds"),
        ("GET .*resolve/", {"behave": "reset"}, 3, "connection failed or was reset"),
        ("GET .*resolve/", {"behave": "no-range"}, 3, "--spool"),
        ("GET .*resolve/", {"behave": "other-bytes"}, 1, "digests/mismatch"),
    ],
)
def test_a_hub_that_misbehaves(hub: Hub, where: str, fault, code: int, says: str) -> None:
    hub.model("org/name", private=True, readers={TOKEN}).commit(FILES)
    hub.fault(where, **fault)
    done = weighbridge(hub, "scan", "hf://org/name", HF_TOKEN=TOKEN)
    assert done.returncode == code, done.stdout + done.stderr
    assert says in done.stdout + done.stderr
    for leaked in (TOKEN, "Traceback", "\x1b"):
        assert leaked not in done.stdout + done.stderr


def test_the_report_says_what_was_computed_and_what_is_declared(hub: Hub) -> None:
    hub.model("org/name").commit({"weights.bin": b"\x80\x02N." + bytes(300_000), "a.txt": b"a\n"})
    done = weighbridge(hub, "scan", "hf://org/name", "--format", "json")
    files = {file["path"]: file for file in json.loads(done.stdout)["files"]}
    origins = {path: {d["origin"] for d in file["digests"]} for path, file in files.items()}
    assert origins == {"a.txt": {"computed", "declared"}, "weights.bin": {"declared"}}
    shown = weighbridge(hub, "scan", "hf://org/name").stdout
    assert "1 of 2 files hashed whole; 1 with a digest that the source only declares" in shown


def test_the_test_hub_runs_as_a_command(tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("text\n")
    command = [sys.executable, "-m", "tests.hub", str(tmp_path), "--token", TOKEN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        try:
            assert server.stdout is not None
            arguments = server.stdout.readline().split()
            done = subprocess.run(
                [sys.executable, "-m", "scanner", "scan", *arguments, "--token", TOKEN],
                capture_output=True, text=True, cwd=ROOT, check=False, timeout=60,
            )  # fmt: skip
        finally:
            server.terminate()
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PASS  org/name @ ")
