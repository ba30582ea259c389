"""What format tests share: inspect bytes, read fixtures, mutate and expect only our own errors."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.examination import Assignment, examine
from scanner.formats import by_name, identify, suspected
from scanner.inspection import HEAD_BYTES, Head, Inspection, run
from scanner.model import FileResult, Location
from scanner.reader import Budget, BytesOpener, BytesReader, Limits

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures"

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such names, limits and counters")
POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files, rights and signals")


def weighbridge(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a user types it, in a process of its own."""
    command = [sys.executable, "-m", "scanner", *arguments]
    given = {**os.environ, **environment}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=300, env=given
    )


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def head_of(data: bytes, name: str = "file", members: tuple[str, ...] = ()) -> Head:
    return Head(data[:HEAD_BYTES], len(data), name.lower(), data[-HEAD_BYTES:], members)


def inspect_bytes(format_name: str, data: bytes, name: str = "file", **budget: int) -> Inspection:
    """Inspect `data` as one format; errors have become gaps, as in the pipeline."""
    return run(by_name()[format_name], BytesReader(data), Budget(**budget), Location(name))


def examined(data: bytes, name: str = "file", **limits: int) -> FileResult:
    """What the walk over one file and everything nested in it finds."""
    return examine(Assignment(name, BytesOpener(data), Limits(**limits)))


def rules_of(inspection: Inspection) -> set[str]:
    return {finding.rule.id for finding in inspection.findings}


def names_of(data: bytes, name: str = "file", members: tuple[str, ...] = ()) -> set[str]:
    head = head_of(data, name, members)
    tried = {fmt: run(fmt, BytesReader(data), Budget(), Location(name)) for fmt in suspected(head)}
    return {fmt.name for fmt in (*identify(head), *(fmt for fmt, seen in tried.items() if seen.recognised))}


def mutate(data: bytes, seed: int) -> bytes:
    """A seeded mutation: flipped, cut, repeated or overwritten bytes."""
    rng = random.Random(seed)
    out = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        if not out:
            break
        at = rng.randrange(len(out))
        match rng.randrange(5):
            case 0:
                out[at] ^= 1 << rng.randrange(8)
            case 1:
                del out[at:]
            case 2:
                out[at:at] = out[max(0, at - 16) : at]
            case 3:
                out[at : at + 8] = rng.randbytes(8)
            case _:
                out[at : at + 4] = rng.choice([b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f"])
    return bytes(out)


def assert_survives(format_name: str, data: bytes, rounds: int = 200) -> None:
    """No mutation and no truncation of `data` lets a foreign exception out of the format."""
    for seed in range(rounds):
        inspect_bytes(format_name, mutate(data, seed))
    step = max(1, len(data) // 400)
    for cut in range(0, len(data), step):
        inspect_bytes(format_name, data[:cut])
