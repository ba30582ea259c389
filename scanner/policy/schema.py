"""What a policy file can say: typed models, from which the published JSON Schema is generated."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from scanner.model import Coverage, Kind, Severity


def _date(value: object) -> object:
    """Only ``YYYY-MM-DD``: pydantic alone would take numbers for seconds since 1970."""
    if isinstance(value, dt.date):
        return value
    if not isinstance(value, str) or len(value) != 10:
        raise ValueError("has to be a date like 2027-01-31")
    try:
        return dt.date.fromisoformat(value)
    except ValueError as error:
        raise ValueError("has to be a date like 2027-01-31") from error


def _version(value: object) -> object:
    if value is True:  # equal to 1, as far as Python goes
        raise ValueError("is not 1")
    return value


Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=1000, strip_whitespace=True)]
Glob = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=500)]
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
Expression = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=2000)]
Sha256 = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9a-f]{64}$")]
Day = Annotated[dt.date, BeforeValidator(_date)]


class Section(BaseModel):
    """A mapping with known keys only."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Effect(StrEnum):
    """What a rule does when it is not kept."""

    FAIL = "fail"
    WARN = "warn"


class Each(StrEnum):
    """What a rule of your own is asked about."""

    ARTEFACT = "artefact"
    FILE = "file"
    FINDING = "finding"
    GAP = "gap"
    VERIFICATION = "verification"


class Gate(Section):
    """Which severities refuse and which warn."""

    fail_on: Severity = Severity.HIGH
    """Findings of this severity and above refuse the artefact."""
    warn_on: Severity = Severity.MEDIUM
    """Findings of this severity and above warn."""

    @model_validator(mode="after")
    def _ordered(self) -> Gate:
        if self.warn_on.rank > self.fail_on.rank:
            raise ValueError(f"warn_on: {self.warn_on.value} is above fail_on: {self.fail_on.value}")
        return self


class AcceptedGap(Section):
    """A kind of gap that does not make the verdict incomplete."""

    path: Glob
    """Glob over the file's path."""
    reason: Glob = "*"
    """Glob over the gap's reason."""
    because: Text
    """Why it is acceptable."""


class Gaps(Section):
    """What could not be read."""

    allow: Flag = False
    """True: no gap makes the verdict incomplete."""
    accept: tuple[AcceptedGap, ...] = ()
    """Gaps that are accepted one kind at a time."""


class CoverageDemand(Section):
    """How far each file has to be read."""

    minimum: Coverage = Coverage.NONE
    """whole, structure, sampled or none (no demand); a file below it makes the verdict incomplete."""


class Source(Section):
    """Where the artefact may come from."""

    pinned: Flag = False
    """True: the target has to name what cannot move (a commit, a digest)."""
    sources: tuple[Text, ...] = ()
    """Sources that are allowed (local, huggingface, web …); empty: all."""
    names: tuple[Glob, ...] = ()
    """Globs of which one has to match the artefact's name (org/model); empty: all."""
    kinds: tuple[Kind, ...] = ()
    """model, dataset; empty: both."""


class Formats(Section):
    """Which formats may occur, by content; what is nested in a file counts."""

    allow: tuple[Glob, ...] = ()
    """Globs of format names; where given, every format that is found has to match one."""
    deny: tuple[Glob, ...] = ()
    """Globs of format names that refuse the artefact; stronger than ``allow``."""


class SeverityRule(Section):
    """Another severity for findings of a rule; the last entry that matches counts."""

    rule: Glob
    """Rule id, or a glob over rule ids."""
    path: Glob = "**"
    """Glob over the path of the file."""
    severity: Severity
    """What its findings are from now on."""
    because: Text
    """Why."""


class CustomRule(Section):
    """A rule of your own: a CEL expression over the facts."""

    id: Name
    """Lower-case words joined by hyphens; a policy that extends this one replaces it by this name."""
    each: Each = Each.ARTEFACT
    """Asked once about the artefact, or once about each file, finding, gap or verification."""
    require: Expression | None = None
    """Has to be true."""
    deny: Expression | None = None
    """Must not be true."""
    message: Text
    """What is said when the rule is not kept."""
    remedy: Text | None = None
    """What to do about it."""
    effect: Effect = Effect.FAIL
    """fail or warn."""

    @model_validator(mode="after")
    def _one(self) -> CustomRule:
        if (self.require is None) == (self.deny is None):
            raise ValueError("needs exactly one of require and deny")
        return self

    @property
    def expression(self) -> tuple[str, str]:
        """``require`` or ``deny``, and the text."""
        return ("require", self.require) if self.require is not None else ("deny", self.deny or "")


