"""What every form of a bill of materials says about an artefact, before any format has its way."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from scanner.bom.inventory import REQUIREMENT
from scanner.bom.lineage import names_base, repository
from scanner.model import Claimed, Coverage, FileResult, Origin
from scanner.result import InventoryField, Report, State

_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_VERSION_LIMIT = 1024  # CycloneDX takes no longer one
# What the Hub's `source_datasets` says instead of a name.
_ORIGINAL = re.compile(r"original\Z|extended\b")
_HUBS = frozenset({"huggingface", "hub_cache"})
_NAMED = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:[ @=]=?(?P<version>[0-9][^\s,;]*))?\Z")
_REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*"
    r"(?P<pin>===?\s*(?P<version>[A-Za-z0-9][A-Za-z0-9.+!_-]*)\s*(?:;.*)?\Z)?"
)


@dataclass(frozen=True, slots=True)
class Related:
    """Something that the artefact is made from or needs: its name and who says so."""

    name: str
    version: str = ""
    said_by: tuple[InventoryField, ...] = ()
    package: bool = False
    """A Python distribution, by the name that pip knows."""

    @property
    def ref(self) -> str:
        """Name and version, as one text."""
        return f"{self.name}@{self.version}" if self.version else self.name


@dataclass(frozen=True, slots=True)
class Subject:
    """An artefact as a bill of materials sees it."""

    report: Report
    digest: str
    """SHA-256 over kind, paths, sizes and file digests: equal content, equal digest."""
    group: str
    """Namespace on a hub; empty elsewhere, because a folder's name proves nothing."""
    name: str
    version: str
    commit: str
    """Commit on a hub, where there is a namespace as well; else empty."""
    bases: tuple[Related, ...]
    datasets: tuple[Related, ...]
    libraries: tuple[Related, ...]

    def values(self, what: Claimed) -> tuple[str, ...]:
        """Every different value of an inventory field, best known first."""
        return tuple(dict.fromkeys(entry.value for entry in self.fields(what.value)))

    def fields(self, name: str) -> tuple[InventoryField, ...]:
        """Inventory fields of that name that have a value."""
        return tuple(entry for entry in self.report.inventory.all(name) if entry.state is not State.ABSENT)

    @property
    def unread(self) -> frozenset[str]:
        """Paths with a gap, and of files that were neither hashed nor read whole."""
        gaps = {gap.location.path for gap in self.report.gaps}
        return frozenset(gaps | {file.path for file in self.report.files if not _accounted(file)})


def _accounted(file: FileResult) -> bool:
    return file.computed("sha256") is not None and file.coverage in {Coverage.WHOLE, Coverage.STRUCTURE}


def subject_of(report: Report) -> Subject:
    """Gather what a bill of materials needs from a report."""
    artefact = report.artefact
    group, name = "", artefact.name
    if artefact.source in _HUBS and "/" in name:
        group, _, name = name.partition("/")
    commit = artefact.revision or ""
    found = report.inventory.all
    versions = [entry.value for entry in found(Claimed.VERSION.value) if len(entry.value) <= _VERSION_LIMIT]
    # The revision of a web address is an ETag, which says nothing to anybody else.
    revision = artefact.revision if artefact.source != "web" else None
    return Subject(
        report,
        _digest(report),
        group,
        name,
        revision or next(iter(versions), ""),
        commit if group and _COMMIT.match(commit) else "",
        _related(entry for entry in found(Claimed.BASE_MODEL.value) if _is_base(entry)),
        _related(entry for entry in found(Claimed.DATASET.value) if not _ORIGINAL.match(entry.value)),
        _libraries(found(Claimed.LIBRARY.value), found(REQUIREMENT)),
    )


def _digest(report: Report) -> str:
    parts: list[object] = [report.artefact.kind.value]
    for file in report.files:
        own = file.computed("sha256")
        declared = sorted(f"{d.algorithm}:{d.value}" for d in file.digests if d.origin is Origin.DECLARED)
        parts.append([file.path, file.size, f"sha256:{own}" if own else declared])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _is_base(entry: InventoryField) -> bool:
    return names_base(entry.path, entry.pointer) and bool(repository(entry.value))


def _related(entries: Iterable[InventoryField]) -> tuple[Related, ...]:
    groups: dict[str, list[InventoryField]] = {}
    for entry in entries:
        if entry.value:
            groups.setdefault(entry.value, []).append(entry)
    return tuple(Related(name, said_by=tuple(said)) for name, said in sorted(groups.items()))


def _libraries(
    named: tuple[InventoryField, ...], required: tuple[InventoryField, ...]
) -> tuple[Related, ...]:
    groups: dict[tuple[str, str, bool], list[InventoryField]] = {}
    for entry in named:
        if match := _NAMED.fullmatch(entry.value.strip()):
            groups.setdefault((match["name"], match["version"] or "", False), []).append(entry)
    for entry in required:
        text = entry.value.strip()
        if match := _REQUIREMENT.match(text):
            # `name @ address` is a file somewhere, not what the index calls by that name.
            elsewhere = text[match.end("name") :].lstrip().startswith("@")
            groups.setdefault((match["name"], match["version"] or "", not elsewhere), []).append(entry)
    return tuple(Related(*key[:2], tuple(said), key[2]) for key, said in sorted(groups.items()))
