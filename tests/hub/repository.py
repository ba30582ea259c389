"""Repositories of the test Hub: blobs, trees and commits with the ids that git would give them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

LFS_FROM = 10 << 20  # the real Hub's limit for a regular file
_STEP = 1 << 20


def _git(kind: str, body: bytes) -> str:
    return hashlib.sha1(b"%s %d\0%s" % (kind.encode(), len(body), body)).hexdigest()


@dataclass(frozen=True)
class Blob:
    """One file: bytes by offset, and the digests that the Hub declares for it."""

    size: int
    read: Callable[[int, int], bytes]
    oid: str
    """SHA-1 of the git blob; of the pointer file where it is stored by LFS."""
    sha256: str | None = None
    """Set where it is stored by LFS."""
    pointer_size: int = 0

    @property
    def etag(self) -> str:
        return self.sha256 or self.oid


def _lfs(size: int, read: Callable[[int, int], bytes], sha256: str) -> Blob:
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    return Blob(size, read, _git("blob", pointer), sha256, len(pointer))


def blob(data: bytes, *, lfs: bool | None = None) -> Blob:
    """A file of these bytes; by LFS from 10 MiB on, or as said."""

    def read(offset: int, length: int) -> bytes:
        return data[offset : offset + length]

    if lfs if lfs is not None else len(data) >= LFS_FROM:
        return _lfs(len(data), read, hashlib.sha256(data).hexdigest())
    return Blob(len(data), read, _git("blob", data))


def sparse(size: int, parts: Mapping[int, bytes], *, sha256: str = "") -> Blob:
    """A huge file that costs nothing: zeros, with `parts` at their offsets.

    Its declared SHA-256 is no hash of its bytes: nobody can compute that in a test.
    """
    shape = repr((size, sorted((at, hashlib.sha256(data).hexdigest()) for at, data in parts.items())))

    def read(offset: int, length: int) -> bytes:
        length = max(0, min(length, size - offset))
        out = bytearray(length)
        for at, data in parts.items():
            start, end = max(at, offset), min(at + len(data), offset + length)
            if start < end:
                out[start - offset : end - offset] = data[start - at : end - at]
        return bytes(out)

    return _lfs(size, read, sha256 or hashlib.sha256(shape.encode()).hexdigest())


def _from_disk(path: Path) -> Blob:
    size = path.stat().st_size
    if size < LFS_FROM:
        return blob(path.read_bytes())

    def read(offset: int, length: int) -> bytes:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(length)

    state = hashlib.sha256()
    for at in range(0, size, _STEP):
        state.update(read(at, _STEP))
    return _lfs(size, read, state.hexdigest())


def folder(root: Path) -> dict[str, Blob]:
    """The files below a folder; large ones are read from disk as they are asked for."""
    paths = sorted(path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {path.relative_to(root).as_posix(): _from_disk(path) for path in paths}


@dataclass(frozen=True)
class Commit:
    id: str
    files: Mapping[str, Blob]
    trees: Mapping[str, str]
    """Folder to its tree id."""
    title: str


def _tree_ids(files: Mapping[str, Blob]) -> dict[str, str]:
    """Tree id of every folder, the root under the empty name; computed as git does."""
    folders: dict[str, dict[str, tuple[bytes, str]]] = {"": {}}
    for path, file in files.items():
        parent, _, name = path.rpartition("/")
        folders.setdefault(parent, {})[name] = (b"100644", file.oid)
        while parent:
            parent = parent.rpartition("/")[0]
            folders.setdefault(parent, {})
    ids: dict[str, str] = {}
    for path in sorted(folders, key=lambda text: -text.count("/") if text else 1):
        entries = sorted(folders[path].items(), key=lambda e: e[0] + ("/" if e[1][0] == b"40000" else ""))
        body = b"".join(
            b"%s %s\0%s" % (mode, name.encode("utf-8", "surrogatepass"), bytes.fromhex(oid))
            for name, (mode, oid) in entries
        )
        ids[path] = _git("tree", body)
        if path:
            parent, _, name = path.rpartition("/")
            folders[parent][name] = (b"40000", ids[path])
    return ids


@dataclass
class Repository:
    """One model or data set."""

    name: str
    kind: str = "model"
    private: bool = False
    gated: bool = False
    disabled: bool = False
    readers: set[str] = field(default_factory=set)
    """Tokens that may read it while it is private or gated."""
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    card: dict[str, object] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)

    def commit(
        self, files: Mapping[str, Blob | bytes], *, branch: str = "main", title: str = "Upload"
    ) -> str:
        """Replace the content of a branch; returns the id that git would give the commit."""
        blobs = {path: blob(file) if isinstance(file, bytes) else file for path, file in files.items()}
        trees = _tree_ids(blobs)
        parent = self.branches.get(branch)
        who = "Test <test@example.org> 1700000000 +0000"
        body = f"tree {trees['']}\n" + (f"parent {parent}\n" if parent else "")
        ident = _git("commit", f"{body}author {who}\ncommitter {who}\n\n{title}\n".encode())
        self.commits[ident] = Commit(ident, blobs, trees, title)
        self.branches[branch] = ident
        return ident

    def tag(self, name: str, commit: str) -> None:
        self.tags[name] = commit

    def find(self, revision: str) -> Commit | None:
        """The commit of a branch, a tag, a full id, or `refs/heads/…`."""
        name = revision.removeprefix("refs/heads/")
        ident = self.branches.get(name) or self.tags.get(name) or revision
        return self.commits.get(ident)
