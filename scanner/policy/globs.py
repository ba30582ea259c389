"""Globs: ``*`` and ``?`` stay within a path segment, ``**`` crosses them."""

from __future__ import annotations

import re
from functools import lru_cache

_TOKENS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def path_matches(glob: str, path: str) -> bool:
    """Whether the whole path matches; upper and lower case differ."""
    return _path(glob).fullmatch(path) is not None


def text_matches(glob: str, text: str) -> bool:
    """Whether a text without segments matches: ``*`` is anything, a slash too."""
    return _text(glob).fullmatch(text) is not None


@lru_cache(512)
def _path(glob: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*/|\*+|\?)", glob)
    return re.compile(
        "".join(_TOKENS.get(p) or (".*" if p[:2] == "**" else re.escape(p)) for p in parts), re.DOTALL
    )


@lru_cache(512)
def _text(glob: str) -> re.Pattern[str]:
    parts = re.split(r"(\*+|\?)", glob)
    tokens = (".*" if p[:1] == "*" else "." if p == "?" else re.escape(p) for p in parts)
    return re.compile("".join(tokens), re.DOTALL)
