"""A schema of Arrow: its columns, and what readers do because of their extension types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.errors import FormatError
from scanner.formats.arrow.rules import PICKLED_PARAMETERS, PICKLED_VALUES, PYTHON_TYPE
from scanner.inspection import Child, Note, Text
from scanner.model import Finding, Location
from scanner.reader import BytesReader
from scanner.wire.flatbuffers import Table

TYPES = (
    *("none", "null", "int", "float", "binary", "text", "bool", "decimal", "date", "time", "timestamp"),
    *("interval", "list", "struct", "union", "fixed-binary", "fixed-list", "map", "duration"),
    *("large-binary", "large-text", "large-list", "run-ends", "binary-view", "text-view", "list-view"),
    "large-list-view",
)
_DEPTH = 64
_VALUE = 64 << 20
_NAME = "ARROW:extension:name"
_PARAMETERS = "ARROW:extension:metadata"
_PYTHON = "arrow.py_extension_type"
_OBJECTS = "ray.data.arrow_pickled_object"


@dataclass(slots=True)
class Schema:
    """One reading of a schema."""

    columns: list[tuple[str, str]] = field(default_factory=list)
    """Path of each column (``a.item``) and its type, in order."""
    extensions: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Column, name of the extension type, its parameters."""
    metadata: list[tuple[str, bytes]] = field(default_factory=list)


def read(table: Table) -> Schema:
    """Every column, at any depth, and all metadata.

    Raises:
        FormatError: An offset leads outside, or columns nest too deeply.
        BudgetExceeded: There are too many.
    """
    schema = Schema(metadata=pairs(table, 2))
    pending = [("", column, 1) for column in table.vector(1).tables()][::-1]
    while pending:
        above, column, depth = pending.pop()
        if depth > _DEPTH:
            raise FormatError(f"columns nest more than {_DEPTH} deep", column.at)
        name = f"{above}.{column.text(0)}" if above else column.text(0)
        kind = column.number(2, 1)
        schema.columns.append((name, TYPES[kind] if kind < len(TYPES) else f"unknown-{kind}"))
        own = pairs(column, 6)
        schema.metadata += [pair for pair in own if pair[0] not in {_NAME, _PARAMETERS}]
        # Of a key that stands twice, readers differ in which they take: every combination is judged.
        for extension in (value for key, value in own if key == _NAME):
            parameters = [value for key, value in own if key == _PARAMETERS] or [b""]
            called = extension.decode("utf-8", "replace")
            schema.extensions += [(name, called, value) for value in parameters]
        pending += [(name, child, depth + 1) for child in column.vector(5).tables()][::-1]
    return schema


def pairs(table: Table, slot: int) -> list[tuple[str, bytes]]:
    """Key-value metadata.

    Raises:
        FormatError: A value is longer than 64 MiB, or reaches past the end.
    """
    found = []
    for entry in table.vector(slot).tables():
        value = entry.vector(1, 1)
        if value.count > _VALUE:
            raise FormatError(f"a metadata value of {value.count} bytes", value.start)
        found.append((entry.text(0), table.flat.bytes_at(value.start, value.count) if value.count else b""))
    return found


def judge(schema: Schema, where: Location) -> Iterator[Note]:
    """What readers do because of the extension types; texts of the metadata."""
    for column, name, parameters in schema.extensions:
        shown = column[:80].encode("utf-8", "backslashreplace").decode()
        if name == _PYTHON:
            evidence = (("column", shown), ("extension", name))
            yield Finding(PYTHON_TYPE, where, f"the type of {shown!r} is a pickled object", evidence=evidence)
            yield Child(f"type of {shown}", BytesReader(parameters), read_as="pickle")
        elif name.startswith("ray."):
            yield from _ray(shown, name, parameters, where)
        elif parameters:
            yield from text_or_child(f"type of {shown}", parameters, where)
    for key, value in schema.metadata:
        yield from text_or_child(f"metadata {key[:80]}", value, where)


def _ray(column: str, name: str, parameters: bytes, where: Location) -> Iterator[Note]:
    evidence = (("column", column), ("extension", name[:80]))
    if name == _OBJECTS:
        yield Finding(PICKLED_VALUES, where, f"the values of {column!r} are pickles", evidence=evidence)
    # Ray tries the parameters as a pickle first; no JSON text gets further than its first byte there.
    if parameters and not _is_json(parameters):
        message = f"the parameters of the type of {column!r} are a pickle"
        yield Finding(PICKLED_PARAMETERS, where, message, evidence=evidence)
        yield Child(f"type of {column}", BytesReader(parameters), read_as="pickle")


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True


def text_or_child(name: str, value: bytes, where: Location) -> Iterator[Note]:
    """A value that is text is read as such, anything else is looked at on its own."""
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        yield Child(name.encode("utf-8", "backslashreplace").decode(), BytesReader(value))
    elif text:
        yield Text(text, where, "metadata")
