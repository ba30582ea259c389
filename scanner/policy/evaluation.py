"""The decision: one function, after everything else; it alone says pass, fail or incomplete."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.model import Artefact, Finding, Gap, Severity
from scanner.policy.document import Policy
from scanner.result import Decision, Judged, Reason, Verdict


def evaluate(
    policy: Policy, *, artefact: Artefact, findings: tuple[Finding, ...], gaps: tuple[Gap, ...]
) -> Verdict:
    """Judge; a run with a refused file and a gap fails and lists both."""
    judged = tuple(Judged(finding, finding.rule.severity) for finding in findings)
    fails = [*_by_severity(policy, judged, policy.fail_on, None, "gate.fail_on")]
    if policy.pinned and not artefact.pinned:
        line = policy.line("source.pinned")
        fails.append(Reason("source.pinned", "the revision is not a commit", policy.path, line))
    reasons = list(fails)
    if gaps and not policy.allow_gaps:
        message = f"{len(gaps)} thing(s) could not be read"
        reasons.append(Reason("gaps.allow", message, policy.path, policy.line("gaps.allow")))
    warnings = _by_severity(policy, judged, policy.warn_on, policy.fail_on, "gate.warn_on")
    decision = Decision.FAIL if fails else Decision.INCOMPLETE if reasons else Decision.PASS
    return Verdict(decision, tuple(reasons), tuple(warnings), policy.name, policy.digest, judged)


def _by_severity(
    policy: Policy,
    judged: tuple[Judged, ...],
    least: Severity,
    below: Severity | None,
    key: str,
) -> Iterator[Reason]:
    """One reason a rule whose findings reach ``least`` and stay under ``below``."""
    groups: dict[str, list[Judged]] = {}
    for entry in judged:
        rank = entry.severity.rank
        if rank >= least.rank and (below is None or rank < below.rank):
            groups.setdefault(entry.finding.rule.id, []).append(entry)
    for ident, entries in groups.items():
        first = entries[0]
        message = f"{ident} ({first.severity.value}): {first.finding.rule.title}"
        prints = tuple(entry.finding.fingerprint for entry in entries)
        yield Reason(key, message, policy.path, policy.line(key), prints)
