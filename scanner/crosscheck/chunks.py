"""Chunks of Zarr arrays: files without a format of their own, known by their place below an array.

Source: Zarr version 2 ("Storage", keys of chunks) and version 3 ("Chunk key encoding").
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import replace

from scanner.crosscheck.numbers import NUMBERS
from scanner.model import Coverage, FileResult

_KEYS = {"zarr 2": re.compile(r"\d+(?:[./]\d+)*"), "zarr 3": re.compile(r"c(?:[./]\d+)*|\d+(?:[./]\d+)*")}
_UNPICKLED = "dataset-index/pickled-data"


def settle(files: tuple[FileResult, ...]) -> tuple[FileResult, ...]:
    """The files, with those recognised that no format knows and that are chunks of an array of numbers."""
    arrays = _arrays(files)
    return tuple(_settled(file, arrays) for file in files) if arrays else files


def _arrays(files: tuple[FileResult, ...]) -> dict[str, str]:
    """Folder of each array whose chunks are not unpickled, and its version."""
    found = {}
    for file in files:
        if any(finding.rule.id == _UNPICKLED for finding in file.findings):
            continue
        for where, facts in file.facts:
            if facts.format == "dataset-index" and facts.version in _KEYS and not where.members:
                found[posixpath.dirname(file.path)] = facts.version
    return found


def _settled(file: FileResult, arrays: dict[str, str]) -> FileResult:
    # What is in a chunk stays found; only that nobody knows the numbers is no gap.
    if not file.gaps or not all(gap.reason.startswith("unknown format") for gap in file.gaps):
        return file
    folder = file.path
    while folder:
        folder = posixpath.dirname(folder)
        version = arrays.get(folder)
        key = posixpath.relpath(file.path, folder or ".")
        if version and _KEYS[version].fullmatch(key):
            return replace(file, formats=file.formats or (NUMBERS,), coverage=Coverage.STRUCTURE, gaps=())
    return file
