"""A local Hugging Face cache: ``models--org--name`` with blobs, snapshots, refs and tree listings."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from scanner.errors import TargetError
from scanner.folder import Found, shown, walk
from scanner.model import (
    Artefact,
    Check,
    Digest,
    FileEntry,
    Finding,
    Gap,
    Kind,
    Location,
    Origin,
    Rule,
    Severity,
    Target,
)
from scanner.sources import Options, Resolved, Source

LINK_ESCAPE = Rule(
    id="hub_cache/link-escape",
    title="A link of the cache leaves its repository",
    severity=Severity.MEDIUM,
    check=Check.PATH_ESCAPE,
    finds="A file of a snapshot that is a symbolic link to somewhere outside the repository's folder.",
    why="The Hub's client links to its own blobs only: somebody else has put the link there.",
    remedy="Delete the snapshot and download it again.",
    example="`snapshots/…/config.json -> /home/other/config.json`",
    references=("CWE-59",),
)

_FOLDER = re.compile(r"(?P<kind>models|datasets)--(?P<name>[^/\\]+)\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_DIGESTS = ((64, "sha256"), (40, "git-sha1"))
_REF_BYTES = 256
_LISTING_BYTES = 64 << 20


def _split(text: str) -> tuple[Path, str | None]:
    path, at, revision = text.rpartition("@")
    if at and not os.path.lexists(text) and os.path.isdir(path):  # noqa: PTH112 - the text as it is
        return Path(path), revision
    return Path(text), None


def _repository(path: Path) -> Path | None:
    """The ``models--…`` folder that a path is, or is a snapshot of."""
    for candidate in (path, path.parent.parent):
        if _FOLDER.match(candidate.name) and (candidate / "snapshots").is_dir():
            return candidate
    return None


def _accepts(text: str, options: Options) -> bool:
    del options
    if "://" in text or "\0" in text:
        return False
    path = _split(text)[0]
    try:
        return path.is_dir() and (_repository(path.absolute()) is not None or bool(_repositories(path)))
    except OSError:
        return False  # `local` says why it cannot be read


def _repositories(root: Path) -> list[str]:
    names = (child for child in root.iterdir() if _FOLDER.match(child.name))
    return sorted(child.name for child in names if (child / "snapshots").is_dir())


def _snapshot(repository: Path, path: Path, revision: str | None) -> Path:
    if path.parent == repository / "snapshots":
        return path
    snapshots = sorted(child.name for child in (repository / "snapshots").iterdir())
    wanted = revision or "main"
    reference = repository / "refs" / wanted
    if reference.is_file() and reference.resolve().is_relative_to((repository / "refs").resolve()):
        with reference.open("rb") as file:
            wanted = file.read(_REF_BYTES).decode("utf-8", "replace").strip()
    elif revision is None and len(snapshots) == 1:
        wanted = snapshots[0]
    if wanted not in snapshots:
        known = ", ".join(snapshots) or "none"
        raise TargetError(f"{path}: no snapshot {wanted}; add @revision (there is: {known})")
    return repository / "snapshots" / wanted


def _resolve(target: Target, options: Options) -> Resolved:
    del options
    path, revision = _split(target.text)
    path = path.absolute()
    repository = _repository(path)
    if repository is None:
        names = _repositories(path)
        raise TargetError(
            f"{path}: is a cache of {len(names)} repositories; name one: {', '.join(names[:20])}"
        )
    try:
        snapshot = _snapshot(repository, path, revision)
    except OSError as error:
        raise TargetError(f"{path}: the cache cannot be read: {error.strerror}") from error
    kind, _, name = repository.name.partition("--")
    listing, gaps = _listing(repository, snapshot.name)
    entries, openers, findings = [], {}, []
    for one in walk(str(snapshot), allowed=str(repository)):
        if isinstance(one, Found):
            blob = Path(one.opener.path)
            own = blob.name if blob.parent.name == "blobs" else ""
            digests = {*_named(own), *listing.get(one.path, ())}
            entries.append(FileEntry(one.path, one.size, tuple(sorted(digests))))
            openers[one.path] = one.opener
            continue
        gaps.append(Gap(Location(one.path), one.reason))
        if one.outside:
            message = "is a link that leaves the cache of the repository"
            evidence = (("target", one.outside[:200]),)
            findings.append(Finding(LINK_ESCAPE, Location(one.path), message, evidence=evidence))
    artefact = Artefact(
        shown(target.text),
        "hub_cache",
        name.replace("--", "/"),
        Kind.DATASET if kind == "datasets" else Kind.MODEL,
        snapshot.name if _COMMIT.match(snapshot.name) else None,
        tuple(sorted(entries, key=lambda entry: entry.path)),
    )
    where = {name: opener.path for name, opener in openers.items()}
    return Resolved(artefact, openers, tuple(gaps), tuple(findings), local_paths=where)


def _named(blob: str) -> tuple[Digest, ...]:
    """A blob is named by the ETag that the Hub gave: SHA-256 for LFS, git's blob SHA-1 otherwise."""
    for length, algorithm in _DIGESTS:
        if re.fullmatch(f"[0-9a-f]{{{length}}}", blob):
            return (Digest(algorithm, blob, Origin.DECLARED, "hub-cache-blob"),)
    return ()


def _listing(repository: Path, commit: str) -> tuple[dict[str, tuple[Digest, ...]], list[Gap]]:
    """What ``trees/<commit>.json`` declares; it is as trustworthy as whoever may write the cache."""
    place = repository / "trees" / f"{commit}.json"
    name = f"trees/{place.name}"
    if not place.is_file():
        return {}, []
    try:
        with place.open("rb") as file:
            files = json.loads(file.read(_LISTING_BYTES))["files"]
        return {path: _listed(entry) for path, entry in files.items()}, []
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}, [Gap(Location(name), "the cache's own listing cannot be read, so it was not compared")]


def _listed(entry: dict[str, Any]) -> tuple[Digest, ...]:
    value = entry.get("lfs_sha256") or entry.get("blob_id")
    found = _named(value) if isinstance(value, str) else ()
    return tuple(Digest(d.algorithm, d.value, d.origin, "hub-cache-listing") for d in found)


SOURCE = Source(name="hub_cache", accepts=_accepts, resolve=_resolve, rules=(LINK_ESCAPE,))
