"""Keras models as configuration: ``config.json`` of ``.keras``, ``model_config`` of HDF5, ``to_json()``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scanner.formats.keras_config.architecture import is_architecture, parse
from scanner.formats.keras_config.judgement import Judgement
from scanner.formats.keras_config.rules import RULES
from scanner.inspection import HEAD_BYTES, Format, Head, Note, Read
from scanner.model import Claim, Claimed, Coverage, Facts, Location
from scanner.reader import Budget, Reader, read_whole
from scanner.wire import json
from scanner.wire.keras_config import shows


def _matches(head: Head) -> bool:
    data = json.plain_head(head.data)
    return shows(data) if data else is_architecture(head.data)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    raw = read_whole(reader, budget, json.WHOLE_LIMIT)
    document = parse(raw, budget) if is_architecture(raw[:HEAD_BYTES]) else json.parse(raw)
    budget.spend_items(len(raw) // 16)
    judgement = Judgement(document, where)
    yield from judgement.notes()
    objects = sorted(judgement.classes.items(), key=lambda pair: (-pair[1], pair[0]))
    yield Facts(
        "keras-config",
        claims=tuple(dict.fromkeys(_claims(document.value))),
        external_files=tuple(judgement.external),
        entry_points=tuple(judgement.entry_points),
        metadata=tuple((name, str(count)) for name, count in objects[:40]),
    )
    yield Read(Coverage.WHOLE)


def _claims(value: Any) -> Iterator[Claim]:
    """Versions and the kind of model, where the document is a whole model."""
    if not isinstance(value, dict):
        return
    for found in json.every(value, "keras_version"):
        if isinstance(found, str):
            yield Claim(Claimed.LIBRARY, f"keras {json.shown(found, 80)}", "/keras_version")
    for name in json.every(value, "class_name"):
        if isinstance(name, str) and "config" in value:
            yield Claim(Claimed.ARCHITECTURE, json.shown(name), "/class_name")
    config = value.get("config")
    if isinstance(config, dict) and isinstance(config.get("layers"), list):
        yield Claim(Claimed.LAYERS, str(len(config["layers"])), "/config/layers")


FORMAT = Format(
    name="keras-config",
    title="Keras configuration",
    matches=_matches,
    inspect=_inspect,
    rules=RULES,
    within=("json", "text", "yaml-text"),
    spec="keras/src/saving/serialization_lib.py",
)