class Unknown(StrEnum):
    """What happens where nobody says a licence."""

    FAIL = "fail"
    WARN = "warn"
    ALLOW = "allow"


class Licences(Section):
    """Which licences are acceptable; each one that a card, a header or a file states has to be."""

    allow: tuple[Text, ...] = ()
    """SPDX identifiers; where given, nothing else is acceptable."""
    deny: tuple[Text, ...] = ()
    """SPDX identifiers that are never acceptable."""
    unknown: Unknown = Unknown.ALLOW
    """Where no licence is stated: fail, warn or allow."""


class Identity(Section):
    """Somebody whose signature counts."""

    signer: Glob
    """Glob over who signed: an e-mail address, a workflow, a key's digest."""
    issuer: Text | None = None
    """Who vouches for the signer's identity, exactly."""


class Signatures(Section):
    """Which signatures are demanded."""

    required: Flag = False
    """True: a signature has to verify."""
    identities: tuple[Identity, ...] = ()
    """Whose; empty: anybody's whom the verification itself accepts."""
    cover_all: Flag = True
    """True: every file has to be covered, the signature's own file excepted."""


class WaiverEntry(Section):
    """Somebody accepts a finding for a while. It stays in the report, marked."""

    rule: Text
    """Id of the rule whose finding is accepted."""
    path: Glob
    """The file's path; a glob only with ``broad``."""
    sha256: Sha256 | None = None
    """SHA-256 of the file: with other bytes the waiver does not hold."""
    fingerprint: Sha256 | None = None
    """Only the finding with this fingerprint."""
    broad: Flag = False
    """True: not bound to bytes, and therefore shorter."""
    owner: Text
    """Who accepts the risk."""
    reason: Text
    """Why it is acceptable."""
    granted: Day
    """First day on which it holds."""
    expires: Day
    """Last day on which it holds (UTC)."""
    ticket: Text | None = None
    """Where it was decided."""

    @model_validator(mode="after")
    def _bound(self) -> WaiverEntry:
        if self.broad == (self.sha256 is not None):
            raise ValueError(
                "needs either sha256 (the digest of the file) or broad: true (any bytes, shorter life)"
            )
        if not self.broad and set(self.path) & set("*?"):
            raise ValueError("a waiver that is bound to a digest names one file: no * or ? in path")
        if self.expires < self.granted:
            raise ValueError(f"expires on {self.expires}, before it is granted on {self.granted}")
        return self


class PolicyFile(Section):
    """Policy of Weighbridge, version 1."""

    version: Annotated[Literal[1], BeforeValidator(_version)]
    """Version of this language."""
    name: Text | None = None
    """What reports call it; otherwise the file's name."""
    description: Text | None = None
    """What it is for."""
    extends: Text | None = None
    """A shipped pack, or a file beside this one, on top of which this one stands."""
    gate: Gate = Gate()
    """Which severities refuse and which warn."""
    gaps: Gaps = Gaps()
    """What could not be read."""
    coverage: CoverageDemand = CoverageDemand()
    """How far each file has to be read."""
    source: Source = Source()
    """Where the artefact may come from."""
    formats: Formats = Formats()
    """Which formats may occur."""
    severities: tuple[SeverityRule, ...] = ()
    """Other severities for findings."""
    rules: tuple[CustomRule, ...] = ()
    """Rules of your own."""
    licences: Licences = Licences()
    """Which licences are acceptable."""
    signatures: Signatures = Signatures()
    """Which signatures are demanded."""
    waivers: tuple[WaiverEntry, ...] = ()
    """Findings that somebody accepts for a while."""


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a policy file, for editors; ``docs/schema/policy-1.schema.json``."""
    body = PolicyFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **body}
