"""Tables of cases for a policy: facts, or a saved JSON report, and the decision that is expected."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from scanner.model import (
    Artefact,
    Confidence,
    Coverage,
    Digest,
    FileEntry,
    FileResult,
    Finding,
    Gap,
    Kind,
    Location,
    Origin,
)
from scanner.policy.document import Known, Policy, read_file
from scanner.policy.evaluation import evaluate
from scanner.policy.facts import Evidence
from scanner.policy.schema import Day, Section, Text
from scanner.policy.tree import Tree, nearest
from scanner.policy.typed import typed
from scanner.result import Decision, Inventory, InventoryField, Outcome, State, Verdict, Verification

_REPORT_LIMIT = 64 << 20
NOON = dt.time(12, tzinfo=dt.UTC)


class _Open(BaseModel):
    """Part of a JSON report; what a policy cannot see is left out, what is absent has a default."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Place(_Open):
    path: str = "model"
    members: tuple[str, ...] = ()
    offset: int | None = None
    length: int | None = None
    line: int | None = None

    def location(self) -> Location:
        return Location(self.path, self.members, self.offset, self.length, self.line)


class _Artefact(_Open):
    target: str = "model"
    source: str = "local"
    name: str = "model"
    kind: Kind = Kind.MODEL
    revision: str | None = None
    requested_revision: str | None = None
    pinned: bool = True


class _Digest(_Open):
    algorithm: str = "sha256"
    value: str
    origin: Origin = Origin.COMPUTED
    source: str = ""


class _File(_Open):
    path: str
    size: int = 0
    formats: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    coverage: Coverage = Coverage.WHOLE
    digests: tuple[_Digest, ...] = ()


class _Finding(_Open):
    rule: str
    message: str = ""
    confidence: Confidence = Confidence.HIGH
    location: _Place = _Place()
    evidence: dict[str, str] = {}


class _Gap(_Open):
    location: _Place = _Place()
    reason: str = "unknown format"


class _Entry(_Open):
    name: str
    value: str = ""
    state: State = State.OBSERVED
    path: str = ""


class _Verification(_Open):
    claim: str
    outcome: Outcome
    reason: str = ""
    subject: tuple[str, ...] = ()
    signer: str = ""
    issuer: str = ""
    signed_at: str = ""


class ReportedFacts(_Open):
    """The parts of a JSON report that a policy sees."""

    artefact: _Artefact = _Artefact()
    files: tuple[_File, ...] = ()
    findings: tuple[_Finding, ...] = ()
    gaps: tuple[_Gap, ...] = ()
    inventory: tuple[_Entry, ...] = ()
    verifications: tuple[_Verification, ...] = ()


class Case(Section):
    """One line of the table."""

    name: Text
    """What it shows."""
    report: Text | None = None
    """A saved JSON report, relative to this file."""
    facts: dict[str, Any] | None = None
    """Or the facts themselves, in the shape of a JSON report; what is left out has a default."""
    now: Day = dt.date(2027, 1, 1)
    """The day by which waivers are judged."""
    expect: Decision
    """pass, fail or incomplete."""
    because: Annotated[tuple[Text, ...], Field()] = ()
    """Rules of the policy that have to be among the reasons: gate.fail_on, rules.no-remote-code …"""

    @model_validator(mode="after")
    def _one(self) -> Case:
        if (self.report is None) == (self.facts is None):
            raise ValueError("needs exactly one of report and facts")
        return self


class Table(Section):
    """A file of cases."""

    version: Literal[1]
    """Version of this language."""
    tests: Annotated[tuple[Case, ...], Field(min_length=1)]
    """The cases."""


@dataclass(frozen=True, slots=True)
class Ran:
    """One case and how it came out."""

    case: Case
    file: str
    line: int
    verdict: Verdict

    @property
    def missing(self) -> tuple[str, ...]:
        """Reasons that were expected and are not there."""
        found = {reason.rule for reason in (*self.verdict.reasons, *self.verdict.warnings)}
        return tuple(name for name in self.case.because if name not in found)

    @property
    def good(self) -> bool:
        """Whether it came out as expected."""
        return self.verdict.decision is self.case.expect and not self.missing


def run(policy: Policy, path: Path, known: Known) -> Iterator[Ran]:
    """Every case of a table, judged by the policy.

    Raises:
        PolicyError: The table, or a report that it names, cannot be used.
    """
    tree, _ = read_file(path, str(path))
    table = typed(Table, tree)
    for index, case in enumerate(table.tests):
        evidence = _evidence(case, index, path, tree, known)
        now = dt.datetime.combine(case.now, NOON)
        line = tree.place(("tests", index)).line
        yield Ran(case, str(path), line, evaluate(policy, evidence, now))


def _evidence(case: Case, index: int, path: Path, tree: Tree, known: Known) -> Evidence:
    place = tree.place(("tests", index, "facts" if case.report is None else "report"))
    if case.report is None:
        body: Any = case.facts
    else:
        try:
            with (path.parent / case.report).open("rb") as stream:
                body = json.loads(stream.read(_REPORT_LIMIT))
        except (OSError, ValueError, RecursionError) as error:
            raise tree.problem(f"{case.report} is no JSON report that can be read: {error}", place) from error
    try:
        reported = ReportedFacts.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise tree.problem(f"{where}: {first['msg'].lower()}", place) from error
    for finding in reported.findings:
        if known.rule(finding.rule) is None:
            hint = nearest(finding.rule, (rule.id for rule in known.rules))
            raise tree.problem(f"no rule is called {finding.rule!r}{hint}", place)
    return evidence(reported, known)


def evidence(reported: ReportedFacts, known: Known) -> Evidence:
    """What a policy is asked about, rebuilt from a report; the rules are today's."""
    by_id = {rule.id: rule for rule in known.rules}
    files = tuple(
        FileResult(
            file.path,
            file.size,
            file.formats,
            file.coverage,
            tuple(Digest(d.algorithm, d.value, d.origin, d.source) for d in file.digests),
            nested=file.nested,
        )
        for file in reported.files
    )
    findings = (
        Finding(by_id[f.rule], f.location.location(), f.message, f.confidence, tuple(f.evidence.items()))
        for f in reported.findings
        # What the policy itself found is for the policy to find again.
        if not f.rule.startswith("policy/")
    )
    body = reported.artefact
    entries = tuple(FileEntry(file.path, file.size) for file in reported.files)
    return Evidence(
        Artefact(
            body.target,
            body.source,
            body.name,
            body.kind,
            body.revision,
            entries,
            body.requested_revision,
            body.pinned,
        ),
        files,
        tuple(findings),
        tuple(Gap(gap.location.location(), gap.reason) for gap in reported.gaps),
        Inventory(tuple(InventoryField(e.name, e.value, e.state, e.path) for e in reported.inventory)),
        tuple(
            Verification(v.claim, v.outcome, v.reason, v.subject, v.signer, v.issuer, "", v.signed_at)
            for v in reported.verifications
        ),
    )


def untested(policy: Policy, ran: list[Ran]) -> list[str]:
    """Rules of one's own that no case breaks: nobody has seen them work."""
    broken = {r.rule for one in ran for r in (*one.verdict.reasons, *one.verdict.warnings)}
    return [rule.id for rule in policy.body.rules if f"rules.{rule.id}" not in broken]
