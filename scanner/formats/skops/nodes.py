"""The nodes of a skops schema: what each one has imported, built or called (skops/io, 0.1 to 0.16)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from scanner.errors import FormatError
from scanner.wire import json

# The loaders of skops.io (_general, _numpy, _scipy, _sklearn, _quantile_forest, old).
KNOWN = frozenset(
    {
        "BytearrayNode", "BytesNode", "CachedNode", "ConstructorFromReduceNode", "DTypeNode",
        "DefaultDictNode", "DictNode", "FunctionNode", "JsonNode", "ListNode", "LossNode",
        "MaskedArrayNode", "MethodNode", "NdArrayNode", "ObjectNode", "OperatorFuncNode", "PartialNode",
        "QuantileForestNode", "RandomGeneratorNode", "RandomStateNode", "ReduceNode", "SetNode", "SgdNode",
        "SliceNode", "SparseMatrixNode", "TreeNode", "TupleNode", "TypeNode", "_DictWithDeprecatedKeysNode",
    }
)  # fmt: skip
# They take nothing from the names in the node: a text, a reference to an earlier node.
_NAMELESS = frozenset({"JsonNode", "CachedNode"})
_READINGS = 16


@dataclass(frozen=True, slots=True)
class Reached:
    """One callable that loading a node reaches."""

    name: str
    """``module.name`` with attributes."""
    use: str
    """``import``, ``build``, ``call``, ``attribute``."""
    node: str
    """The node's loader."""


def texts(table: dict[str, Any], key: str) -> list[str]:
    """The texts under a key in every reading."""
    return [value for value in json.every(table, key) if isinstance(value, str)]


def loaders(table: dict[str, Any]) -> list[str]:
    """The loaders that a table names; empty where it is no node."""
    return texts(table, "__loader__")


def names(table: dict[str, Any]) -> list[str]:
    """``module.class`` in every reading of repeated keys."""
    pairs = product(texts(table, "__module__"), texts(table, "__class__"))
    return list(dict.fromkeys(f"{module}.{name}" for module, name in pairs))[:_READINGS]


def reached(table: dict[str, Any]) -> Iterator[Reached]:
    """What loading one table of the schema reaches, its children not counted."""
    own = names(table)
    # Old reduce nodes name their constructor in a table without a loader.
    for loader in loaders(table) or (["constructor"] if own else []):
        if loader in _NAMELESS:
            continue
        use = "import" if loader in {"FunctionNode", "TypeNode"} else "build"
        if loader == "OperatorFuncNode":
            yield from _operator(table)
        elif loader == "PartialNode" and own == ["functools.partial"]:
            continue  # always functools.partial; its function is a node of its own and is not called
        else:
            yield from (Reached(name, use, loader) for name in own)
        for content in json.every(table, "content"):
            if isinstance(content, dict):
                yield from _inner(loader, content)


def _operator(table: dict[str, Any]) -> Iterator[Reached]:
    """``getattr(operator, class)(*attributes)``, whatever module the node claims."""
    for name in texts(table, "__class__"):
        yield Reached(f"operator.{name}", "call", "OperatorFuncNode")
    for module in texts(table, "__module__"):
        if module != "operator":
            yield from (Reached(name, "call", "OperatorFuncNode") for name in names(table))


def _inner(loader: str, content: dict[str, Any]) -> Iterator[Reached]:
    if loader == "FunctionNode":  # protocol 0
        for module, name in product(texts(content, "module_path"), texts(content, "function")):
            yield Reached(f"{module}.{name}", "import", loader)
    elif loader == "MethodNode":
        for owner in json.every(content, "obj"):
            if isinstance(owner, dict):
                for name, method in product(names(owner), texts(content, "func")):
                    yield Reached(f"{name}.{method}", "attribute", loader)
    elif loader == "RandomGeneratorNode":
        yield from (Reached(f"numpy.random.{name}", "call", loader) for name in _generators(content))


def _generators(content: dict[str, Any]) -> Iterator[str]:
    """The class of the bit generator: a text in a dictionary (protocol 0), or in JSON nodes (1 and 2)."""
    pending, steps = list(json.every(content, "bit_generator")), 0
    while pending and steps < _READINGS * 4:
        steps += 1
        found = pending.pop()
        if isinstance(found, str):
            yield _unquoted(found)
        elif isinstance(found, dict):
            for key in ("content", "bit_generator"):
                inner = json.every(found, key)
                # A text is the name itself only below the key that means it.
                wanted = "JsonNode" in loaders(found) if key == "content" else True
                pending += [value for value in inner if isinstance(value, dict) or wanted]


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    try:
        value = json.parse(text.encode("utf-8", "surrogatepass")).value
    except FormatError:
        return text
    return value if isinstance(value, str) else text


def disguises(table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(what the node claims, what it builds) where the two differ."""
    found = loaders(table)
    if "OperatorFuncNode" in found:
        for module in texts(table, "__module__"):
            if module != "operator":
                yield names(table)[0] if names(table) else module, "a function of operator"
    if "MethodNode" in found:
        for content in json.every(table, "content"):
            for owner in json.every(content, "obj") if isinstance(content, dict) else []:
                if isinstance(owner, dict) and set(names(owner)) != set(names(table)):
                    claimed = ", ".join(names(table)) or "nothing"
                    yield claimed, ", ".join(names(owner)) or "nothing"
