"""Waivers: somebody accepts a finding for a while. This is the only place that honours them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING

from scanner.errors import PolicyError
from scanner.model import Check, FileResult, Finding, Location, Rule, Severity
from scanner.policy.globs import path_matches
from scanner.result import Judged

if TYPE_CHECKING:
    from scanner.policy.document import Policy
    from scanner.policy.schema import WaiverEntry

EXPIRED = Rule(
    id="policy/waiver-expired",
    title="A waiver has expired",
    severity=Severity.LOW,
    check=Check.WAIVER,
    finds="A waiver of the policy whose last day has passed, or whose first day has not come.",
    why="It accepts nothing: what it was for is judged as if it were not there.",
    remedy="Mend what it was for and delete the waiver, or let its owner decide anew.",
    example="`expires: 2026-01-31` in a scan on the next day.",
    references=("CWE-1188",),
)
UNUSED = Rule(
    id="policy/waiver-unused",
    title="A waiver accepts nothing",
    severity=Severity.LOW,
    check=Check.WAIVER,
    finds="A waiver that no finding of this scan needs: its file, its bytes or its finding are not there.",
    why="Leftover waivers wait for the finding that they happen to fit.",
    remedy="Delete it, or keep waivers in the policy of the one artefact that they are for.",
    example="A waiver for a file that has since been replaced.",
    limits="A policy for many artefacts reports the waivers of the others; give each one its own file.",
    references=("CWE-1188",),
)
RULES = (EXPIRED, UNUSED)

_DAYS = {
    Severity.CRITICAL: 30,
    Severity.HIGH: 90,
    Severity.MEDIUM: 180,
    Severity.LOW: 365,
    Severity.INFO: 365,
}
_BROAD_DAYS = 30
SOON_DAYS = 14
"""From so many days before its end a waiver is announced."""


def longest(severity: Severity, *, broad: bool) -> int:
    """Days for which a finding of this severity may be waived."""
    return min(_DAYS[severity], _BROAD_DAYS) if broad else _DAYS[severity]


def never(rule: Rule) -> bool:
    """Bytes that are not what was published, and signatures that do not hold, are nobody's to accept."""
    broken = rule.check in {Check.HASH_MISMATCH, Check.SIGNATURE_INVALID}
    return rule.check is Check.WAIVER or (broken and rule.severity is Severity.CRITICAL)


def apply_waivers(
    judged: tuple[Judged, ...], files: tuple[FileResult, ...], policy: Policy, now: dt.datetime | None
) -> tuple[Judged, ...]:
    """Mark what is waived, and add a finding for every waiver that has expired or is not needed.

    Raises:
        PolicyError: There are waivers and no time was given.
    """
    entries = policy.body.waivers
    if not entries:
        return judged
    if now is None:
        raise PolicyError("the policy has waivers, and no time was given to judge them by", path=policy.path)
    today = now.astimezone(dt.UTC).date()
    digests = {file.path: file.computed("sha256") for file in files}
    marks: dict[int, str] = {}
    notes: list[Finding] = []
    for index, entry in enumerate(entries):
        place = policy.place("waivers", index)
        where = Location(place.file, line=place.line)
        if not entry.granted <= today <= entry.expires:
            notes.append(_out_of_time(entry, where, today))
            continue
        fitting = [i for i, item in enumerate(judged) if _fits(entry, item.finding, digests)]
        for position in fitting:
            marks.setdefault(position, _mark(entry, place.file, place.line))
        if not fitting:
            notes.append(_unused(entry, where, judged, digests))
    marked = (
        Judged(item.finding, item.severity, marks.get(index)) if index in marks else item
        for index, item in enumerate(judged)
    )
    own = (Judged(note, policy.severity(note.rule, note.location.path)) for note in _unique(notes))
    return (*marked, *own)


def expiring(policy: Policy, now: dt.datetime | None) -> Iterator[tuple[int, WaiverEntry, int]]:
    """Waivers in force that end soon: index, entry and days left."""
    if now is None:
        return
    today = now.astimezone(dt.UTC).date()
    for index, entry in enumerate(policy.body.waivers):
        left = (entry.expires - today).days
        if entry.granted <= today and 0 <= left <= SOON_DAYS:
            yield index, entry, left


def _fits(entry: WaiverEntry, finding: Finding, digests: dict[str, str | None]) -> bool:
    path = finding.location.path
    if finding.rule.id != entry.rule or never(finding.rule):
        return False
    if entry.fingerprint is not None and entry.fingerprint != finding.fingerprint:
        return False
    if entry.broad:
        return path_matches(entry.path, path)
    return path == entry.path and digests.get(path) == entry.sha256


def _mark(entry: WaiverEntry, file: str, line: int) -> str:
    ticket = f" ({entry.ticket})" if entry.ticket else ""
    return f"{entry.owner} until {entry.expires}: {entry.reason}{ticket} [{file}:{line}]"


def _out_of_time(entry: WaiverEntry, where: Location, today: dt.date) -> Finding:
    if today > entry.expires:
        message = f"the waiver of {entry.rule} for {entry.path} by {entry.owner} expired on {entry.expires}"
    else:
        message = f"the waiver of {entry.rule} for {entry.path} holds only from {entry.granted}"
    return Finding(EXPIRED, where, message, evidence=_evidence(entry))


def _unused(
    entry: WaiverEntry, where: Location, judged: tuple[Judged, ...], digests: dict[str, str | None]
) -> Finding:
    """Say why it accepts nothing: the difference is what its owner has to know."""
    here = [j.finding for j in judged if j.finding.rule.id == entry.rule]
    same = [finding for finding in here if finding.location.path == entry.path]
    if not here:
        why = "the rule finds nothing"
    elif not same or entry.broad:
        why = "no finding is in that file" if not same else "its fingerprint is another one"
    elif digests.get(entry.path) is None:
        why = "the file was not hashed (remote files are read in ranges: fetch it, or use broad: true)"
    elif digests[entry.path] != entry.sha256:
        why = f"the file has other bytes now (sha256 {digests[entry.path]})"
    else:
        why = "its fingerprint is another one"
    message = f"the waiver of {entry.rule} for {entry.path} accepts nothing: {why}"
    return Finding(UNUSED, where, message, evidence=_evidence(entry))


def _evidence(entry: WaiverEntry) -> tuple[tuple[str, str], ...]:
    return (
        ("rule", entry.rule),
        ("path", entry.path),
        ("bound", entry.sha256 or "broad"),
        ("fingerprint", entry.fingerprint or ""),
        ("owner", entry.owner),
    )


def _unique(notes: list[Finding]) -> list[Finding]:
    return list({note.fingerprint: note for note in notes}.values())
