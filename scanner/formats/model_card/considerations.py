"""What a card's text says about use, limits and ethics, under the headings that the Hub's template has."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.model import Claim, Claimed
from scanner.wire.markdown import Section, sections

# huggingface_hub/templates/modelcard_template.md, and the titles that cards had before it.
_TITLES = (
    (Claimed.ETHICS, re.compile(r"\bethic(s|al)\b")),
    (Claimed.USE_CASE, re.compile(r"\A(intended|direct|downstream|primary)? ?(intended )?uses?( cases?)?\b")),
    (Claimed.LIMITATION, re.compile(r"\b(limitations?|out-of-scope|out of scope|misuse|risks?)\b")),
)
# How to call it is no statement about what it is for.
_HOW = re.compile(r"\b(usage|how to)\b")
_TITLE_LIMIT = 120
_READ = 16 << 10
_LENGTH = 2000
_MOST = 20
_PLACEHOLDER = re.compile(r"\W*(more information needed|todo|tbd|n/?a|optional)?\W*\Z", re.IGNORECASE)


def considerations(text: str, before: int) -> Iterator[Claim]:
    """Claims about use, limits and ethics; sections with nothing but a placeholder make none.

    Args:
        text: The card behind its front matter.
        before: Lines in front of it.
    """
    count = 0
    for section in sections(text):
        what = _kind(section)
        said = _said(section.text) if what else ""
        if what and not _PLACEHOLDER.match(said) and count < _MOST:
            count += 1
            yield Claim(what, said, f"line {before + section.line}")


def _kind(section: Section) -> Claimed | None:
    title = " ".join(section.title[:_TITLE_LIMIT].strip(" *_:").casefold().split())
    if _HOW.search(title):
        return None
    return next((what for what, pattern in _TITLES if pattern.search(title)), None)


def _said(text: str) -> str:
    """One line without comments (the template's advice to authors), cut where it is long."""
    rest, kept = text[:_READ], ""
    while rest:
        before, _, hidden = rest.partition("<!--")
        kept += before
        rest = hidden.partition("-->")[2]
    line = " ".join(kept.split())
    return line if len(line) <= _LENGTH and len(text) <= _READ else f"{line[:_LENGTH]} […]"
