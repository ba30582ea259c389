"""The answer to the question who made a signature."""

from __future__ import annotations

from dataclasses import dataclass

from scanner.result import Outcome


@dataclass(frozen=True, slots=True)
class Authenticity:
    """Who signed, and whether that is so."""

    outcome: Outcome
    reason: str
    signer: str = ""
    """Identity, distinguished name, or the file of the key."""
    issuer: str = ""
    root: str = ""
    """SHA-256 of the trust anchor."""
    signed_at: str = ""
    """RFC 3339, where the evidence proves a time."""
