"""What is concluded about an artefact: inventory, verifications, verdict, report."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum

from scanner.model import Artefact, FileResult, Finding, Gap, Location, Severity


class State(StrEnum):
    """How an inventory field is known (product page, promise 5)."""

    OBSERVED = "observed"
    DECLARED = "declared"
    INFERRED = "inferred"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class InventoryField:
    """One line of the inventory, with where it comes from."""

    name: str
    """``parameters``, ``dtypes``, ``architecture`` … : :class:`Claimed` values and a few of our own."""
    value: str
    state: State
    path: str = ""
    pointer: str = ""


@dataclass(frozen=True, slots=True)
class Inventory:
    """What an artefact is made of."""

    fields: tuple[InventoryField, ...] = ()

    def all(self, name: str) -> tuple[InventoryField, ...]:
        """Every field of that name, best known first."""
        return tuple(entry for entry in self.fields if entry.name == name)

    def first(self, name: str) -> InventoryField | None:
        """The best known field of that name."""
        return next(iter(self.all(name)), None)


class Outcome(StrEnum):
    """Result of one check of a claim about bytes or signers."""

    VERIFIED = "verified"
    INVALID = "invalid"
    UNSUPPORTED = "unsupported"
    UNTRUSTED_SIGNER = "untrusted signer"
    EXPIRED = "expired"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Verification:
    """One claim that was checked: who said what about which bytes, and whether it holds."""

    claim: str
    """``hub-digest``, ``sha256sums``, ``croissant``, ``oms``, ``sigstore-bundle``, ``dsse`` …"""
    outcome: Outcome
    reason: str
    subject: tuple[str, ...] = ()
    """Paths that the claim covers."""
    signer: str = ""
    issuer: str = ""
    root: str = ""
    """SHA-256 of the trust anchor used (root file, key, certificate)."""
    signed_at: str = ""
    """RFC 3339, if the evidence proves a time."""
    location: Location | None = None
    unsigned: tuple[str, ...] = ()
    """Paths beside the signed ones that the signature does not cover."""
    ignored: tuple[str, ...] = ()
    """Paths that it does not cover and, by the user's policy, need not."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A finding after policy: re-rated, perhaps waived."""

    finding: Finding
    severity: Severity
    waived_by: str | None = None


class Decision(StrEnum):
    """The verdict word; its exit code is in :attr:`exit_code`."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INCOMPLETE = "incomplete"

    @property
    def exit_code(self) -> int:
        """0 pass, 1 fail, 3 incomplete; 2 is for errors, where there is no decision."""
        return {Decision.PASS: 0, Decision.FAIL: 1, Decision.INCOMPLETE: 3}[self]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a verdict is what it is: the policy's rule, its file and its line."""

    rule: str
    message: str
    file: str
    line: int | None
    findings: tuple[str, ...] = ()
    """Fingerprints of the findings that made it."""
    remedy: str = ""
    """What to do about it, where there is more to say than the message does."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy decided, and what it was."""

    decision: Decision
    reasons: tuple[Reason, ...]
    warnings: tuple[Reason, ...] = ()
    policy: str = ""
    policy_digest: str = ""
    judged: tuple[Judged, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Everything about one artefact, ready to be rendered."""

    artefact: Artefact
    files: tuple[FileResult, ...]
    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]
    inventory: Inventory
    verifications: tuple[Verification, ...]
    verdict: Verdict
    tool_version: str
    rule_set: str
    """SHA-256 of the rules and data that judged: same bytes and same rule set, same report."""
    created: str = ""
    """RFC 3339; given by the caller, empty for a timeless report."""
    notes: tuple[str, ...] = field(default=())

    def with_verdict(self, verdict: Verdict) -> Report:
        """The same report under another verdict."""
        return replace(self, verdict=verdict)
