"""What a dotted name can do when it is reached, by the reviewed table of callables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from scanner.data import load, names

_DEEPEST = 8
USES = frozenset({"new", "call", "call-with-objects", "items", "appends", "state"})
"""What pickles do with a name beyond looking it up: make an instance without running its constructor; call it
with plain data, or with objects as well; then put items into what came out, append to it, give it a state."""


@dataclass(frozen=True, slots=True)
class _Known:
    safe: dict[str, str]
    """Name to library and reason."""
    uses: dict[str, frozenset[str]]
    """Name to what picklers do with it; see :data:`USES`."""
    applies: dict[str, tuple[tuple[int, str], ...]]
    """Name of what uses one of its arguments in turn: (position, use)."""
    dangerous: dict[str, str]
    """Name of a callable or a module to what it does."""
    parts: frozenset[str]
    """Attributes from which everything else is one step away."""
    safe_modules: frozenset[str]
    """Top-level names under which everything is safe, for a reason that the data gives."""


@cache
def _known() -> _Known:
    safe: dict[str, str] = {}
    uses: dict[str, frozenset[str]] = {}
    applies: dict[str, tuple[tuple[int, str], ...]] = {}
    dangerous: dict[str, str] = {}
    parts: set[str] = set()
    modules: set[str] = set()
    for name in names("callables"):
        library: dict[str, Any] = load(f"callables/{name}")
        for entry in library["safe"]:
            reason = f"{library['library']} {library['version']}: {entry['reason']}"
            for module, members in entry["names"].items():
                safe |= {f"{module}.{member}": reason for member in members}
                uses |= {f"{module}.{member}": frozenset(entry.get("uses", ())) for member in members}
        for applying, positions in library.get("applies", {}).items():
            applies[applying] = tuple((int(position), use) for position, use in positions.items())
        dangerous |= library.get("dangerous_modules", {}) | library.get("dangerous", {})
        parts.update(library.get("dangerous_parts", ()))
        modules.update(library.get("safe_modules", ()))
    return _Known(safe, uses, applies, dangerous, frozenset(parts), frozenset(modules))


def capability(name: str) -> str:
    """Say whether it is ``safe``, ``unknown``, or what it does: ``executes``, ``network`` and so on.

    The exact name counts first, then the longest reviewed module or class in front of it; a name that
    walks through ``os``, ``sys``, ``builtins`` and their like reaches them from wherever it starts.
    """
    known = _known()
    if name in known.safe or name.partition(".")[0] in known.safe_modules:
        return "safe"
    parts = name.split(".", _DEEPEST)
    for length in range(len(parts), 0, -1):
        found = known.dangerous.get(".".join(parts[:length]))
        if found:
            return found
    if not known.parts.isdisjoint(name.split(".")[1:]):
        return "resolves-names"
    return "unknown"


def reason(name: str) -> str:
    """Why a safe name counts as safe: the library, its version, and the review; empty for any other."""
    return _known().safe.get(name, "")


def uses(name: str) -> frozenset[str]:
    """What picklers do with a safe name beyond looking it up: a part of :data:`USES`."""
    return _known().uses.get(name, USES if capability(name) == "safe" else frozenset())


def applied(name: str) -> tuple[tuple[int, str], ...]:
    """Which arguments a safe callable uses in turn, by position, and how."""
    return _known().applies.get(name, ())


def safe_names() -> tuple[str, ...]:
    """Every name that counts as safe, sorted."""
    return tuple(sorted(_known().safe))


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


@cache
def _prefixes(key: str) -> tuple[str, ...]:
    return tuple(f"{name}." for name in load("config_classes.json")[key])


def is_config_namespace(name: str) -> bool:
    """Whether this is a class of a library whose configurations ordinarily name its classes: worth a note.

    What is no class by its spelling, a function or a method, is not: among them are some that import,
    download or unpickle what they are told to. The functions of a few modules only compute.
    """
    owner, _, last = name.rpartition(".")
    if last[:1].isupper():
        return name.startswith(_prefixes("namespaces"))
    return f"{owner}." in _prefixes("computing")
