"""skops files: scikit-learn models as a zip archive with a schema of nodes instead of a pickle."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from scanner.data.capabilities import capability
from scanner.errors import BudgetExceeded, FormatError
from scanner.formats.skops.nodes import KNOWN, Reached, disguises, loaders, names, reached
from scanner.formats.skops.rules import DANGEROUS, DISGUISED, DUPLICATE_KEY, RULES, UNKNOWN
from scanner.inspection import Format, Head, Note
from scanner.model import Claim, Claimed, Facts, Finding, Gap, Location
from scanner.reader import Budget, Reader
from scanner.wire import json
from scanner.wire.zip_member import content, entries, has_member, plain_name

_SCHEMA = "schema.json"
_LIMIT = 64 << 20
_NAMES = 10_000
_PLACED = 50  # findings that get a line: finding one costs a walk through the document
# What estimators are asked for by the functions that hold them; any other method is a callable of its own.
_METHODS = frozenset(
    {
        "fit",
        "predict",
        "transform",
        "predict_proba",
        "decision_function",
        "fit_transform",
        "inverse_transform",
    }
)


def _matches(head: Head) -> bool:
    return bool(head.members) and has_member(head.members, _SCHEMA)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    for entry in entries(reader, budget):
        if plain_name(entry.name) != _SCHEMA:
            continue
        inside = where.inside(entry.name)
        try:
            document = json.parse(content(reader, entry, budget, _LIMIT))
        except (FormatError, BudgetExceeded) as error:
            yield Gap(inside, f"the schema of a skops file cannot be read: {error}")
            continue
        if any(loaders(table) for table in document.tables):
            yield from _Schema(document, inside, budget).notes()


@dataclass(slots=True)
class _Schema:
    """One schema while it is judged."""

    document: json.Document
    where: Location
    budget: Budget
    entry_points: dict[str, None] = field(default_factory=dict)
    _seen: set[Reached] = field(default_factory=set)
    _placed: int = 0

    def notes(self) -> Iterator[Note]:
        unheard: dict[str, None] = {}
        for table in self.document.tables:
            self.budget.spend_items()
            unheard |= dict.fromkeys(name for name in loaders(table) if name not in KNOWN)
            for found in reached(table):
                if found not in self._seen:
                    self._seen.add(found)
                    yield from self._judge(found, table)
            for claimed, built in disguises(table):
                message = f"a node claims to be {json.shown(claimed)} and builds {json.shown(built)}"
                evidence = (("claims", json.shown(claimed)), ("builds", json.shown(built)))
                yield Finding(DISGUISED, self._at(table), message, evidence=evidence)
            if len(self._seen) > _NAMES:
                yield Gap(self.where, f"more than {_NAMES} different callables")
                break
        for name in list(unheard)[:20]:
            yield Gap(self.where, f"a node is of the kind {json.shown(name)!r}, which skops does not have")
        for key in self.document.doubled[:20]:
            message = f"an object names {json.shown(key)!r} twice"
            yield Finding(DUPLICATE_KEY, self.where, message, evidence=(("key", json.shown(key)),))
        yield self._facts()

    def _at(self, table: dict[str, Any]) -> Location:
        self._placed += 1
        if self._placed > _PLACED:
            return self.where
        return self.where.at(line=json.line_of(self.document, json.route_to(self.document, table)))

    def _judge(self, found: Reached, table: dict[str, Any]) -> Iterator[Finding]:
        does = _capability(found)
        if does == "safe":
            return
        shown = json.shown(found.name)
        self.entry_points[shown] = None
        evidence = (("callable", shown), ("use", found.use), ("capability", does), ("node", found.node))
        if does == "unknown":
            message = f"a {json.shown(found.node, 60)} reaches {shown}, which nobody vouches for"
            yield Finding(UNKNOWN, self._at(table), message, evidence=evidence)
        else:
            message = f"a {json.shown(found.node, 60)} reaches {shown} ({does})"
            yield Finding(DANGEROUS, self._at(table), message, evidence=evidence)

    def _facts(self) -> Facts:
        root = self.document.value if isinstance(self.document.value, dict) else {}
        claims = [Claim(Claimed.ARCHITECTURE, json.shown(name), "/__class__") for name in names(root)[:1]]
        version = root.get("_skops_version")
        if isinstance(version, str):
            claims.append(Claim(Claimed.LIBRARY, f"skops {json.shown(version, 40)}", "/_skops_version"))
        protocol = root.get("protocol")
        noted = (("protocol", json.shown(protocol, 20)),) if isinstance(protocol, int) else ()
        return Facts("skops", claims=tuple(claims), entry_points=tuple(self.entry_points), metadata=noted)


def _capability(found: Reached) -> str:
    """What a callable can do; the usual methods of a safe type are safe, any other one is judged by its name.

    A dictionary's keys are built by calling what stands in its ``key_types``, so that a method counts.
    """
    if found.use == "attribute":
        owner, _, method = found.name.rpartition(".")
        if method in _METHODS and capability(owner) == "safe":
            return "safe"
        if method.startswith("__"):
            return "resolves-names"
    if found.name == "operator.itemgetter":
        return "safe"  # its key is data
    return capability(found.name)


FORMAT = Format(
    name="skops",
    title="skops file",
    matches=_matches,
    inspect=_inspect,
    rules=RULES,
    suffixes=(".skops",),
    within=("zip",),
    spec="https://skops.readthedocs.io/en/stable/persistence.html; skops/io",
)
