"""Whether the bytes are what was published."""

from __future__ import annotations

from dataclasses import dataclass

from scanner.model import Artefact, FileResult, Finding, Gap
from scanner.result import Verification
from scanner.trust.digests import MISMATCH, compare

RULES = (MISMATCH,)


@dataclass(frozen=True, slots=True)
class TrustResult:
    """What was checked, and what is wrong."""

    verifications: tuple[Verification, ...]
    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...] = ()


def verify(artefact: Artefact, files: tuple[FileResult, ...]) -> TrustResult:
    """Check every claim about the bytes that we can check."""
    notes = tuple(compare(artefact, files))
    return TrustResult(
        tuple(note for note in notes if isinstance(note, Verification)),
        tuple(note for note in notes if isinstance(note, Finding)),
    )
