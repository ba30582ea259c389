"""`make bench`: our figures and the peers', measured side by side in one run.

Inputs and the peers' environments are made below .cache/bench and kept. Each line is a ratio
against a peer or a physical limit of the same run; times on a shared machine vary two-fold.
`python -m benchmarks.run --only NAME` runs one line.
"""

from __future__ import annotations

import argparse
import compileall
import resource
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import inputs

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".cache" / "bench"
OURS = [str(Path(sys.executable).parent / "weighbridge")]


def measure(command: list[str], rounds: int = 3) -> tuple[float, float]:
    """Median wall seconds and peak MiB of the whole process tree's largest process."""
    times, peak = [], 0.0
    for _ in range(rounds):
        probe = [sys.executable, "-m", "benchmarks.probe", *command]
        out = subprocess.run(probe, capture_output=True, text=True, check=True, cwd=ROOT).stdout
        seconds, mib = out.split()[-2:]
        times.append(float(seconds))
        peak = max(peak, float(mib))
    return statistics.median(times), peak


def peer(name: str) -> str:
    """The command of a peer, installed in an environment of its own."""
    folder = CACHE / f"venv-{name}"
    command = folder / "bin" / name
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        extra = ["numpy"] if name == "picklescan" else []
        subprocess.run([str(folder / "bin" / "pip"), "install", "-q", name, *extra], check=True)
    return str(command)


Row = tuple[str, str, str, str, str]


def start_up() -> list[Row]:
    """`--version` against an empty interpreter."""
    bare, _ = measure([sys.executable, "-c", "pass"], 9)
    ours, mib = measure([*OURS, "--version"], 9)
    return [row("start-up (--version)", ours, mib, "python -c pass", bare, "≤ 3 and ≤ 0.15 s")]


def hashing(kind: str) -> Callable[[], list[Row]]:
    """A whole scan with SHA-256 against openssl on the same file."""

    def bench() -> list[Row]:
        path = str(inputs.big_safetensors(CACHE) if kind == "safetensors" else inputs.big_torch_zip(CACHE))
        openssl = shutil.which("openssl") or "openssl"
        subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=True)
        limit, _ = measure([openssl, "dgst", "-sha256", path])
        ours, mib = measure([*OURS, "scan", "-q", path])
        return [row(f"1 GiB {kind}, full scan with SHA-256", ours, mib, "openssl dgst", limit, "≤ 1.2")]

    return bench


def pickles(kind: str, goal: str) -> Callable[[], list[Row]]:
    """A pickle of many opcodes against picklescan."""

    def bench() -> list[Row]:
        path = str(inputs.nested_pickle(CACHE) if kind == "nested lists" else inputs.forest_pickle(CACHE))
        ours, mib = measure([*OURS, "scan", "-q", path])
        theirs, their_mib = measure([peer("picklescan"), "-p", path], 1)
        note = f"picklescan ({their_mib:.0f} MiB)"
        return [row(f"{kind} pickle", ours, mib, note, theirs, goal)]

    return bench


def small_files() -> list[Row]:
    """2,000 small mixed files: we look at each, picklescan at those whose name it knows."""
    folder = str(inputs.small_files(CACHE))
    ours, mib = measure([*OURS, "scan", "-q", folder])
    theirs, _ = measure([peer("picklescan"), "-p", folder])
    return [row("2,000 small mixed files", ours, mib, "picklescan (reads 800)", theirs, "< 1")]


def row(name: str, ours: float, mib: float, other: str, theirs: float, goal: str) -> Row:
    """One line of the table."""
    return (
        name,
        f"{ours:.3f} s, {mib:.0f} MiB",
        f"{other}: {theirs:.3f} s",
        f"{ours / theirs:.2f}",
        goal,
    )


BENCHES: dict[str, Callable[[], list[Row]]] = {
    "start-up": start_up,
    "safetensors": hashing("safetensors"),
    "torch-zip": hashing("PyTorch zip"),
    "nested": pickles("nested lists", "≤ 0.05 (20 times faster), < 150 MiB"),
    "forest": pickles("random forest", "≤ 0.125 (8 times faster), < 150 MiB"),
    "small": small_files,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=list(BENCHES))
    only = parser.parse_args().only
    CACHE.mkdir(parents=True, exist_ok=True)
    # As pip does for whoever installs us; the peers are installed by pip.
    compileall.compile_dir(str(ROOT / "scanner"), quiet=1)
    print("| what | Weighbridge | compared with | ratio | goal |\n|---|---|---|---|---|")
    for name, bench in BENCHES.items():
        if only in {None, name}:
            for line in bench():
                print("| " + " | ".join(line) + " |", flush=True)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
