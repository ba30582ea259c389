"""What a dotted name can do when it is reached, by the reviewed table of callables."""

from __future__ import annotations

from functools import cache
from typing import Any

from scanner.data import load


@cache
def _known() -> dict[str, Any]:
    known: dict[str, Any] = load("callables.json")
    return known


def capability(name: str) -> str:
    """Say whether it is ``safe``, ``unknown``, or what it does: ``executes``, ``network`` and so on.

    The exact name counts first, then the longest reviewed module in front of it; a name that walks
    through ``os``, ``sys``, ``builtins`` and their like reaches them from wherever it starts.
    """
    known = _known()
    if name in known["dangerous"]:
        return str(known["dangerous"][name])
    if name in known["safe"]:
        return "safe"
    parts = name.split(".")
    for length in range(min(len(parts), 8), 0, -1):
        prefix = ".".join(parts[:length])
        found = known["dangerous_modules"].get(prefix) or known["dangerous"].get(prefix)
        if found:
            return str(found)
    if not set(parts[1:]).isdisjoint(known["dangerous_parts"]):
        return "resolves-names"
    return "unknown"


@cache
def _config_classes() -> frozenset[str]:
    tables: dict[str, list[str]] = load("config_classes.json")["classes"]
    return frozenset(f"{module}.{name}" for module, names in tables.items() for name in names)


def is_config_class(name: str) -> bool:
    """Whether it is a class that configurations of the usual libraries name, reviewed by exact name."""
    return name in _config_classes()


@cache
def _config_libraries() -> dict[str, frozenset[str]]:
    return {key: frozenset(names) for key, names in load("config_classes.json")["libraries"].items()}


def is_config_library(key: str, name: str) -> bool:
    """Whether a configuration key of that kind ordinarily names this library or module."""
    return name in _config_libraries()[key]


@cache
def _source_calls() -> dict[str, str]:
    calls: dict[str, list[str]] = load("source_calls.json")["calls"]
    return {name: does for does, names in calls.items() for name in names}


def source_capability(name: str) -> str | None:
    """What calling this from Python source does beyond computing, or nothing that is known.

    Source code is not judged by the table for pickles: in a program, ``functools.partial`` and
    ``sys.path`` are ordinary; in a pickle they are gadgets.
    """
    parts = name.split(".")
    for length in range(min(len(parts), 6), 0, -1):
        found = _source_calls().get(".".join(parts[:length]))
        if found:
            return found
    return None
