"""The facts that expressions may use: every field declared once, with its type and what it means.

From these declarations come the variables of CEL, the check of field names when a policy is loaded,
the values when it is judged, and the table in ``docs/guides/policies.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scanner.model import Artefact, FileResult, Finding, Gap
from scanner.result import Inventory, InventoryField, Judged, Verification

Value = str | int | bool | list[str] | dict[str, str]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is known about an artefact when the policy is asked."""

    artefact: Artefact
    files: tuple[FileResult, ...] = ()
    findings: tuple[Finding, ...] = ()
    gaps: tuple[Gap, ...] = ()
    inventory: Inventory = field(default_factory=Inventory)
    verifications: tuple[Verification, ...] = ()


@dataclass(frozen=True, slots=True)
class Fact:
    """One field."""

    name: str
    type: str
    """``string``, ``int``, ``bool``, ``list(string)`` or ``map(string)``."""
    what: str
    get: Callable[[Any], Value]


@dataclass(frozen=True, slots=True)
class Record:
    """A thing with fields: ``file.path`` where a rule asks about each, ``files`` as a list."""

    name: str
    plural: str
    """Name of the list that rules about the whole artefact see; empty where there is no list."""
    what: str
    fields: tuple[Fact, ...]

    def row(self, item: object) -> dict[str, Value]:
        """The values of one item."""
        return {fact.name: _clean(fact.get(item)) for fact in self.fields}


