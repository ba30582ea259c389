"""Licence texts: which licence a LICENSE file is, by the phrases that only that licence has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from scanner.data import load
from scanner.inspection import Format, Head, Note, Read
from scanner.model import Claim, Claimed, Coverage, Facts, Location
from scanner.reader import Budget, Reader

_NAME = re.compile(
    r"(?:un)?licen[cs]e(?:[._-].*)?|copying(?:\..*|[._-]lesser.*)?|(?:.*[._-])?licen[cs]e(?:\.(?:md|txt|rst))?|notice(?:\..*)?"
)
_BEGINS = re.compile(
    rb"[\s#*=_-]*(?:apache license|(?:the )?mit license|gnu (?:lesser |affero )?general public license|"
    rb"bsd [23]-clause|creative commons|mozilla public license|llama [\d.]+ community license|"
    rb"gemma terms of use|[\w ]*openrail)",
    re.IGNORECASE,
)
_CONTROL = frozenset(range(32)) - {9, 10, 12, 13}
_LIMIT = 256 << 10
_JUNK = re.compile(r"[^a-z0-9.+]+|\.(?![0-9])")
_SUFFIXES = ("", ".md", ".txt", ".rst", ".lesser")


@cache
def _phrases() -> list[dict[str, Any]]:
    licences: list[dict[str, Any]] = load("licence-phrases.json")["licences"]
    return licences


def _matches(head: Head) -> bool:
    if not head.data or (head.suffix not in _SUFFIXES and not head.suffix[1:2].isdigit()):
        return False
    if _NAME.fullmatch(head.name):
        return _CONTROL.isdisjoint(head.data)
    return not head.name.endswith((".txt", ".md")) and _BEGINS.match(head.data) is not None


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    del where
    length = min(reader.size, _LIMIT)
    budget.spend_bytes(length)
    found = recognise(reader.read_at(0, length).decode("utf-8", "replace"))
    yield Facts("licence-text", claims=tuple(Claim(Claimed.LICENCE, name, "text") for name in found))
    yield Read(Coverage.WHOLE if reader.size <= _LIMIT else Coverage.SAMPLED)


def recognise(text: str) -> tuple[str, ...]:
    """Licences whose every phrase stands in the text; a licence that another one quotes is left out.

    Case, punctuation and line breaks do not count.
    """
    plain = f" {' '.join(_JUNK.sub(' ', text.casefold()).split())} "
    found = [
        entry
        for entry in _phrases()
        if all(f" {phrase} " in plain for phrase in entry["all"])
        and not any(f" {phrase} " in plain for phrase in entry.get("none", ()))
    ]
    quoted = {name for entry in found for name in entry.get("quotes", ())}
    return tuple(entry["name"] for entry in found if entry["name"] not in quoted)


FORMAT = Format(
    name="licence-text",
    title="licence text",
    matches=_matches,
    inspect=_inspect,
    within=("text",),
    spec="https://spdx.org/licenses/",
)
