"""XGBoost models: Universal Binary JSON (``.ubj``), JSON, and the binary of before 2.1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scanner.errors import FormatError
from scanner.formats.xgboost.legacy import MAGIC, legacy
from scanner.formats.xgboost.trees import TREES, Learner, judge
from scanner.inspection import Child, Format, Head, Note, Read, Text
from scanner.model import Check, Coverage, Finding, Location, Rule, Severity
from scanner.reader import Budget, Cursor, Reader, Window, read_whole
from scanner.wire import json
from scanner.wire.ubjson import Table, parse

TRAILING = Rule(
    id="xgboost/trailing-data",
    title="Something lies behind the model",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes behind the end of the model's outermost object.",
    why="XGBoost does not read them; another program may.",
    remedy="Refuse the file unless its publisher explains the bytes. They were inspected on their own.",
    example="A zip archive appended to a model.",
    references=("CWE-646",),
)
# The first key of a model, of a saved handle (`Booster.__getstate__`), of a configuration.
_FIRST = (b"learner", b"version", b"Model", b"Config")
_JSON_KEYS = (b'"learner"', b'"gradient_booster"')


def _matches(head: Head) -> bool:
    data = head.data
    if data[:1] == b"{":
        return _is_ubjson(data) or (all(key in data for key in _JSON_KEYS) and b'"attributes"' in data)
    return data.startswith(MAGIC)


def _is_ubjson(data: bytes) -> bool:
    # `{`, perhaps a count, a length of any width, the key.
    at = 1
    if data[1:2] == b"#":
        at = 2 + _width(data[2:3]) + 1
    width = _width(data[at : at + 1])
    start = at + 1 + width
    length = int.from_bytes(data[at + 1 : start], "big")
    return width > 0 and length < 16 and data[start : start + length] in _FIRST


def _width(mark: bytes) -> int:
    return {b"i": 1, b"U": 1, b"I": 2, b"l": 4, b"L": 8}.get(mark, 0)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    first = reader.read_at(0, len(MAGIC))
    if first == MAGIC:
        yield from legacy(reader, budget)
        yield Read(Coverage.STRUCTURE)
        return
    if not _is_ubjson(reader.read_at(0, 64)):
        value = _table(json.parse(read_whole(reader, budget, json.WHOLE_LIMIT)).value)
        yield from _model(value, reader, budget, where, "json")
        yield Read(Coverage.WHOLE)
        return
    cursor = Cursor(reader, budget)
    value = parse(cursor)
    if not isinstance(value, Table):
        raise FormatError("is no object", 0)
    yield from _model(value, reader, budget, where, "ubj")
    if cursor.left:
        message = f"{cursor.left} bytes lie behind the model"
        evidence = (("offset", str(cursor.position)),)
        yield Finding(TRAILING, where.at(cursor.position), message, evidence=evidence)
        yield Child(f"bytes at {cursor.position}", Window(reader, cursor.position, cursor.left))
    yield Read(Coverage.STRUCTURE)


def _table(value: Any) -> Any:
    """A JSON value in the types of UBJSON, repeated keys kept."""
    if isinstance(value, dict):
        return Table([(key, _table(inner)) for key in value for inner in json.every(value, key)])
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [_table(inner) for inner in value]
    return value


def _model(value: Any, reader: Reader, budget: Budget, where: Location, kind: str) -> Iterator[Note]:
    root = value if isinstance(value, Table) else Table([])
    # A handle that was serialised holds the model beside its configuration.
    models = [inner for inner in root.every("Model") if isinstance(inner, Table)] or [root]
    for model in models:
        for inner in model.every("learner"):
            if isinstance(inner, Table):
                learner = Learner(inner, model)
                yield from judge(learner, reader, budget, where)
                for key, text in learner.attributes():
                    yield Text(f"{key}: {text}", where, "metadata")
                yield learner.facts(kind, reader, budget)


FORMAT = Format(
    name="xgboost",
    title="XGBoost model",
    matches=_matches,
    inspect=_inspect,
    rules=(TREES, TRAILING),
    suffixes=(".ubj", ".xgb"),
    within=("json", "text"),
    spec="https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html; ubjson.org",
)
