"""Files of bare numbers: what a model says lies in them, against what is there.

Such a file (external data of ONNX, a shard of a TensorFlow checkpoint) has no format of its own. Where a
model beside it says of all its bytes that they are numbers, it is known what it is.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from scanner.model import (
    Artefact,
    Check,
    Coverage,
    FileResult,
    Finding,
    Location,
    Region,
    Rule,
    Severity,
)

MISSING = Rule(
    id="crosscheck/numbers-missing",
    title="A file with a model's numbers is missing",
    severity=Severity.MEDIUM,
    check=Check.BOUNDS,
    finds="A file that a model takes its weights from and that is not in the artefact.",
    why="The model does not load, or loads a file of that name that comes from somewhere else.",
    remedy="Get the artefact again, whole.",
    example="`model.onnx` takes its weights from `model.onnx_data`, which is not there.",
    limits="Where a single file is scanned, its neighbours are not looked for.",
    references=("https://github.com/onnx/onnx/blob/main/docs/ExternalData.md",),
)
BOUNDS = Rule(
    id="crosscheck/numbers-bounds",
    title="A model takes numbers from behind the end of a file",
    severity=Severity.MEDIUM,
    check=Check.BOUNDS,
    finds="A tensor whose offset and length reach past the end of the file that they point into.",
    why="Readers that do not check read whatever lies there, or fill the memory.",
    remedy="Get both files again, together.",
    example="100 floats at the offset 0 of a file of 16 bytes.",
    references=("CWE-125", "GHSA-538c-55jv-c5g9"),
)
UNOWNED = Rule(
    id="crosscheck/numbers-unowned",
    title="Bytes between a model's numbers belong to no tensor",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="More than 64 KiB in a row, or more than 4 KiB at the end, of a file of bare numbers, that no "
    "tensor takes.",
    why="They can carry anything; no loader of this model reads them.",
    remedy="Refuse the file unless its publisher explains the bytes.",
    example="A mebibyte behind the last tensor of `model.onnx_data`.",
    limits="Gaps up to the largest alignment that is in use (64 KiB) are padding.",
    references=("CWE-506",),
)
RULES = (MISSING, BOUNDS, UNOWNED)
NUMBERS = "raw-numbers"
"""What such a file is called among the formats of a file."""

_PADDING = 64 << 10
_TAIL = 4 << 10
_NAMED = 5
_Claims = dict[str, list[tuple[Location, Region]]]


def settle(files: tuple[FileResult, ...]) -> tuple[FileResult, ...]:
    """The files, with those recognised that no format knows and that are the numbers of a neighbour."""
    claims = _claims(files)
    return tuple(_settled(file, claims.get(file.path, [])) for file in files)


def _settled(file: FileResult, claims: list[tuple[Location, Region]]) -> FileResult:
    # Numbers can begin like a text in some 8-bit encoding, which then goes on as bytes.
    if file.formats not in {(), ("text",)} or not file.gaps or not claims or not file.size:
        return file
    if not file.formats and not all(gap.reason.startswith("unknown format") for gap in file.gaps):
        return file
    if any(True for _ in _free(file.size, claims)):
        return file
    return replace(file, formats=(NUMBERS,), coverage=Coverage.STRUCTURE, gaps=())


def check(files: tuple[FileResult, ...], artefact: Artefact) -> Iterator[Finding]:
    """Findings about files that models take numbers from; nothing where a single file is the artefact."""
    if len(artefact.files) < 2:
        return
    sizes = {file.path: file.size for file in files}
    present = {entry.path for entry in artefact.files}
    known = {file.path: file for file in files}
    for path, claims in sorted(_claims(files).items()):
        if path in sizes:
            yield from _bounds(path, sizes[path], claims)
            if known[path].formats in {(), (NUMBERS,)}:
                yield from _unowned(path, sizes[path], claims)
        elif path not in present and not path.startswith(("../", "/")):
            where = claims[0][0]
            message = f"takes {len(claims)} tensors from {path[:200]}, which is not here"
            yield Finding(MISSING, where, message, evidence=(("missing", path[:200]),))


def _claims(files: tuple[FileResult, ...]) -> _Claims:
    """Path to the regions that are said to lie in it."""
    found: _Claims = defaultdict(list)
    for file in files:
        for where, facts in file.facts:
            if where.members:
                continue
            folder = posixpath.dirname(where.path)
            for region in facts.regions:
                found[posixpath.normpath(posixpath.join(folder, region.path))].append((where, region))
    return found


def _bounds(path: str, size: int, claims: list[tuple[Location, Region]]) -> Iterator[Finding]:
    beyond = [(where, r) for where, r in claims if r.offset + r.length > size]
    if beyond:
        names = ", ".join(region.name[:80] for _, region in beyond[:_NAMED])
        message = f"{len(beyond)} tensors reach past the {size} bytes of {path[:200]}: {names}"
        yield Finding(BOUNDS, beyond[0][0], message, evidence=(("file", path[:200]), ("tensors", names)))


def _unowned(path: str, size: int, claims: list[tuple[Location, Region]]) -> Iterator[Finding]:
    for at, length in list(_free(size, claims))[:_NAMED]:
        message = f"{length} bytes belong to no tensor of {claims[0][0].path}"
        yield Finding(UNOWNED, Location(path, (), at, length), message, evidence=(("at", str(at)),))


def _free(size: int, claims: list[tuple[Location, Region]]) -> Iterator[tuple[int, int]]:
    """Runs of bytes, too long for padding, that no region covers."""
    at = 0
    for offset, end in sorted((r.offset, r.offset + r.length) for _, r in claims):
        if offset - at > _PADDING:
            yield at, min(offset, size) - at
        at = max(at, end)
    if size - at > _TAIL:
        yield at, size - at
