"""Every claim about the bytes that can be checked, checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scanner.model import Artefact, FileResult, Finding, Gap
from scanner.reader import Opener
from scanner.result import Outcome, Verification
from scanner.trust import croissant, rules, sums
from scanner.trust.anchors import Trust, named_like_one
from scanner.trust.digests import MISMATCH, compare
from scanner.trust.evidence import Evidence

RULES = (MISMATCH, *sums.RULES, *rules.RULES)


@dataclass(frozen=True, slots=True)
class TrustResult:
    """What was checked, and what is wrong."""

    verifications: tuple[Verification, ...]
    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...] = ()


def verify(
    artefact: Artefact,
    files: tuple[FileResult, ...],
    trust: Trust | None = None,
    openers: Mapping[str, Opener] | None = None,
    unread: frozenset[str] = frozenset(),
) -> TrustResult:
    """Check every claim about the bytes that we can check.

    Args:
        artefact: What the files belong to.
        files: What was learnt about each file, with the digests that were computed on the way.
        trust: Whom the user trusts; without it, nobody.
        openers: How to read a file again, for manifests, signatures and rarer digests.
        unread: Paths that the source lists but that were not read.

    Raises:
        TrustError: What the user named cannot be used.
    """
    trust = trust or Trust()
    trust.check()
    evidence = Evidence({file.path: file for file in files}, openers or {}, unread)
    notes = tuple(_notes(artefact, files, evidence, trust))
    return TrustResult(
        tuple(note for note in notes if isinstance(note, Verification)),
        tuple(note for note in notes if isinstance(note, Finding)),
    )


def _notes(
    artefact: Artefact, files: tuple[FileResult, ...], evidence: Evidence, trust: Trust
) -> Iterator[Verification | Finding]:
    yield from compare(artefact, files)
    yield from sums.verify(evidence)
    yield from croissant.verify(evidence)
    if trust.demanding or any(named_like_one(path) for path in evidence.files):
        from scanner.trust import signatures  # noqa: PLC0415 - cryptography, only where it is needed

        yield from signatures.verify(evidence, trust)
    else:
        yield Verification("signature", Outcome.ABSENT, "there is no signature beside these files")
