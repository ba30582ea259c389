"""Where a member's name leads when an extractor follows it to the letter, on any system."""

from __future__ import annotations

import posixpath
import re

_DRIVE = re.compile(r"[A-Za-z]:/")


def escape(name: str) -> str:
    """How ``name`` leaves the folder that it is unpacked into; empty where it stays inside.

    A backslash counts as a separator, as it does on Windows.
    """
    path = name.replace("\\", "/")
    if path.startswith("/"):
        return "is absolute"
    if _DRIVE.match(path):
        return "names a drive"
    depth = 0
    for part in path.split("/"):
        depth += (part not in {"", "."}) - 2 * (part == "..")
        if depth < 0:
            return "climbs out with '..'"
    return ""


def link_escape(name: str, target: str) -> str:
    """How a symbolic link at ``name`` leads out of the folder; empty where it stays inside."""
    own = escape(target)
    if own and not own.startswith("climbs"):
        return own
    return escape(posixpath.join(posixpath.dirname(name), target.replace("\\", "/")))


def parents(name: str) -> list[str]:
    """The folders that ``name`` passes through, outermost first, normalised."""
    parts = plain(name).split("/")
    return ["/".join(parts[:length]) for length in range(1, len(parts))]


def plain(name: str) -> str:
    """The name without what an extractor drops: doubled and trailing separators, ``.`` parts."""
    return posixpath.normpath(name.replace("\\", "/")).lstrip("/")
