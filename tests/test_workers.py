"""The pool with real processes that die, hang and eat memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scanner.workers import Failure, Task, Workers
from tests.probes import act
from tests.support import LINUX, POSIX, ROOT


@pytest.fixture(scope="module")
def pool():
    with Workers(2, memory=256 << 20) as workers:
        yield workers


def run(pool: Workers, *batches: list[str], seconds: float = 20.0, threads: int = 1) -> dict[str, object]:
    tasks = [[Task(item, seconds) for item in batch] for batch in batches]
    return {batches[b][p]: outcome for b, p, outcome in pool.map(act, tasks, threads=threads)}


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize(
    ("culprit", "reason"),
    [
        pytest.param("die", "the reading process died", marks=POSIX),
        ("exit", "the reading process died"),
        pytest.param("memory", "more memory was needed than the limit allows", marks=LINUX),
        ("bug", "internal error"),
        ("recurse", "internal error"),
        ("quit", "internal error"),
        ("unsendable", "internal error"),
    ],
)
def test_only_the_culprit_fails(pool: Workers, culprit: str, reason: str, threads: int) -> None:
    batch = ["a", culprit, "b", "c"]
    found = run(pool, batch, ["d", "e"], ["f"], threads=threads)
    failure = found.pop(culprit)
    assert isinstance(failure, Failure)
    assert reason in failure.reason
    assert found == {"a": "A", "b": "B", "c": "C", "d": "D", "e": "E", "f": "F"}


@pytest.mark.parametrize("culprit", ["hang", "spin"])
@pytest.mark.parametrize("threads", [1, 4])
def test_what_hangs_is_stopped_at_its_limit(pool: Workers, culprit: str, threads: int) -> None:
    started = time.monotonic()
    found = run(pool, ["a", culprit, "b"], ["c"], seconds=1.0, threads=threads)
    assert isinstance(found[culprit], Failure)
    assert "time limit" in found[culprit].reason
    assert (found["a"], found["b"], found["c"]) == ("A", "B", "C")
    assert time.monotonic() - started < 20


def test_a_batch_that_is_slow_in_sum_loses_nothing(pool: Workers) -> None:
    batch = [f"slow:{number}" for number in range(10)]
    found = run(pool, batch, seconds=1.0)
    assert found == {item: item.upper() for item in batch}


def test_one_bug_has_one_name_without_its_values(pool: Workers) -> None:
    found = run(pool, ["bug"], ["bug:2"])
    reasons = {outcome.reason for outcome in found.values()}
    assert len(reasons) == 1
    assert "secret" not in reasons.pop()


def test_threads_share_a_worker(pool: Workers) -> None:
    batch = [f"where:{number}" for number in range(8)]
    found = {str(value).split()[0] for value in run(pool, batch, threads=8).values()}
    assert len(found) == 1


def test_nothing_to_do_starts_nothing() -> None:
    with Workers(2) as workers:
        assert list(workers.map(act, [])) == []


def _children(pid: int) -> set[int]:
    listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in listing.splitlines()]
    found = {pid}
    for _ in range(5):
        found |= {child for child, parent in pairs if parent in found}
    return found - {pid}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@LINUX
def test_an_interruption_ends_cleanly(tmp_path, number: signal.Signals, code: int) -> None:
    """While a huge sparse file is being hashed, which would take much longer than this test."""
    with (tmp_path / "big.txt").open("wb") as file:
        file.truncate(64 << 30)
    process = subprocess.Popen(
        [sys.executable, "-m", "scanner", "scan", str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while len(_children(process.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.5)
    children = _children(process.pid)
    assert children
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code, err
    assert out == ""
    assert "interrupted: nothing was decided" in err
    assert "Traceback" not in err
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists() and _alive(pid)]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
