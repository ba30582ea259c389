"""Sets of weights: which tensors belong together, and what their number says."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.model import Facts, FileResult, Location, Tensor

_SHARD = re.compile(r"(?P<stem>.+?)[-_.](?P<part>[0-9]{1,6})-of-(?P<parts>[0-9]{1,6})(?P<ending>\..+)?\Z")
# What a training run leaves beside its weights: tensors, but no parameters of the model.
_NO_WEIGHTS = re.compile(r"(optimizer|scheduler|scaler|rng_state|training_args)[^/]*\Z", re.IGNORECASE)
# Names under which PyTorch's optimisers keep their state in a training checkpoint.
_MOMENTS = frozenset({"exp_avg", "exp_avg_sq", "momentum_buffer", "square_avg"})
# One array a file: the set is what holds the files.
_LOOSE = frozenset({"npy", "pickle"})
# The best known first: where one model stands in several formats, people load them in this order.
_RANK = ("safetensors", "pytorch-zip", "pytorch-legacy", "pytorch-tar", "gguf", "onnx")
_INDICES = frozenset({"bool", "i64", "u64"})
# Integer arrays in which quantisers pack several numbers into one element.
_PACKED = frozenset({"u8", "i16", "u16", "i32", "u32"})
_PLAIN_INTEGERS = frozenset({"gguf", "onnx"})  # their shapes count numbers, packed or not


@dataclass(frozen=True, slots=True)
class WeightSet:
    """One coherent set of tensors: a file, or all the shards of one."""

    format: str
    paths: tuple[str, ...]
    tensors: int
    """Number of tensors, shared ones counted once."""
    elements: tuple[tuple[str, int], ...]
    """Dtype and number of elements, most frequent first."""
    problem: str = ""
    """Why the number of elements is not the number of parameters; empty where it is."""

    @property
    def folder(self) -> str:
        """Folder of its files, ``""`` for the artefact's root."""
        return self.paths[0].rpartition("/")[0]

    @property
    def total(self) -> int:
        """Elements of all tensors, as the Hub counts them: index buffers included."""
        return sum(count for _, count in self.elements)

    @property
    def counts(self) -> frozenset[int]:
        """Every honest answer to "how many parameters": with and without integer index buffers."""
        floats = sum(count for dtype, count in self.elements if dtype not in _INDICES)
        return frozenset({self.total, floats})

    @property
    def dtypes(self) -> tuple[str, ...]:
        """Dtypes, most frequent first."""
        return tuple(dtype for dtype, _ in self.elements)


@dataclass(slots=True)
class _Group:
    places: set[tuple[str, ...]]
    paths: set[str]
    tensors: list[Tensor]
    parts: int = 0
    broken: bool = False


def weight_sets(files: tuple[FileResult, ...]) -> tuple[WeightSet, ...]:
    """Every set of weights among the files, the one that people load first in front."""
    groups: dict[tuple[str, ...], _Group] = defaultdict(lambda: _Group(set(), set(), []))
    for file in files:
        if _NO_WEIGHTS.search(file.path):
            continue
        for where, facts in _outermost(file):
            group = groups[(facts.format, *_home(where, facts.format))]
            group.places.add((where.path, *where.members))
            group.paths.add(file.path)
            group.tensors += _unshared(facts.tensors)
            group.parts = max(group.parts, _parts(where))
            group.broken = group.broken or bool(file.gaps)
    found = (_finish(key[0], group) for key, group in groups.items())
    return tuple(sorted(found, key=_order))


def _outermost(file: FileResult) -> Iterator[tuple[Location, Facts]]:
    """Facts with tensors, each tensor told once: a checkpoint and the pickle in it show the same ones."""
    found = [(where, facts) for where, facts in file.facts if facts.tensors]
    whole = {where.members for where, facts in found if facts.format not in _LOOSE}
    for where, facts in found:
        loose = facts.format in _LOOSE
        enclosing = range(len(where.members) + loose)
        if (loose and not where.members) or any(where.members[:depth] in whole for depth in enclosing):
            continue
        yield where, facts


def _order(weights: WeightSet) -> tuple[int, str, int, int, tuple[str, ...]]:
    known = weights.format in _RANK
    rank = _RANK.index(weights.format) if known else len(_RANK)
    return rank, weights.format, weights.paths[0].count("/"), -weights.total, weights.paths


def _home(where: Location, form: str) -> tuple[str, ...]:
    """What tensors of one set have in common: path and members, without the shard's number."""
    members = where.members[:-1] if form in _LOOSE else where.members
    return tuple(_unnumbered(name) for name in (where.path, *members))


def _unnumbered(name: str) -> str:
    match = _SHARD.fullmatch(name)
    return f"{match['stem']}{match['ending'] or ''}" if match else name


def _parts(where: Location) -> int:
    matches = (_SHARD.fullmatch(name) for name in (where.path, *where.members))
    return max((int(match["parts"]) for match in matches if match), default=0)


def _unshared(tensors: tuple[Tensor, ...]) -> Iterator[Tensor]:
    """Tensors without the second and later names of the same bytes (tied weights)."""
    seen: set[tuple[int, int]] = set()
    for tensor in tensors:
        if tensor.offset is not None and tensor.length:
            place = tensor.offset, tensor.length
            if place in seen:
                continue
            seen.add(place)
        yield tensor


def _finish(form: str, group: _Group) -> WeightSet:
    counts: Counter[str] = Counter()
    for tensor in group.tensors:
        counts[tensor.dtype] += tensor.elements
    elements = tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    return WeightSet(
        form, tuple(sorted(group.paths)), len(group.tensors), elements, _problem(form, group, counts)
    )


def _problem(form: str, group: _Group, counts: Counter[str]) -> str:
    if group.broken:
        return "not everything in it could be read"
    if group.parts > len(group.places):
        return f"{len(group.places)} of {group.parts} parts are here"
    if any(tensor.name in _MOMENTS for tensor in group.tensors):
        return "an optimiser's state stands beside the weights"
    packed = sum(count for dtype, count in counts.items() if dtype in _PACKED)
    if form not in _PLAIN_INTEGERS and packed * 100 >= counts.total() > 0:
        return "integers in which a quantiser packs several numbers"
    return ""
