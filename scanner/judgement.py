"""What everything that was read comes to: cross-checks, verifications, inventory, the policy's verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from scanner import policy
from scanner.bom.conflicts import find_conflicts
from scanner.bom.inventory import take_inventory
from scanner.catalogue import known, rule_set
from scanner.crosscheck import crosscheck, settle
from scanner.model import FileResult, Finding
from scanner.result import Report
from scanner.sources import Resolved
from scanner.trust import Signer, Trust
from scanner.trust.verification import verify
from scanner.version import __version__


class Judgement:
    """A policy and whom to trust, ready to judge an artefact.

    Args:
        name: A shipped pack or the path of a policy file.
        given: Whom the user trusts.
        now: The time by which waivers are judged.

    Raises:
        PolicyError: The policy cannot be used.
        TrustError: A key or a root that was named cannot be used.
    """

    def __init__(self, name: str, given: Trust, now: datetime | None) -> None:
        self._policy = policy.load(name, known())
        self._trust = _trusting(given, self._policy.signers())
        self._trust.check()
        self._now = now

    def report(self, resolved: Resolved, files: tuple[FileResult, ...], created: str) -> Report:
        """Conclude; ``created`` is written into the report as it is."""
        artefact, files = resolved.artefact, settle(files)
        unread = frozenset(gap.location.path for gap in resolved.gaps) - resolved.openers.keys()
        trusted = verify(artefact, files, self._trust, resolved.openers, unread)
        findings = _unique(
            (
                *resolved.findings,
                *(finding for file in files for finding in file.findings),
                *crosscheck(files, artefact),
                *find_conflicts(artefact, files),
                *trusted.findings,
            )
        )
        noted = (*resolved.gaps, *(gap for file in files for gap in file.gaps), *trusted.gaps)
        gaps = tuple(dict.fromkeys(noted))
        inventory = take_inventory(artefact, files)
        evidence = policy.Evidence(artefact, files, findings, gaps, inventory, trusted.verifications)
        verdict = policy.evaluate(self._policy, evidence, self._now)
        return Report(
            artefact=artefact,
            files=files,
            findings=tuple(judged.finding for judged in verdict.judged),
            gaps=gaps,
            inventory=inventory,
            verifications=trusted.verifications,
            verdict=verdict,
            tool_version=__version__,
            rule_set=rule_set(),
            created=created,
        )


def _trusting(given: Trust, signers: Sequence[tuple[str, str]]) -> Trust:
    """Whom to trust: whom the user names, or else whom the policy demands."""
    if given.demanding:
        return given
    return replace(given, signers=tuple(Signer(identity, issuer) for identity, issuer in signers))


def _unique(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """One of each fingerprint, worst first, then by place: the order of every report."""
    kept = {finding.fingerprint: finding for finding in reversed(findings)}
    return tuple(
        sorted(
            kept.values(),
            key=lambda f: (
                -f.rule.severity.rank,
                f.location.path,
                f.location.members,
                f.location.offset or 0,
                f.rule.id,
                f.fingerprint,
            ),
        )
    )
