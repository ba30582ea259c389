"""What the names of an archive's members say: where they lead, and who reads them differently."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from scanner.formats.zip.rules import AMBIGUOUS_NAME, DUPLICATE_NAME, PATH_ESCAPE
from scanner.model import Finding, Location, Rule
from scanner.wire.paths import escape, link_escape, parents, plain
from scanner.wire.zip import Entry


def judge_names(entries: Sequence[Entry], where: Location) -> Iterator[Finding]:
    """Findings about the names of all members, links aside."""
    links = {plain(entry.name) for entry in entries if entry.is_symlink}
    for entry in entries:
        for name in dict.fromkeys(filter(None, (entry.name, entry.unicode_name))):
            how = escape(name)
            if not how and links and any(parent in links for parent in parents(name)):
                how = "passes through a link of the archive"
            if how:
                yield _finding(PATH_ESCAPE, entry, where, f"the member name {show(name)} {how}")
        doubt = _doubt(entry)
        if doubt:
            yield _finding(AMBIGUOUS_NAME, entry, where, f"the member name {show(entry.name)} {doubt}")
    yield from _twice(entries, where)


def judge_link(entry: Entry, target: bytes, where: Location) -> Iterator[Finding]:
    """A finding where a symbolic link leads outside."""
    text = target.decode("utf-8", "replace")
    how = link_escape(entry.name, text)
    if how:
        message = f"the link {show(entry.name)} leads to {show(text)}, which {how}"
        yield _finding(PATH_ESCAPE, entry, where, message)


def show(name: str) -> str:
    """A name for people: bounded and printable."""
    return ascii(name if len(name) <= 120 else name[:117] + "…")


def _doubt(entry: Entry) -> str:
    if entry.is_broken_utf8:
        return "claims to be UTF-8 and is not"
    if any(byte < 32 or byte == 127 for byte in entry.raw_name):
        return "has a control character"
    other = entry.unicode_name
    if other and entry.raw_name.isascii() and other != entry.name:
        return f"is {show(other)} to readers that know the Unicode path field"
    return ""


def _twice(entries: Sequence[Entry], where: Location) -> Iterator[Finding]:
    groups: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.name.casefold()].append(entry)
    for group in groups.values():
        if len(group) > 1:
            names = ", ".join(dict.fromkeys(show(entry.name) for entry in group[:4]))
            message = f"{len(group)} members are called {names}"
            yield _finding(DUPLICATE_NAME, group[-1], where, message)


def _finding(rule: Rule, entry: Entry, where: Location, message: str) -> Finding:
    return Finding(rule, where.at(entry.header), message, evidence=(("member", show(entry.name)),))