def _clean(value: Value) -> Value:
    """CEL knows no lone surrogates and no integers beyond 64 bits; names of strangers do."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, list):
        return [str(_clean(item)) for item in value]
    if isinstance(value, dict):
        return {str(_clean(key)): str(_clean(item)) for key, item in value.items()}
    return value if isinstance(value, bool) else max(-(2**63), min(value, 2**63 - 1))


def known(evidence: Evidence, name: str) -> list[str]:
    """The distinct values of an inventory field that are not absent."""
    return list(dict.fromkeys(entry.value for entry in evidence.inventory.all(name) if entry.value))


def _number(evidence: Evidence, name: str) -> int:
    entry = evidence.inventory.first(name)
    text = entry.value if entry else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def formats_of(file: FileResult) -> list[str]:
    """What a file is and what is nested in it, by content."""
    return sorted({*file.formats, *file.nested})


ARTEFACT = Record(
    "artefact",
    "",
    "The artefact as a whole.",
    (
        Fact(
            "name", "string", "org/name on a hub, the file or folder name on disk", lambda e: e.artefact.name
        ),
        Fact("source", "string", "local, huggingface, web …", lambda e: e.artefact.source),
        Fact("kind", "string", "model or dataset", lambda e: e.artefact.kind.value),
        Fact(
            "revision",
            "string",
            "immutable identity; empty where there is none",
            lambda e: e.artefact.revision or "",
        ),
        Fact("pinned", "bool", "false where the target named what can move", lambda e: e.artefact.pinned),
        Fact("files", "int", "number of files", lambda e: len(e.files)),
        Fact("bytes", "int", "sum of their sizes", lambda e: sum(file.size for file in e.files)),
        Fact(
            "formats",
            "list(string)",
            "every format found by content, nested ones too",
            lambda e: sorted({name for file in e.files for name in formats_of(file)}),
        ),
        Fact(
            "parameters", "int", "number of parameters; 0 where unknown", lambda e: _number(e, "parameters")
        ),
        Fact("licences", "list(string)", "every licence that is stated", lambda e: known(e, "licence")),
        Fact(
            "architectures",
            "list(string)",
            "architectures that are stated",
            lambda e: known(e, "architecture"),
        ),
        Fact("base_models", "list(string)", "base models that are stated", lambda e: known(e, "base-model")),
        Fact("datasets", "list(string)", "data sets that are stated", lambda e: known(e, "dataset")),
    ),
)
FILE = Record(
    "file",
    "files",
    "A file of the artefact.",
    (
        Fact("path", "string", "relative to the artefact's root", lambda f: f.path),
        Fact("size", "int", "bytes", lambda f: f.size),
        Fact("formats", "list(string)", "what it is, by content", lambda f: list(f.formats)),
        Fact("nested", "list(string)", "formats of everything inside it", lambda f: list(f.nested)),
        Fact("coverage", "string", "whole, structure, sampled or none", lambda f: f.coverage.value),
        Fact(
            "sha256", "string", "computed by us; empty where it was not", lambda f: f.computed("sha256") or ""
        ),
    ),
)
FINDING = Record(
    "finding",
    "findings",
    "A finding that no waiver accepts.",
    (
        Fact("rule", "string", "id of the rule", lambda j: j.finding.rule.id),
        Fact("severity", "string", "after `severities`", lambda j: j.severity.value),
        Fact(
            "rank",
            "int",
            "severity as a number: info 0, low 1, medium 2, high 3, critical 4",
            lambda j: j.severity.rank,
        ),
        Fact(
            "check",
            "string",
            "kind of check: code-execution, remote-code, secret …",
            lambda j: j.finding.rule.check.value,
        ),
        Fact("confidence", "string", "low, medium or high", lambda j: j.finding.confidence.value),
        Fact("path", "string", "the file", lambda j: j.finding.location.path),
        Fact(
            "members",
            "list(string)",
            "nested members, outermost first",
            lambda j: list(j.finding.location.members),
        ),
        Fact(
            "evidence",
            "map(string)",
            "named facts: `'callable' in finding.evidence`",
            lambda j: dict(j.finding.evidence),
        ),
        Fact("fingerprint", "string", "identifies the finding across scans", lambda j: j.finding.fingerprint),
    ),
)
GAP = Record(
    "gap",
    "gaps",
    "Something that was not read.",
    (
        Fact("path", "string", "the file", lambda g: g.location.path),
        Fact(
            "members", "list(string)", "nested members, outermost first", lambda g: list(g.location.members)
        ),
        Fact("reason", "string", "why not", lambda g: g.reason),
    ),
)
VERIFICATION = Record(
    "verification",
    "verifications",
    "A claim about bytes or signers that was checked.",
    (
        Fact("claim", "string", "what was claimed: sha256sums, oms, sigstore-bundle …", lambda v: v.claim),
        Fact(
            "outcome",
            "string",
            "verified, invalid, unsupported, untrusted signer, expired, absent",
            lambda v: v.outcome.value,
        ),
        Fact("reason", "string", "why", lambda v: v.reason),
        Fact("subject", "list(string)", "paths that it covers", lambda v: list(v.subject)),
        Fact("signer", "string", "who signed; empty for plain digests", lambda v: v.signer),
        Fact("issuer", "string", "who vouches for the signer", lambda v: v.issuer),
        Fact(
            "signed_at", "string", "RFC 3339; empty where the evidence proves no time", lambda v: v.signed_at
        ),
    ),
)
ENTRY = Record(
    "entry",
    "inventory",
    "A line of the inventory.",
    (
        Fact("name", "string", "parameters, dtypes, architecture, licence …", lambda f: f.name),
        Fact("value", "string", "what it is", lambda f: f.value),
        Fact("state", "string", "observed, declared, inferred or absent", lambda f: f.state.value),
        Fact("path", "string", "the file that says so; empty for the source", lambda f: f.path),
    ),
)
RECORDS = (ARTEFACT, FILE, FINDING, GAP, VERIFICATION, ENTRY)
LISTS: Mapping[str, Record] = {record.plural: record for record in RECORDS if record.plural}


@dataclass(frozen=True, slots=True)
class Facts:
    """Values for expressions, made once for an artefact."""

    whole: dict[str, Value]
    """``artefact.name`` and the like."""
    items: Mapping[str, tuple[object, ...]]
    """List name to the things themselves."""

    def lists(self, used: frozenset[str]) -> dict[str, Any]:
        """What a rule about the whole artefact sees, as far as it uses it."""
        wanted = {name: items for name, items in self.items.items() if name in used}
        return {**self.whole, **{name: [LISTS[name].row(x) for x in items] for name, items in wanted.items()}}

    def each(self, record: Record, used: frozenset[str]) -> Iterable[tuple[object, dict[str, Value]]]:
        """Every item of a list, with what a rule about each of them sees, as far as it uses it."""
        whole = {name: value for name, value in self.whole.items() if name in used}
        wanted = [(name, fact) for fact in record.fields if (name := f"{record.name}.{fact.name}") in used]
        for item in self.items[record.plural]:
            yield item, {**whole, **{name: _clean(fact.get(item)) for name, fact in wanted}}


def facts(evidence: Evidence, judged: tuple[Judged, ...]) -> Facts:
    """The facts of one artefact; findings that a waiver accepts are not among them."""
    fields: tuple[InventoryField, ...] = evidence.inventory.fields
    return Facts(
        {f"artefact.{name}": value for name, value in ARTEFACT.row(evidence).items()},
        {
            "files": evidence.files,
            "findings": tuple(entry for entry in judged if entry.waived_by is None),
            "gaps": evidence.gaps,
            "verifications": evidence.verifications,
            "inventory": fields,
        },
    )
