"""Model cards and component data, which the library cannot write: added to its output by bom-ref."""

from __future__ import annotations

import re
from typing import Any

from scanner.bom.cyclonedx.addresses import web_address
from scanner.bom.cyclonedx.refs import data_ref, main_ref
from scanner.bom.inventory import INPUT, OUTPUT
from scanner.bom.subject import Related, Subject
from scanner.model import Claimed, Kind

# `accuracy = 0.91 on glue` (scanner.model.Claimed.METRIC).
_METRIC = re.compile(r"(?P<type>.+?) = (?P<value>.+?)(?: on (?P<slice>.+))?\Z", re.DOTALL)
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?\Z")

JsonObject = dict[str, Any]


def component(document: JsonObject, ref: str) -> tuple[int, JsonObject]:
    """A component of the first level and its index."""
    found = ((index, part) for index, part in enumerate(document["components"]) if part["bom-ref"] == ref)
    return next(found)


def add_cards(document: JsonObject, subject: Subject) -> None:
    """Add the model card to a model, and data to every data set."""
    _, main = component(document, main_ref(subject))
    if subject.report.artefact.kind is Kind.MODEL:
        card = {
            "modelParameters": _parameters(subject),
            "quantitativeAnalysis": _metrics(subject),
            "considerations": _considerations(subject),
        }
        main["modelCard"] = {key: value for key, value in card.items() if value}
    else:
        main["data"] = [_itself(subject)]
    for dataset in subject.datasets:
        _, part = component(document, data_ref(dataset))
        part["data"] = [_named(dataset)]


def _parameters(subject: Subject) -> JsonObject:
    families = subject.values(Claimed.MODEL_TYPE)
    architectures = subject.fields(Claimed.ARCHITECTURE.value)
    # GGUF calls the family an architecture.
    families += tuple(entry.value for entry in architectures if entry.pointer == "general.architecture")
    classes = [entry.value for entry in architectures if entry.pointer != "general.architecture"]
    found: JsonObject = {
        "task": next(iter(subject.values(Claimed.TASK)), ""),
        "architectureFamily": next(iter(families), ""),
        "modelArchitecture": next(iter(classes), ""),
        "datasets": [{"ref": data_ref(dataset)} for dataset in subject.datasets],
        "inputs": _forms(subject, INPUT),
        "outputs": _forms(subject, OUTPUT),
    }
    return {key: value for key, value in found.items() if value}


def _forms(subject: Subject, name: str) -> list[JsonObject]:
    return [{"format": form} for form in dict.fromkeys(entry.value for entry in subject.fields(name))]


def _metrics(subject: Subject) -> JsonObject:
    metrics = []
    for value in subject.values(Claimed.METRIC):
        match = _METRIC.fullmatch(value)
        # NOTE: the value is a text in the schema, a number is refused.
        metrics.append({k: v for k, v in match.groupdict().items() if v} if match else {"type": value})
    return {"performanceMetrics": metrics} if metrics else {}


def _considerations(subject: Subject) -> JsonObject:
    found: JsonObject = {
        "useCases": list(subject.values(Claimed.USE_CASE)),
        "technicalLimitations": list(subject.values(Claimed.LIMITATION)),
        "ethicalConsiderations": [{"name": text} for text in subject.values(Claimed.ETHICS)],
    }
    return {key: value for key, value in found.items() if value}


def _itself(subject: Subject) -> JsonObject:
    """The artefact, where it is a data set."""
    found: JsonObject = {"type": "dataset", "name": subject.report.artefact.name}
    if descriptions := subject.values(Claimed.DESCRIPTION):
        found["description"] = descriptions[0]
    return found


def _named(dataset: Related) -> JsonObject:
    """A data set that a card or a header names; an address only where one follows from the name."""
    found: JsonObject = {"type": "dataset", "name": dataset.name}
    if address := web_address(dataset.name):
        found["contents"] = {"url": address}
    elif _HUB_NAME.fullmatch(dataset.name) and any(
        entry.path.lower().endswith("readme.md") for entry in dataset.said_by
    ):
        found["contents"] = {"url": f"https://huggingface.co/datasets/{dataset.name}"}
    return found
