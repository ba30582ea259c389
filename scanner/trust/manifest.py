"""OpenSSF model signing (OMS): the signed list of files, and whether it is what lies here.

Sources: ossf/model-signing-spec ``spec/v1.0.md`` sections 5, 6 and 8.4; for the list before 1.0
(``https://model_signing/Digests/v0.1``) section 11 and model-signing 1.1.1's reader of it.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scanner.errors import FormatError
from scanner.trust.documents import optional, take
from scanner.trust.evidence import Evidence
from scanner.trust.statement import V1, Statement

PREDICATE = "https://model_signing/signature/v1.0"
LEGACY = "https://model_signing/Digests/v0.1"
# Hexadecimal digits of each algorithm's value (OMS algorithm registry).
_DIGITS = {"sha256": 64, "blake2b": 128, "blake3": 64}
_HEX = re.compile(r"[0-9a-f]+\Z")
_SHARD = re.compile(r"(?P<path>.+):(?P<start>0|[1-9]\d{0,18}):(?P<end>[1-9]\d{0,18})\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Resource:
    """One file, or one range of a file, with its signed digest."""

    path: str
    digest: str
    start: int = 0
    end: int | None = None
    """``None``: to the end of the file."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The signed list."""

    algorithm: str
    resources: tuple[Resource, ...]
    shard_size: int | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The signed list held against the files; every list is in path order."""

    agreeing: tuple[str, ...]
    differing: tuple[str, ...]
    """Here, but with other bytes."""
    missing: tuple[str, ...]
    """Signed, but not here."""
    unsigned: tuple[str, ...]
    """Here, but not signed."""
    ignored: tuple[str, ...]
    """Not signed, and left out because the user's policy says so."""
    unread: tuple[str, ...]
    """Here, but not read whole, so that nothing can be said."""


def is_oms(statement: Statement) -> bool:
    """Whether a statement is a model signature."""
    return statement.predicate_type in {PREDICATE, LEGACY}


def parse(statement: Statement) -> Manifest:
    """The list that a model signature carries.

    Raises:
        FormatError: It does not follow the specification; a list that readers could understand
            differently (unsorted, repeated, with paths that are not canonical) is refused as well.
    """
    if statement.predicate_type == LEGACY:
        return _legacy(statement)
    if statement.type != V1:
        raise FormatError("a model signature has to be an in-toto statement of version 1")
    if statement.predicate_type != PREDICATE:
        raise FormatError(f"the predicate {statement.predicate_type[:80]} is not that of a model signature")
    if len(statement.subjects) != 1 or not statement.subjects[0].name:
        raise FormatError(
            f"{len(statement.subjects)} subjects are signed; a model is exactly one, with a name"
        )
    serialization = take(statement.predicate, "serialization", dict)
    algorithm, shard_size = _serialization(serialization)
    listed = take(statement.predicate, "resources", list)
    if not listed:
        raise FormatError("no file is signed: the list of resources is empty")
    names = [take(entry, "name", str) for entry in listed]
    resources = tuple(
        _resource(name, entry, algorithm, shard_size, single=len(listed) == 1)
        for name, entry in zip(names, listed, strict=True)
    )
    _in_order(names, resources)
    raw = b"".join(bytes.fromhex(resource.digest) for resource in resources)
    root = dict(statement.subjects[0].digests).get("sha256")
    if root != hashlib.sha256(raw).hexdigest():
        raise FormatError("the root digest of the model does not match the list of resources")
    if shard_size is not None:
        _in_shards(resources, shard_size)
    return Manifest(algorithm, resources, shard_size)


def _legacy(statement: Statement) -> Manifest:
    """Version 0.2: the files themselves are the subjects, always by SHA-256."""
    resources = []
    for subject in statement.subjects:
        digest = dict(subject.digests).get("sha256", "")
        if len(digest) != _DIGITS["sha256"]:
            raise FormatError("a signed file has no SHA-256 digest")
        resources.append(Resource(_path(subject.name, single=len(statement.subjects) == 1), digest))
    if len({resource.path for resource in resources}) != len(resources):
        raise FormatError("a file is listed twice")
    return Manifest("sha256", tuple(resources))


def _serialization(document: Mapping[str, Any]) -> tuple[str, int | None]:
    method, algorithm = take(document, "method", str), take(document, "hash_type", str)
    take(document, "allow_symlinks", bool)
    for entry in optional(document, "ignore_paths", list) or ():
        # The signer's list of ignored paths has no say here; one that swallows the whole model
        # shows that nothing was meant to be signed.
        if not isinstance(entry, str) or not [part for part in entry.split("/") if part not in {"", "."}]:
            raise FormatError(f"the signed ignore_paths leave out the whole model: {str(entry)[:40]!r}")
    if algorithm not in _DIGITS:
        raise FormatError(f"the hash {algorithm[:40]} is unknown")
    shard_size = optional(document, "shard_size", int)
    if method == "files" and shard_size is None:
        return algorithm, None
    if method == "shards" and shard_size is not None and shard_size > 0:
        return algorithm, shard_size
    if method in {"files", "shards"}:
        raise FormatError(f"shard_size {shard_size} does not go with the method {method}")
    raise FormatError(f"the serialization method {method[:40]!r} is unknown")


