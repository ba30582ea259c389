"""The decision: one function, after everything else; it alone says pass, fail or incomplete."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from scanner.model import Coverage, FileResult, Gap, Severity
from scanner.policy import waivers
from scanner.policy.document import Policy
from scanner.policy.expressions import RECORD_OF, Compiled, NotEvaluated
from scanner.policy.facts import Evidence, Facts, facts, formats_of, known
from scanner.policy.globs import path_matches, text_matches
from scanner.policy.licences import acceptable
from scanner.policy.schema import CustomRule, Each, Effect, Unknown
from scanner.result import Decision, Judged, Outcome, Reason, Verdict, Verification

_COVERAGE = (Coverage.NONE, Coverage.SAMPLED, Coverage.STRUCTURE, Coverage.WHOLE)
_NAMED = 3
_UNREAD = "Convert or remove what was not read, or accept this kind of gap in a policy (gaps.accept)."
_SIGNATURES = frozenset({"oms", "sigstore-bundle", "dsse", "signature"})


class _Weight(Enum):
    WARN = 0
    INCOMPLETE = 1
    FAIL = 2


@dataclass(frozen=True, slots=True)
class _Call:
    weight: _Weight
    reason: Reason


@dataclass(frozen=True, slots=True)
class _Case:
    """What every check looks at."""

    policy: Policy
    evidence: Evidence
    judged: tuple[Judged, ...]
    facts: Facts

    def call(
        self,
        weight: _Weight,
        message: str,
        *path: str | int,
        rule: str = "",
        remedy: str = "",
        findings: tuple[str, ...] = (),
    ) -> _Call:
        place = self.policy.place(*path)
        name = rule or ".".join(str(step) for step in path)
        return _Call(weight, Reason(name, message, place.file, place.line, findings, remedy))


def evaluate(policy: Policy, evidence: Evidence, now: dt.datetime | None) -> Verdict:
    """Judge; a run with a refused file and a gap fails and lists both.

    Deterministic in its arguments: ``now`` matters only to waivers.

    Raises:
        PolicyError: The policy has waivers and ``now`` is not given.
    """
    rated = tuple(Judged(f, policy.severity(f.rule, f.location.path)) for f in evidence.findings)
    judged = waivers.apply_waivers(rated, evidence.files, policy, now)
    case = _Case(policy, evidence, judged, facts(evidence, judged))
    calls = [call for check in _CHECKS for call in check(case)]
    calls += _soon(case, now)
    reasons = [c.reason for weight in (_Weight.FAIL, _Weight.INCOMPLETE) for c in calls if c.weight is weight]
    warnings = tuple(call.reason for call in calls if call.weight is _Weight.WARN)
    worst = max((call.weight.value for call in calls), default=0)
    decision = (Decision.PASS, Decision.INCOMPLETE, Decision.FAIL)[worst]
    return Verdict(decision, tuple(reasons), warnings, policy.name, policy.digest, judged)


def _gate(case: _Case) -> Iterator[_Call]:
    """One call for each rule that found something bad enough and is not waived."""
    gate = case.policy.body.gate
    groups: dict[tuple[str, Severity], list[Judged]] = {}
    for entry in case.judged:
        if entry.waived_by is None and entry.severity.rank >= gate.warn_on.rank:
            groups.setdefault((entry.finding.rule.id, entry.severity), []).append(entry)
    for (ident, severity), entries in sorted(groups.items(), key=lambda item: -item[0][1].rank):
        rule = entries[0].finding.rule
        prints = tuple(entry.finding.fingerprint for entry in entries)
        fails = severity.rank >= gate.fail_on.rank
        key = "fail_on" if fails else "warn_on"
        weight = _Weight.FAIL if fails else _Weight.WARN
        message = f"{ident} ({severity.value}): {rule.title}"
        yield case.call(weight, message, "gate", key, remedy=rule.remedy, findings=prints)


def _source(case: _Case) -> Iterator[_Call]:
    wanted, artefact = case.policy.body.source, case.evidence.artefact
    if wanted.pinned and not artefact.pinned:
        message = f"the target names a revision that can move: {artefact.requested_revision or 'none'}"
        remedy = f"Name the commit: {artefact.revision}." if artefact.revision else "Name a commit."
        yield case.call(_Weight.FAIL, message, "source", "pinned", remedy=remedy)
    if wanted.sources and artefact.source not in wanted.sources:
        message = f"the source {artefact.source} is not among {', '.join(wanted.sources)}"
        yield case.call(_Weight.FAIL, message, "source", "sources")
    if wanted.names and not any(path_matches(glob, artefact.name) for glob in wanted.names):
        message = f"{artefact.name} matches none of {', '.join(wanted.names)}"
        yield case.call(_Weight.FAIL, message, "source", "names")
    if wanted.kinds and artefact.kind not in wanted.kinds:
        message = f"a {artefact.kind.value} is not among {', '.join(wanted.kinds)}"
        yield case.call(_Weight.FAIL, message, "source", "kinds")


def _formats(case: _Case) -> Iterator[_Call]:
    wanted = case.policy.body.formats
    holders: dict[str, list[str]] = {}
    for file in case.evidence.files:
        for name in formats_of(file):
            holders.setdefault(name, []).append(file.path)
    for name, paths in sorted(holders.items()):
        denied = [i for i, glob in enumerate(wanted.deny) if text_matches(glob, name)]
        remedy = "Ask the publisher for another format, or leave the files out."
        if denied:
            message = f"{name} is found by content in {_listed(paths)}"
            yield case.call(
                _Weight.FAIL, message, "formats", "deny", denied[0], rule="formats.deny", remedy=remedy
            )
        elif wanted.allow and not any(text_matches(glob, name) for glob in wanted.allow):
            message = f"{name} is not among the allowed formats: {_listed(paths)}"
            yield case.call(_Weight.FAIL, message, "formats", "allow", remedy=remedy)


def _gaps(case: _Case) -> Iterator[_Call]:
    wanted = case.policy.body.gaps
    open_gaps = [gap for gap in case.evidence.gaps if not _accepted(case, gap)]
    if open_gaps and not wanted.allow:
        count = len(open_gaps)
        things = "1 thing" if count == 1 else f"{count} things"
        message = f"{things} could not be read: {_listed([str(gap.location) for gap in open_gaps])}"
        yield case.call(_Weight.INCOMPLETE, message, "gaps", "allow", remedy=_UNREAD)


def _accepted(case: _Case, gap: Gap) -> bool:
    return any(
        path_matches(entry.path, gap.location.path) and text_matches(entry.reason, gap.reason)
        for entry in case.policy.body.gaps.accept
    )


def _coverage(case: _Case) -> Iterator[_Call]:
    least = _COVERAGE.index(case.policy.body.coverage.minimum)
    if not least:
        return
    accepted = {gap.location.path for gap in case.evidence.gaps if _accepted(case, gap)}
    short = [
        f"{file.path} ({file.coverage.value})"
        for file in case.evidence.files
        if _COVERAGE.index(file.coverage) < least and file.path not in accepted
    ]
    if short:
        message = f"{len(short)} file(s) were not read far enough: {_listed(short)}"
        yield case.call(
            _Weight.INCOMPLETE,
            message,
            "coverage",
            "minimum",
            remedy="Fetch the files and scan them on disk.",
        )


def _licences(case: _Case) -> Iterator[_Call]:
    wanted = case.policy.body.licences
    stated = known(case.evidence, "licence")
    for text in stated:
        if not acceptable(text, wanted.allow, wanted.deny):
            key = "allow" if wanted.allow else "deny"
            message = f"the licence {text!r} is not acceptable"
            yield case.call(_Weight.FAIL, message, "licences", key)
    if not stated and wanted.unknown is not Unknown.ALLOW:
        weight = _Weight.FAIL if wanted.unknown is Unknown.FAIL else _Weight.WARN
        yield case.call(weight, "no licence is stated anywhere", "licences", "unknown")


def _signatures(case: _Case) -> Iterator[_Call]:
    wanted = case.policy.body.signatures
    if not wanted.required:
        return
    checked = [v for v in case.evidence.verifications if v.claim in _SIGNATURES]
    good = [v for v in checked if v.outcome is Outcome.VERIFIED and _trusted(case, v)]
    if not good:
        said = [f"{v.claim}: {v.outcome.value}, {v.reason}" for v in checked] or ["there is none"]
        if any(v.outcome is Outcome.VERIFIED for v in checked):
            said = [f"signed by {v.signer or 'nobody named'}, who is not in the list" for v in checked]
        message = f"no signature verifies: {_listed(said)}"
        yield case.call(_Weight.FAIL, message, "signatures", "required")
    elif wanted.cover_all:
        covered = {path for v in good for path in (*v.subject, *v.ignored)}
        covered |= {v.location.path for v in checked if v.location}
        bare = [file.path for file in case.evidence.files if file.path not in covered]
        if bare:
            message = f"{len(bare)} file(s) are not covered by the signature: {_listed(bare)}"
            yield case.call(_Weight.FAIL, message, "signatures", "cover_all")


def _trusted(case: _Case, entry: Verification) -> bool:
    identities = case.policy.body.signatures.identities
    return not identities or any(
        text_matches(identity.signer, entry.signer) and identity.issuer in {None, entry.issuer}
        for identity in identities
    )


def _custom(case: _Case) -> Iterator[_Call]:
    for index, (rule, program) in enumerate(
        zip(case.policy.body.rules, case.policy.expressions, strict=True)
    ):
        broken, problem = _ask(case, rule, program)
        name = f"rules.{rule.id}"
        if problem:
            message = f"{name} could not be evaluated, which refuses: {problem}"
            yield case.call(_Weight.FAIL, message, "rules", index, rule=name, remedy="Mend the rule.")
        elif broken is not None:
            weight = _Weight.FAIL if rule.effect is Effect.FAIL else _Weight.WARN
            where = _listed([text for text, _ in broken])
            message = f"{rule.message}: {where}" if where else rule.message
            prints = tuple(fingerprint for _, fingerprint in broken if fingerprint)
            yield case.call(
                weight, message, "rules", index, rule=name, remedy=rule.remedy or "", findings=prints
            )


def _ask(case: _Case, rule: CustomRule, program: Compiled) -> tuple[list[tuple[str, str]] | None, str]:
    """The items that break a rule (none at all: ``None``), each with its fingerprint, and what went wrong."""
    wanted = rule.require is not None
    if rule.each is Each.ARTEFACT:
        try:
            return (None if program.answer(case.facts.lists(program.used)) is wanted else []), ""
        except NotEvaluated as error:
            return None, str(error)
    broken = []
    for item, row in case.facts.each(RECORD_OF[rule.each], program.used):
        try:
            if program.answer(row) is not wanted:
                broken.append(_named(item))
        except NotEvaluated as error:
            return None, f"{error} (at {_named(item)[0]})"
    return broken or None, ""


def _named(item: object) -> tuple[str, str]:
    match item:
        case FileResult():
            return item.path, ""
        case Judged():
            return str(item.finding.location), item.finding.fingerprint
        case Gap():
            return str(item.location), ""
        case Verification():
            return f"{item.claim} ({item.outcome.value})", ""
        case _:
            return "", ""


def _soon(case: _Case, now: dt.datetime | None) -> Iterator[_Call]:
    for index, entry, left in waivers.expiring(case.policy, now):
        days = "today" if not left else f"in {left} day{'s' if left > 1 else ''}"
        message = f"the waiver of {entry.rule} for {entry.path} by {entry.owner} ends {days}"
        yield case.call(_Weight.WARN, message, "waivers", index, rule="waivers")


def _listed(names: Iterable[str]) -> str:
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - _NAMED} more" if len(unique) > _NAMED else ""
    return ", ".join(unique[:_NAMED]) + more


_CHECKS: tuple[Callable[[_Case], Iterator[_Call]], ...] = (
    _gate,
    _source,
    _formats,
    _licences,
    _signatures,
    _custom,
    _gaps,
    _coverage,
)
