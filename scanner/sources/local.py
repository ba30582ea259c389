"""A file or a folder on disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from scanner.errors import TargetError
from scanner.model import Artefact, Check, FileEntry, Finding, Gap, Kind, Location, Rule, Severity, Target
from scanner.reader import FileOpener
from scanner.sources import Options, Resolved, Source

SYMLINK_ESCAPE = Rule(
    id="local/symlink-escape",
    title="A symbolic link leaves the artefact",
    severity=Severity.MEDIUM,
    check=Check.PATH_ESCAPE,
    finds="A symbolic link inside the folder that points outside it.",
    why="What is loaded is not what was shipped: the link reads whatever lies there on each machine.",
    remedy="Replace the link by the file, or remove it.",
    example="`weights.bin -> /etc/passwd`",
    limits="Links of a Hub cache into its own blobs folder are ordinary and not reported.",
    references=("CWE-59",),
)


def shown(name: str) -> str:
    """A path as text that can be printed and written: broken UTF-8 becomes backslash escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _resolve(target: Target, options: Options) -> Resolved:
    del options
    path = Path(target.text)
    kind = target.kind or Kind.MODEL
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise TargetError(f"{shown(target.text)}: {error.strerror or 'cannot be read'}") from error
    if stat.S_ISREG(mode):
        name = shown(path.name)
        entry = FileEntry(name, path.stat().st_size)
        artefact = Artefact(shown(target.text), "local", name, kind, None, (entry,))
        absolute = str(path.absolute())
        return Resolved(artefact, {name: FileOpener(absolute)}, local_paths={name: absolute})
    if not stat.S_ISDIR(mode):
        raise TargetError(f"{shown(target.text)}: is neither a file nor a folder")
    return _folder(target, path.absolute(), kind)


def _folder(target: Target, root: Path, kind: Kind) -> Resolved:
    walk = _Walk(root)
    entries = tuple(sorted(walk.files(root, ""), key=lambda entry: entry.path))
    name = shown(root.resolve().name) or "/"
    artefact = Artefact(shown(target.text), "local", name, kind, None, entries)
    openers = {path: FileOpener(where) for path, where in walk.paths.items()}
    return Resolved(artefact, openers, tuple(walk.gaps), tuple(walk.findings), walk.paths)


class _Walk:
    def __init__(self, root: Path) -> None:
        self.paths: dict[str, str] = {}
        self.gaps: list[Gap] = []
        self.findings: list[Finding] = []
        self._root = os.path.realpath(root)

    def files(self, folder: Path, prefix: str) -> Iterator[FileEntry]:
        """Every regular file below a folder; what is anything else becomes a gap."""
        try:
            with os.scandir(folder) as scan:
                found = sorted(scan, key=lambda item: item.name)
        except OSError as error:
            self._gap(prefix.rstrip("/") or ".", f"the folder cannot be listed: {error.strerror}")
            return
        for item in found:
            path = prefix + shown(item.name)
            try:
                yield from self._item(item, path)
            except OSError as error:
                self._gap(path, f"cannot be read: {error.strerror}")

    def _item(self, item: os.DirEntry[str], path: str) -> Iterator[FileEntry]:
        if item.is_symlink():
            yield from self._link(item, path)
        elif item.is_dir(follow_symlinks=False):
            if item.name != ".git":  # the store of a clone is no part of the artefact
                yield from self.files(Path(item.path), path + "/")
        elif item.is_file(follow_symlinks=False):
            yield self._file(item.path, path, item.stat(follow_symlinks=False).st_size)
        else:
            self._gap(path, "is no regular file (a FIFO, socket or device) and was not opened")

    def _link(self, item: os.DirEntry[str], path: str) -> Iterator[FileEntry]:
        target = os.path.realpath(item.path)
        if not os.path.exists(target):  # noqa: PTH110 - the resolved text, as it is
            self._gap(path, "is a symbolic link to nothing, or in a loop")
        elif os.path.commonpath([target, self._root]) != self._root:
            message = "is a symbolic link that leaves the folder"
            self.findings.append(Finding(SYMLINK_ESCAPE, Location(path), message))
            self._gap(path, "was not read: it lies outside the folder")
        elif os.path.isdir(target):  # noqa: PTH112 - as above
            return  # what lies there is read under its own path
        else:
            yield self._file(target, path, Path(target).stat().st_size)

    def _file(self, absolute: str, path: str, size: int) -> FileEntry:
        self.paths[path] = absolute
        return FileEntry(path, size)

    def _gap(self, path: str, reason: str) -> None:
        self.gaps.append(Gap(Location(path), reason))


SOURCE = Source(
    name="local",
    accepts=lambda text: "://" not in text,
    resolve=_resolve,
    rules=(SYMLINK_ESCAPE,),
)
