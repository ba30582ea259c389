"""How each field is known: properties in every version, citations in 1.7, compositions for the gaps.

The names are documented in docs/guides/aibom.md; they are a public interface.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from scanner.bom.cyclonedx.modelcard import component
from scanner.bom.cyclonedx.refs import file_ref, main_ref, tool_ref
from scanner.bom.inventory import LICENCE_SPDX
from scanner.bom.subject import Subject
from scanner.model import Claimed, FileResult, Origin
from scanner.result import InventoryField, State

_SPACE = "weighbridge"
_GAPS_SHOWN = 100

JsonObject = dict[str, Any]
Places = dict[InventoryField, list[str]]
"""Field to JSON pointers of the places in the document that repeat it."""

# Where a field stands besides its property, relative to the model's component.
_NATIVE = {
    Claimed.TASK.value: "modelCard/modelParameters/task",
    Claimed.MODEL_TYPE.value: "modelCard/modelParameters/architectureFamily",
    Claimed.ARCHITECTURE.value: "modelCard/modelParameters/modelArchitecture",
    Claimed.METRIC.value: "modelCard/quantitativeAnalysis",
    Claimed.USE_CASE.value: "modelCard/considerations/useCases",
    Claimed.LIMITATION.value: "modelCard/considerations/technicalLimitations",
    Claimed.ETHICS.value: "modelCard/considerations/ethicalConsiderations",
    Claimed.LICENCE.value: "licenses",
    LICENCE_SPDX: "licenses",
    Claimed.DESCRIPTION.value: "description",
    Claimed.AUTHOR.value: "authors",
    Claimed.BASE_MODEL.value: "pedigree",
    Claimed.TAG.value: "tags",
}


def add_properties(document: JsonObject, subject: Subject) -> Places:
    """Give the main component a property for every inventory field, and every file its own facts."""
    index, main = component(document, main_ref(subject))
    properties: list[JsonObject] = []
    places: Places = defaultdict(list)
    numbers: dict[str, int] = defaultdict(int)
    for entry in subject.report.inventory.fields:
        numbers[entry.name] += 1
        number = numbers[entry.name]
        name = f"{_SPACE}:{entry.name}" if number == 1 else f"{_SPACE}:{entry.name}:{number}"
        places[entry].append(f"/components/{index}/properties/{len(properties)}")
        if entry.state is not State.ABSENT:
            properties.append(_property(name, entry.value))
        properties.append(_property(f"{name}:state", entry.state.value))
        if source := _source(entry):
            properties.append(_property(f"{name}:source", source))
        native = _NATIVE.get(entry.name, "")
        if native and _repeats(main, native, entry.value):
            places[entry].append(f"/components/{index}/{native}")
    gaps = subject.report.gaps
    if gaps:
        properties.append(_property(f"{_SPACE}:gaps", str(len(gaps))))
        properties += (_property(f"{_SPACE}:gap", f"{g.location}: {g.reason}") for g in gaps[:_GAPS_SHOWN])
    main["properties"] = properties
    for file, part in zip(subject.report.files, _files(main, subject), strict=True):
        part["properties"] = _of_file(file)
    return places


def _files(main: JsonObject, subject: Subject) -> list[JsonObject]:
    by_ref = {part["bom-ref"]: part for part in main.get("components", ())}
    return [by_ref[file_ref(file.path)] for file in subject.report.files]


def _of_file(file: FileResult) -> list[JsonObject]:
    found = [_property(f"{_SPACE}:file:size", str(file.size))]
    found += (_property(f"{_SPACE}:file:format", name) for name in file.formats)
    found.append(_property(f"{_SPACE}:file:coverage", file.coverage.value))
    for digest in sorted(file.digests):
        if digest.origin is Origin.DECLARED:
            by = f" ({digest.source})" if digest.source else ""
            name = f"{_SPACE}:file:declared-digest"
            found.append(_property(name, f"{digest.algorithm}:{digest.value}{by}"))
    return found


def _property(name: str, value: str) -> JsonObject:
    return {"name": name, "value": value}


def _source(entry: InventoryField) -> str:
    """``config.json#/hidden_size``; a source's own statement has no path."""
    if entry.state is State.ABSENT:
        return ""
    return f"{entry.path}#{entry.pointer}" if entry.pointer else entry.path


def _repeats(main: JsonObject, pointer: str, value: str) -> bool:
    """Whether the place is there and, where it holds one text, holds this one."""
    place: Any = main
    for key in pointer.split("/"):
        if not isinstance(place, dict) or key not in place:
            return False
        place = place[key]
    return place == value if isinstance(place, str) else True


def add_compositions(document: JsonObject, subject: Subject) -> None:
    """Say what is complete: the list of files where nothing was left unread; never the relations.

    Data sets, base models and libraries are known from what somebody wrote down, so how complete
    they are is unknown.
    """
    unread = subject.unread
    main = main_ref(subject)
    files = [file.path for file in subject.report.files]
    whole = sorted(file_ref(path) for path in files if path not in unread)
    part = sorted(file_ref(path) for path in files if path in unread)
    if unread:
        part.insert(0, main)
    else:
        whole.insert(0, main)
    document["compositions"] = [
        {"aggregate": name, "assemblies": refs}
        for name, refs in (("complete", whole), ("incomplete", part))
        if refs
    ]
    document["compositions"].append({"aggregate": "unknown", "dependencies": [main]})


def add_citations(document: JsonObject, subject: Subject, places: Places) -> None:
    """Attribute every field to the file that shows or says it (CycloneDX 1.7); the caller adds the time."""
    known = {file.path for file in subject.report.files}
    grouped: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entry, pointers in places.items():
        if entry.state is State.ABSENT:
            continue
        by = file_ref(entry.path) if entry.path in known else tool_ref()
        note = f"{entry.state.value}: {_source(entry)}".rstrip(": ")
        grouped[by, note] += pointers
    document["citations"] = [
        {"pointers": sorted(set(pointers), key=_natural), "attributedTo": by, "note": note}
        for (by, note), pointers in sorted(grouped.items())
    ]


def _natural(pointer: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in pointer.split("/")]
