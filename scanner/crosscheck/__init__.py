"""Rules that need more than one file at once."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator

from scanner.crosscheck import chunks, code, numbers, shards
from scanner.model import Artefact, Check, FileResult, Finding, Location, Rule, Severity

COLLISION = Rule(
    id="crosscheck/path-collision",
    title="Two paths are one on some systems",
    severity=Severity.MEDIUM,
    check=Check.PATH_ESCAPE,
    finds="Paths that differ only in case or in Unicode normalisation.",
    why="On macOS and Windows one file replaces the other, so what was weighed is not what loads.",
    remedy="Rename one of the files.",
    example="`Model.safetensors` beside `model.safetensors`",
    references=("CWE-178",),
)
__all__ = ["RULES", "crosscheck", "settle"]

RULES = (COLLISION, *shards.RULES, *code.RULES, *numbers.RULES)


def settle(files: tuple[FileResult, ...]) -> tuple[FileResult, ...]:
    """The files, with those recognised that have no format of their own and belong to a neighbour."""
    return chunks.settle(numbers.settle(files))


def crosscheck(files: tuple[FileResult, ...], artefact: Artefact) -> Iterator[Finding]:
    """Findings about files that stand side by side."""
    yield from _collisions(files)
    yield from shards.check(files, artefact)
    yield from numbers.check(files, artefact)
    yield from code.check(files, artefact)


def _collisions(files: tuple[FileResult, ...]) -> Iterator[Finding]:
    groups = defaultdict(list)
    for file in files:
        groups[unicodedata.normalize("NFC", file.path).casefold()].append(file.path)
    for paths in groups.values():
        if len(paths) > 1:
            listed = ", ".join(sorted(paths))
            evidence = (("paths", listed),)
            message = f"these are one file on some systems: {listed}"
            yield Finding(COLLISION, Location(min(paths)), message, evidence=evidence)