def _resource(
    name: str, entry: Mapping[str, Any], algorithm: str, shard_size: int | None, *, single: bool
) -> Resource:
    digest = take(entry, "digest", str)
    # NOTE: the reference implementation calls the digests of shards sha256-sharded-1000000000.
    if take(entry, "algorithm", str) not in {algorithm, f"{algorithm}-sharded-{shard_size}"}:
        raise FormatError(f"the digest of {name[:80]} is not by {algorithm}, as the signature says")
    if len(digest) != _DIGITS[algorithm] or not _HEX.match(digest):
        raise FormatError(f"the digest of {name[:80]} is no {algorithm} value")
    if shard_size is None:
        return Resource(_path(name, single=single), digest)
    match = _SHARD.match(name)
    if not match:
        raise FormatError(f"{name[:80]} is not of the form path:start:end")
    path = _path(match["path"], single=match["path"] == ".")
    return Resource(path, digest, int(match["start"]), int(match["end"]))


def _path(name: str, *, single: bool) -> str:
    """A canonical relative path (section 6.1.2); ``.`` is a model of one file, in old signatures."""
    if single and name == ".":
        return name
    if not name or any(part in {"", ".", ".."} for part in name.split("/")) or "\0" in name:
        raise FormatError(f"the signed path {name[:80]!r} is not canonical or leaves the model")
    return name


def _in_order(names: Sequence[str], resources: Sequence[Resource]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise FormatError(f"{name[:80]} is listed twice")
        seen.add(name)
    # NOTE: the specification sorts by name; the reference implementation sorts paths by their
    # components and shards by number. Real signatures are in either order.
    by_path = [(resource.path.split("/"), resource.start, resource.end or 0) for resource in resources]
    if list(names) != sorted(names) and by_path != sorted(by_path):
        raise FormatError("the list of resources is not sorted")


def _in_shards(resources: Iterable[Resource], size: int) -> None:
    """Every file is covered from its start without a hole, in steps of the shard size."""
    ranges: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for resource in resources:
        ranges[resource.path].append((resource.start, resource.end or 0))
    for path, found in ranges.items():
        found.sort()
        for index, (start, end) in enumerate(found):
            last = index == len(found) - 1
            if start != index * size or not (start < end <= start + size if last else end == start + size):
                raise FormatError(f"the shards of {path[:80]} do not cover it in steps of {size} bytes")


def compare(
    manifest: Manifest, evidence: Evidence, folder: str, ignore: Sequence[str], signatures: frozenset[str]
) -> Comparison:
    """Hold a signed list against the files below ``folder`` (empty, or ending in ``/``).

    Which files need no signature is the caller's to say, never the signer's.
    """
    here = {path: file for path, file in evidence.files.items() if path.startswith(folder)}
    listed = {folder + resource.path: resource for resource in manifest.resources}
    if set(listed) == {folder + "."}:
        listed = _single(manifest, tuple(path for path in here if path not in signatures))
    agreeing: set[str] = set()
    differing: set[str] = set()
    missing: set[str] = set()
    unread: set[str] = set()
    groups: dict[str, list[Resource]] = defaultdict(list)
    alias = {resource.path: path for path, resource in listed.items()}
    for resource in manifest.resources:
        groups[alias[resource.path]].append(resource)
    for path, parts in groups.items():
        if path in evidence.unreadable or (path in here and not evidence.whole(path)):
            unread.add(path)
        elif path not in here:
            missing.add(path)
        else:
            verdict = _agrees(manifest, evidence, path, parts)
            {True: agreeing, False: differing, None: unread}[verdict].add(path)
    unsigned: set[str] = set()
    ignored: set[str] = set()
    for path in (*here, *(p for p in evidence.unreadable if p.startswith(folder))):
        if path in groups:
            continue
        empty = manifest.shard_size is not None and path in here and here[path].size == 0
        left_out = path in signatures or ignored_by(path.removeprefix(folder), ignore)
        (ignored if left_out or empty else unsigned).add(path)
    ordered = (tuple(sorted(s)) for s in (agreeing, differing, missing, unsigned, ignored, unread))
    return Comparison(*ordered)


def _single(manifest: Manifest, candidates: tuple[str, ...]) -> dict[str, Resource]:
    """The one file that ``.`` means; a path that is nowhere where there are several."""
    name = candidates[0] if len(candidates) == 1 else "."
    return {name: manifest.resources[0]}


def ignored_by(path: str, ignore: Sequence[str]) -> bool:
    """Whether a path is one of those, or lies below one."""
    return any(path == entry.rstrip("/") or path.startswith(entry.rstrip("/") + "/") for entry in ignore)


def _agrees(manifest: Manifest, evidence: Evidence, path: str, parts: Sequence[Resource]) -> bool | None:
    """Whether the bytes are the signed ones; ``None`` where they could not be read again."""
    if manifest.shard_size is None:
        own = evidence.digest(path, manifest.algorithm)
        return None if own is None else own == parts[0].digest
    size = evidence.files[path].size
    if max(part.end or 0 for part in parts) != size:
        return False
    for part in parts:
        own = evidence.part(path, manifest.algorithm, part.start, part.end or size)
        if own is None:
            return None
        if own != part.digest:
            return False
    return True
