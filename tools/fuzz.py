"""Seeded fuzzing: mutate every fixture, read it as every format, expect only our own errors.

A failure prints the format, the fixture and the seed; the input is kept below ``.cache/fuzz``.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from scanner.formats import all_formats, identify
from scanner.formats.identity import read_head
from scanner.inspection import run
from scanner.model import Location
from scanner.reader import Budget, BytesReader
from tests.support import mutate

ROOT = Path(__file__).parent.parent
SLOW = 10.0


def attempts(data: bytes, name: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Everything that is tried on one input: to tell what it is, and to read it as each format."""
    yield "identify", lambda: identify(read_head(BytesReader(data), name))
    for fmt in all_formats():
        yield fmt.name, partial(run, fmt, BytesReader(data), Budget(1 << 28, 2_000_000), Location("fuzz"))


def main() -> None:
    """Fuzz until the time is up; exit 1 on a foreign exception or an input that takes too long."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    corpus = sorted(
        p for p in (ROOT / "fixtures").rglob("*") if p.is_file() and p.suffix not in {".py", ".pyc"}
    )
    rng = random.Random(given.seed)
    deadline = time.monotonic() + given.seconds
    rounds = failures = 0
    while time.monotonic() < deadline:
        path = rng.choice(corpus)
        seed = rng.randrange(1 << 30)
        data = mutate(path.read_bytes(), seed)
        for name, attempt in attempts(data, path.name):
            started = time.monotonic()
            try:
                attempt()
            except Exception:  # noqa: BLE001 - any exception here is the bug we look for
                failures += 1
                kept = ROOT / ".cache" / "fuzz" / f"{name}-{seed}"
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(data)
                print(f"FAILED {name} on {path.relative_to(ROOT)} with seed {seed}")
                traceback.print_exc()
            if time.monotonic() - started > SLOW:
                failures += 1
                print(f"SLOW {name} on {path.relative_to(ROOT)} with seed {seed}")
        rounds += 1
    print(f"fuzz: {rounds} inputs, {len(all_formats())} formats, {failures} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
