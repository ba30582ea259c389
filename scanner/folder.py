"""What lies in a local folder: every regular file, and everything that cannot be read as one.

Links are followed to files only, and only to places that the caller allows; nothing is opened.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from scanner.reader import FileOpener, stamp_of

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file."""

    path: str
    """POSIX path below the folder, printable: broken UTF-8 stands as backslash escapes."""
    opener: FileOpener
    """Opens it, provided that it is still the file that was listed."""
    size: int


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that is there and is no file to be read."""

    path: str
    reason: str
    outside: str = ""
    """Where a link leads that leaves the allowed places."""


def shown(name: str) -> str:
    """A path as text that can be printed and written: broken UTF-8 becomes backslash escapes."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def walk(
    root: str, *, allowed: str | None = None, skip: Callable[[str], bool] = lambda _: False
) -> Iterator[Found | Unread]:
    """Everything below a folder, in the order of its paths' bytes.

    Args:
        root: The folder.
        allowed: The folder in which links may end; the root itself where nothing is said.
        skip: Relative paths (as they are on disk, with ``/``) that are left out with all below them.
    """
    seen: set[str] = set()
    real = os.path.realpath(root)
    area = os.path.realpath(allowed) if allowed is not None else real
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        try:
            with os.scandir(os.path.join(root, prefix) if prefix else root) as scan:  # noqa: PTH118
                items = sorted(scan, key=lambda item: os.fsencode(item.name))
        except OSError as error:
            yield Unread(shown(prefix.rstrip("/")) or ".", f"the folder cannot be listed: {error.strerror}")
            continue
        below = []
        for item in items:
            name = prefix + item.name
            if skip(name):
                continue
            try:
                mode = item.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode):
                    below.append(f"{name}/")
                    continue
                one = _one(item.path, name, mode, real, area, skip)
            except OSError as error:
                one = Unread(shown(name), f"cannot be read: {error.strerror}")
            if one is not None:
                yield _named(one, seen)
        waiting += reversed(below)


def _one(
    place: str, name: str, mode: int, root: str, area: str, skip: Callable[[str], bool]
) -> Found | Unread | None:
    path = shown(name)
    target = place
    if stat.S_ISLNK(mode):
        target = os.path.realpath(place)
        if not os.path.exists(target):  # noqa: PTH110 - the resolved text, as it is
            return Unread(path, "is a symbolic link to nothing, or in a loop")
        if not _within(target, area):
            return Unread(path, "was not read: it lies outside the folder", outside=shown(target))
        mode = os.stat(target).st_mode  # noqa: PTH116 - as above
        if stat.S_ISDIR(mode):
            # What lies inside is read under its own path, unless that is left out.
            inner = os.path.relpath(target, root).replace(os.sep, "/")
            if _within(target, root) and not _skipped(inner, skip):
                return None
            return Unread(path, "is a symbolic link to a folder that is not read itself")
    if not stat.S_ISREG(mode):
        kind = _KINDS.get(stat.S_IFMT(mode), "no regular file")
        return Unread(path, f"is {kind} and was not opened")
    status = os.stat(target, follow_symlinks=False)  # noqa: PTH116 - as above
    absolute = os.path.abspath(target)  # noqa: PTH100 - pathlib would collapse what it reads as `..`
    return Found(path, FileOpener(absolute, stamp_of(status)), status.st_size)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _skipped(path: str, skip: Callable[[str], bool]) -> bool:
    parts = path.split("/")
    return any(skip("/".join(parts[:count])) for count in range(1, len(parts) + 1))


def _named(one: Found | Unread, seen: set[str]) -> Found | Unread:
    """Two names that look alike once they are printable are told apart by a number."""
    path, number = one.path, 1
    while path in seen:
        number += 1
        path = f"{one.path}#{number}"
    seen.add(path)
    if path == one.path:
        return one
    if isinstance(one, Found):
        return Found(path, one.opener, one.size)
    return Unread(path, one.reason, one.outside)
