"""Architectures in YAML, which Keras wrote and read until 2.6 (``to_yaml``, ``model_from_yaml``)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from scanner.reader import Budget
from scanner.wire import json

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

_KEYS = re.compile(rb"^(?:class_name|config):(?: |\r?$)", re.MULTILINE)
_PLAIN = frozenset({"!!null", "!!bool", "!!int", "!!float"})


def is_architecture(data: bytes) -> bool:
    """Whether the beginning of a text has the keys of a serialised object at its left margin."""
    if b"class_name:" not in data or json.plain_head(data):
        return False
    return len({match[0][:5] for match in _KEYS.finditer(data)}) == 2


def parse(raw: bytes, budget: Budget) -> json.Document:
    """The documents of a YAML stream as if they stood in one JSON array, without their text.

    What several aliases lead to is one table, read once.

    Raises:
        FormatError: It is no YAML.
    """
    from ruamel.yaml.nodes import MappingNode, SequenceNode  # noqa: PLC0415 - as the next line

    from scanner.wire import yaml  # noqa: PLC0415 - ruamel is only loaded where there is YAML

    tables: list[dict[str, Any]] = []
    known: dict[int, Any] = {}

    def value(node: Node) -> Any:
        if id(node) not in known:
            budget.spend_items()
            known[id(node)] = None  # an alias within its own anchor
            known[id(node)] = built(node)
        return known[id(node)]

    def built(node: Node) -> Any:
        if isinstance(node, MappingNode):
            found = [(key, value(inner)) for key, inner in yaml.pairs(node)]
            table = json.Doubled(found)
            tables.append(table)
            return table
        if isinstance(node, SequenceNode):
            return [value(inner) for inner in node.value]
        return None if yaml.tag_of(node) in _PLAIN else str(node.value)

    documents = [value(node) for node in yaml.compose(yaml.decode(raw))]
    return json.Document(
        documents[0] if len(documents) == 1 else documents, "", "utf-8", tables=tuple(tables)
    )
