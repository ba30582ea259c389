"""A shard index against the shards that it speaks of, and the numbers of split GGUF files."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator

from scanner.model import Artefact, Check, Facts, FileResult, Finding, Location, Rule, Severity

MISSING = Rule(
    id="crosscheck/shard-missing",
    title="A shard is missing",
    severity=Severity.MEDIUM,
    check=Check.BOUNDS,
    finds="A file that a shard index names, or a part of a split GGUF model, that is not in the artefact.",
    why="The model does not load, or loads a file of that name that comes from somewhere else.",
    remedy="Get the artefact again, whole.",
    example="`model.safetensors.index.json` names `model-00002-of-00002.safetensors`, which is not there.",
    limits="Where a single file is scanned, its neighbours are not looked for.",
    references=("https://huggingface.co/docs/safetensors/index",),
)
MAP = Rule(
    id="crosscheck/shard-map",
    title="The shard index and the shards disagree",
    severity=Severity.MEDIUM,
    check=Check.BOUNDS,
    finds="Tensors that are not in the shard that the index names, and tensors in a shard that the index "
    "does not know.",
    why="Loaders that go by the index and loaders that go by the shards load different models.",
    remedy="Refuse the model, or have its publisher write the index again.",
    example="The index says `w` is in shard 1; it is in shard 2.",
    limits="Only safetensors shards that could be read are compared.",
    references=("https://huggingface.co/docs/safetensors/index",),
)
SIZE = Rule(
    id="crosscheck/shard-size",
    title="The shard index states another size",
    severity=Severity.LOW,
    check=Check.BOUNDS,
    finds="A `total_size` that is not the number of bytes of all tensors in the shards.",
    why="Either the index or the weights are not what was published together.",
    remedy="Ask the publisher which of the two was changed.",
    example='`{"metadata": {"total_size": 1}}` over shards of 16 bytes',
    limits="Only where every shard is safetensors and could be read.",
    references=("https://huggingface.co/docs/safetensors/index",),
)
RULES = (MISSING, MAP, SIZE)

_NAMED = 5
_SPLIT = re.compile(r"(?P<stem>.+)-(?P<part>\d{5})-of-(?P<parts>\d{5})\.gguf")


def check(files: tuple[FileResult, ...], artefact: Artefact) -> Iterator[Finding]:
    """Findings about shards; nothing where a single file is the artefact."""
    if len(artefact.files) < 2:
        return
    present = {entry.path for entry in artefact.files}
    known = {file.path: file for file in files}
    for file in files:
        for where, facts in file.facts:
            if facts.shards and not where.members:
                yield from _index(where, facts, present, known)
    yield from _splits(present)


def _index(
    where: Location, facts: Facts, present: set[str], known: dict[str, FileResult]
) -> Iterator[Finding]:
    folder = posixpath.dirname(where.path)
    placed: dict[str, set[str]] = defaultdict(set)
    for tensor, name in facts.shards:
        placed[posixpath.normpath(posixpath.join(folder, name))].add(tensor)
    missing = sorted(path for path in placed if path not in present and not path.startswith(("../", "/")))
    if missing:
        message = f"the index names {len(missing)} files that are not here: {_listed(missing)}"
        yield Finding(MISSING, where, message, evidence=(("missing", _listed(missing)),))
    held = {path: found for path in placed if (found := _tensors(known.get(path))) is not None}
    yield from _compare(where, placed, held)
    total = dict(facts.metadata).get("total_size", "")
    size = sum(length for tensors in held.values() for length in tensors.values())
    if total and held.keys() == placed.keys() and total != str(size):
        message = f"the index says {total} bytes, the shards hold {size}"
        yield Finding(SIZE, where, message, evidence=(("declared", total), ("observed", str(size))))


def _compare(
    where: Location, placed: dict[str, set[str]], held: dict[str, dict[str, int]]
) -> Iterator[Finding]:
    for path in sorted(held):
        absent = sorted(placed[path] - held[path].keys())
        unknown = sorted(held[path].keys() - placed[path])
        for names, what in ((absent, "are not in"), (unknown, "are in, unknown to the index,")):
            if names:
                message = f"{len(names)} tensors {what} {path}: {_listed(names)}"
                evidence = (("shard", path), ("case", what), ("tensors", _listed(names)))
                yield Finding(MAP, where, message, evidence=evidence)


def _tensors(file: FileResult | None) -> dict[str, int] | None:
    """Name and bytes of the tensors in a shard; ``None`` where that is not known for sure."""
    if file is None or file.gaps or "safetensors" not in file.formats:
        return None
    return {
        tensor.name: tensor.length or 0
        for where, facts in file.facts
        if facts.format == "safetensors" and not where.members
        for tensor in facts.tensors
    }


def _splits(present: set[str]) -> Iterator[Finding]:
    """Parts of split GGUF models that are not there; llama.cpp finds them by their numbers."""
    groups: dict[tuple[str, int], set[int]] = defaultdict(set)
    for path in present:
        match = _SPLIT.fullmatch(path)
        if match:
            groups[match["stem"], int(match["parts"])].add(int(match["part"]))
    for (stem, parts), found in sorted(groups.items()):
        missing = sum(number not in found for number in range(1, parts + 1))
        if missing:
            first = f"{stem}-{min(found):05d}-of-{parts:05d}.gguf"
            message = f"{missing} of {parts} parts of this model are not here"
            yield Finding(MISSING, Location(first), message, evidence=(("missing", str(missing)),))


def _listed(names: list[str]) -> str:
    shown = ", ".join(name[:80] for name in names[:_NAMED])
    return f"{shown}, …" if len(names) > _NAMED else shown
