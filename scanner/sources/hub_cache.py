"""A local Hugging Face cache: ``models--org--name`` with blobs, snapshots and refs."""

from __future__ import annotations

import re
from pathlib import Path

from scanner.errors import TargetError
from scanner.model import Artefact, Digest, FileEntry, Gap, Kind, Location, Origin, Target
from scanner.reader import FileOpener
from scanner.sources import Options, Resolved, Source

_FOLDER = re.compile(r"(?P<kind>models|datasets)--(?P<name>[^/\\]+)\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_LIMIT = 1_000_000


def _split(text: str) -> tuple[Path, str | None]:
    path, at, revision = text.rpartition("@")
    if at and not Path(text).exists() and Path(path).exists():
        return Path(path), revision
    return Path(text), None


def _repository(path: Path) -> Path | None:
    """The ``models--…`` folder that a path is, or is a snapshot of."""
    for candidate in (path, path.parent.parent):
        if _FOLDER.match(candidate.name) and (candidate / "snapshots").is_dir():
            return candidate
    return None


def _accepts(text: str) -> bool:
    if "://" in text:
        return False
    path = _split(text)[0]
    if not path.is_dir():
        return False
    return _repository(path.absolute()) is not None or _is_root(path)


def _is_root(path: Path) -> bool:
    return any(_FOLDER.match(child.name) and (child / "snapshots").is_dir() for child in path.iterdir())


def _snapshot(repository: Path, path: Path, revision: str | None) -> Path:
    if path.parent == repository / "snapshots":
        return path
    snapshots = sorted(child.name for child in (repository / "snapshots").iterdir())
    wanted = revision or "main"
    ref = repository / "refs" / wanted
    if ref.is_file() and ref.resolve().is_relative_to((repository / "refs").resolve()):
        wanted = ref.read_text(encoding="utf-8", errors="replace").strip()
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
        names = sorted(child.name for child in path.iterdir() if _FOLDER.match(child.name))
        raise TargetError(
            f"{path}: is a cache of {len(names)} repositories; name one: {', '.join(names[:20])}"
        )
    match = _FOLDER.match(repository.name)
    if match is None:  # pragma: no cover - _repository has matched it
        raise TargetError(f"{path}: is no repository of a Hub cache")
    snapshot = _snapshot(repository, path, revision)
    entries, paths, gaps = [], {}, []
    for number, item in enumerate(sorted(snapshot.rglob("*"))):
        name = item.relative_to(snapshot).as_posix()
        if number > _LIMIT:
            gaps.append(Gap(Location("."), f"more than {_LIMIT} files"))
            break
        if item.is_dir():
            continue
        blob = item.resolve()
        if not blob.is_file():
            gaps.append(Gap(Location(name), "is listed in the snapshot, its blob is missing"))
        elif not blob.is_relative_to(repository.resolve()):
            gaps.append(Gap(Location(name), "was not read: its link leaves the cache of the repository"))
        else:
            entries.append(FileEntry(name, blob.stat().st_size, _declared(blob.name)))
            paths[name] = str(blob)
    kind = Kind.DATASET if match["kind"] == "datasets" else Kind.MODEL
    commit = snapshot.name if _COMMIT.match(snapshot.name) else None
    artefact = Artefact(
        target.text, "hub_cache", match["name"].replace("--", "/"), kind, commit, tuple(entries)
    )
    openers = {name: FileOpener(where) for name, where in paths.items()}
    return Resolved(artefact, openers, tuple(gaps), local_paths=paths)


def _declared(blob: str) -> tuple[Digest, ...]:
    """A blob is named by the ETag that the Hub gave: SHA-256 for LFS, git's blob SHA-1 otherwise."""
    for length, algorithm in ((64, "sha256"), (40, "git-sha1")):
        if re.fullmatch(f"[0-9a-f]{{{length}}}", blob):
            return (Digest(algorithm, blob, Origin.DECLARED, "hub-cache-blob"),)
    return ()


SOURCE = Source(name="hub_cache", accepts=_accepts, resolve=_resolve)
