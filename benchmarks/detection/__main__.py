"""Build the corpus, run every tool on every file, print the table: see the package's docstring.

``--only TOOL`` (repeated) runs some of the tools; modelaudit and aisbom take most of the time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.detection.payloads import everything
from benchmarks.run import CACHE, OURS, ROOT

FOLDER = CACHE.parent / "detection"
ORDINARY = "ordinary files of the libraries"
# What the writers of ordinary files need; torch's version is one whose CPU build is easy to come by.
WRITERS = [
    "torch==2.13.0",
    "numpy",
    "scikit-learn",
    "joblib",
    "pandas",
    "scipy",
    "safetensors",
    "h5py",
    "onnx",
    "gguf",
    "cloudpickle",
]
QUIET = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "NO_ANALYTICS": "1", "AISBOM_NO_TELEMETRY": "1", "NO_COLOR": "1"}


@dataclass(frozen=True)
class Item:
    """One file of the corpus, alone in its folder."""

    kind: str
    path: Path


@dataclass(frozen=True)
class Tool:
    """How a peer is asked about one file, and what its exit codes say."""

    package: str
    command: Callable[[str, Item], list[str]]
    flags: frozenset[int]
    clean: frozenset[int]
    extras: tuple[str, ...] = ()

    def binary(self) -> str:
        """The command, installed in an environment of its own."""
        name = self.package.removesuffix("-cli")
        folder = CACHE / f"venv-{self.package}"
        if not (folder / "bin" / name).exists():
            environment(folder, self.package, *self.extras)
        return str(folder / "bin" / name)


TOOLS = (
    Tool(
        "picklescan", lambda b, i: [b, "-p", str(i.path)], frozenset({1}), frozenset({0}), ("numpy",)
    ),
    Tool(
        "modelscan", lambda b, i: [b, "-p", str(i.path)], frozenset({1}), frozenset({0}), ("numpy<2.4", "h5py")
    ),
    Tool(
        "fickling",
        lambda b, i: [b, "--check-safety", str(i.path)],
        frozenset({1}),
        frozenset({0}),
        ("typing_extensions",),
    ),
    Tool(
        "modelaudit",
        lambda b, i: [b, "scan", str(i.path), "--no-cache", "--format", "json"],
        frozenset({1}),
        frozenset({0}),
    ),
    Tool(
        "aisbom-cli",
        lambda b, i: [b, "scan", str(i.path.parent), "--offline", "--output", os.devnull],
        frozenset({2}),
        frozenset({0}),
    ),
)  # fmt: skip


def environment(folder: Path, *packages: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(folder / "bin" / "pip"), "install", "-q", *packages], check=True)


def corpus() -> list[Item]:
    """Every file; made anew each time, ordinary ones once."""
    evil, good = FOLDER / "payloads", FOLDER / "ordinary"
    shutil.rmtree(evil, ignore_errors=True)
    items = []
    for number, (kind, name, data) in enumerate(everything()):
        path = evil / f"{number:03}" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        items.append(Item(kind, path))
    if not good.exists():
        writers = CACHE / "venv-writers"
        if not writers.exists():
            environment(writers, *WRITERS)
        script = str(Path(__file__).parent / "ordinary.py")
        subprocess.run([str(writers / "bin" / "python"), script, str(good)], check=True)
    items += [Item(ORDINARY, path) for path in sorted(good.rglob("*")) if path.is_file()]
    return items


def ours(items: list[Item]) -> Iterator[str]:
    """Our verdict on each file: one command for all of them."""
    command = [*OURS, "scan", "-q", "--format", "json", *(str(item.path) for item in items)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    names = {"fail": "flagged", "incomplete": "gap", "pass": "clean"}
    yield from (names[report["verdict"]["decision"]] for report in json.loads(shown.stdout))


def theirs(tool: Tool, items: list[Item]) -> Iterator[str]:
    """A peer's verdict on each file: a command for each."""
    binary = tool.binary()

    def ask(item: Item) -> str:
        command = tool.command(binary, item)
        try:
            code = subprocess.run(
                command,
                capture_output=True,
                check=False,
                timeout=120,
                env={**os.environ, **QUIET},
                cwd=FOLDER,  # some leave files behind where they run
            ).returncode
        except subprocess.TimeoutExpired:
            return "gap"
        return "flagged" if code in tool.flags else "clean" if code in tool.clean else "gap"

    with ThreadPoolExecutor(2) as pool:
        yield from pool.map(ask, items)


def main() -> None:
    """Print one table: flagged of all, by class; for ordinary files that is the false alarms."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", choices=["weighbridge", *(tool.package for tool in TOOLS)])
    only = parser.parse_args().only
    items = corpus()
    totals = Counter(item.kind for item in items)
    results: dict[str, dict[str, Counter[str]]] = {}
    seconds: dict[str, float] = {}
    missed: dict[str, list[str]] = {}
    judges = {"weighbridge": ours, **{tool.package: partial(theirs, tool) for tool in TOOLS}}
    for name in only or judges:
        judge = judges[name]
        started = time.perf_counter()
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for item, verdict in zip(items, judge(items), strict=True):
            counts[item.kind][verdict] += 1
            if (verdict == "flagged") == (item.kind == ORDINARY):
                missed.setdefault(name, []).append(f"{verdict} {item.kind}: {item.path.relative_to(FOLDER)}")
        results[name], seconds[name] = counts, time.perf_counter() - started
    (FOLDER / "missed.json").write_text(json.dumps(missed, indent=1))
    print(f"| class (files) | {' | '.join(results)} |\n|---|{'---|' * len(results)}")
    for kind, total in totals.items():
        cells = (
            f"{c[kind]['flagged']}" + (f" ({c[kind]['gap']} gaps)" if c[kind]["gap"] else "")
            for c in results.values()
        )
        print(f"| {kind} ({total}) | {' | '.join(cells)} |")
    print(f"| seconds for all | {' | '.join(f'{s:.0f}' for s in seconds.values())} |")


if __name__ == "__main__":
    main()
