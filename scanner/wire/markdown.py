"""Markdown as far as its headings: a text cut into the sections that they open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

# CommonMark 4.5: three or more back-ticks or tildes.
_FENCE = re.compile(r" {0,3}(?P<fence>`{3,}|~{3,})(?P<info>.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the text up to the next one."""

    title: str
    level: int
    """1 to 6."""
    line: int
    """Of the heading, 1-based."""
    text: str


def sections(text: str) -> Iterator[Section]:
    """Every section that an ATX heading opens; number signs in fenced code open none."""
    opened: tuple[str, int, int] | None = None
    body: list[str] = []
    fence = ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        fence, toggled = _fenced(line, fence)
        heading = None if fence or toggled else _heading(line)
        if heading is None:
            body.append(line)
            continue
        if opened is not None:
            yield Section(*opened, "\n".join(body).strip())
        opened, body = (*heading, number), []
    if opened is not None:
        yield Section(*opened, "\n".join(body).strip())


def _heading(line: str) -> tuple[str, int] | None:
    """Title and level (CommonMark 4.2): number signs, at most three spaces in front, more behind or not."""
    bare = line.lstrip(" ")
    title = bare.lstrip("#")
    level = len(bare) - len(title)
    if len(line) - len(bare) > 3 or not 1 <= level <= 6 or title[:1] not in {"", " ", "\t"}:
        return None
    title = title.strip(" \t")
    unclosed = title.rstrip("#")
    if unclosed[-1:] in {"", " ", "\t"}:
        title = unclosed.rstrip(" \t")
    return title, level


def _fenced(line: str, fence: str) -> tuple[str, bool]:
    """The fence that is open behind a line, and whether the line opened or closed one."""
    match = _FENCE.match(line)
    if match is None:
        return fence, False
    if not fence:
        opens = match["fence"][0] == "~" or "`" not in match["info"]
        return (match["fence"], True) if opens else ("", False)
    closes = match["fence"].startswith(fence) and not match["info"].strip()
    return ("", True) if closes else (fence, False)
