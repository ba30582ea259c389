"""What a name in a Keras configuration is: an ordinary part of a model, or something that reaches further."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from scanner.data import load
from scanner.data.capabilities import capability

_DEEPEST = 8
# Spellings of the same package: TensorFlow's copy, its separate release, its internal tree.
_ALIASES = ("tensorflow.python.keras.", "tensorflow.keras.", "tf.keras.", "tf_keras.", "keras.api._v2.keras.",
            "keras._tf_keras.keras.", "keras.api.")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Known:
    classes: frozenset[str]
    functions: frozenset[str]
    bare: frozenset[str]
    """Classes by their last component, as legacy configurations name them."""
    bare_functions: frozenset[str]
    libraries: frozenset[str]
    reaches: dict[str, str]
    tensorflow: frozenset[str]
    namespaces: tuple[str, ...]
    tensorflow_reaches: dict[str, str]
    operations: frozenset[str]
    operations_reach: dict[str, str]


@cache
def _known() -> _Known:
    data: dict[str, Any] = load("keras.json")
    tables = (data["classes"], data["functions"])
    classes, functions = ({f"{m}.{n}" for m, names in table.items() for n in names} for table in tables)
    return _Known(
        frozenset(classes),
        frozenset(functions),
        frozenset(name.rpartition(".")[2] for name in classes),
        frozenset(name.rpartition(".")[2] for name in functions),
        frozenset(data["libraries"]),
        data["reaches"],
        frozenset(data["tensorflow_functions"]),
        tuple(f"{name}." for name in data["tensorflow_namespaces"]),
        data["tensorflow_reaches"],
        frozenset(data["operations"]),
        data["operations_reach"],
    )


def plain(name: str) -> str:
    """The name as Keras itself spells it: ``tf_keras.layers.Dense`` is ``keras.layers.Dense``."""
    for alias in _ALIASES:
        if name.startswith(alias):
            return f"keras.{name.removeprefix(alias)}"
    return name


def _longest(name: str, table: dict[str, str]) -> str:
    parts = name.split(".", _DEEPEST)
    for length in range(len(parts), 0, -1):
        found = table.get(".".join(parts[:length]))
        if found:
            return found
    return ""


def judge_object(module: str, name: str, *, function: bool) -> str:
    """What a configuration reaches by ``module`` and the name of a class or function.

    Returns:
        ``known`` for an ordinary part of a model; ``custom`` for what only the user's own code can give,
        or a class of a library whose classes Keras models ordinarily hold; ``unknown``; or a capability
        such as ``network``.
    """
    known = _known()
    if not module or module == "builtins":
        bare = known.bare | known.bare_functions if function else known.bare
        return "known" if name in bare else "custom"
    dotted = plain(f"{module}.{name}")
    if dotted in known.classes or (function and dotted in known.functions):
        return "known"
    reaches = _longest(dotted, known.reaches) or capability(dotted)
    if reaches not in {"unknown", "safe"}:
        return reaches
    package = dotted.partition(".")[0]
    if package == "__main__" or (package in known.libraries and not function):
        return "custom"
    return "custom" if reaches == "safe" else "unknown"


def judge_tensorflow(symbol: str) -> str:
    """``known``, ``unknown``, or what a function of TensorFlow's public API reaches."""
    known = _known()
    name = symbol.removeprefix("tf.").removeprefix("compat.v1.").removeprefix("compat.v2.")
    if name.startswith("raw_ops."):
        return judge_operation(name.removeprefix("raw_ops."))
    reaches = _longest(name, known.tensorflow_reaches)
    if reaches:
        return reaches
    known_name = name in known.tensorflow or name.startswith(known.namespaces)
    return "known" if known_name or name.rpartition(".")[0] in known.tensorflow else "unknown"


def judge_operation(operation: str) -> str:
    """``known``, ``unknown``, or what an operation of a TensorFlow graph reaches."""
    known = _known()
    return "known" if operation in known.operations else known.operations_reach.get(operation, "unknown")
