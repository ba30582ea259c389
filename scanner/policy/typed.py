"""From a tree to a typed model; every error with its place, the offending text and a suggestion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from scanner.errors import PolicyError
from scanner.policy.tree import Keys, Tree, gather, nearest

Model = TypeVar("Model", bound=BaseModel)

_KINDS = {
    "bool_type": "has to be true or false",
    "string_type": "has to be text (put it in quotes)",
    "int_type": "has to be a whole number",
    "model_type": "has to be a mapping (key: value)",
    "dict_type": "has to be a mapping (key: value)",
    "tuple_type": "has to be a list",
    "list_type": "has to be a list",
    "string_too_short": "must not be empty",
}


def typed(model: type[Model], tree: Tree) -> Model:
    """Validate a whole file.

    Raises:
        PolicyError: All mistakes of the file in one error.
    """
    try:
        return model.model_validate(tree.value)
    except ValidationError as error:
        raise gather(_problems(error.errors(include_url=False), model, tree)) from None


def _problems(errors: list[ErrorDetails], model: type[BaseModel], tree: Tree) -> Iterator[PolicyError]:
    for entry in errors:
        path: Keys = tuple(entry["loc"])
        name = str(path[-1]) if path else "the file"
        kind = entry["type"]
        if kind == "extra_forbidden":
            hint = nearest(name, _fields(model, path[:-1]))
            yield tree.problem(f"unknown key {name!r}{hint}", tree.place(path, key=True))
        elif kind == "missing":
            where = ".".join(str(step) for step in path[:-1])
            message = f"{name} is missing" + (f" in {where}" if where else "")
            if path == ("version",):
                message = "version: 1 is required"
            yield tree.problem(message, tree.place(path[:-1]))
        elif path == ("version",):
            yield tree.problem(f"version: 1 is required, not {entry['input']!r}", tree.place(path))
        elif kind in {"enum", "literal_error"}:
            yield tree.problem(_choice(entry), tree.place(path))
        else:
            yield tree.problem(f"{name} {_said(entry)}", tree.place(path))


def _choice(entry: ErrorDetails) -> str:
    known = re.findall(r"'([^']*)'", str(entry.get("ctx", {}).get("expected", "")))
    word = str(entry["input"])
    kind = "severity" if "critical" in known else "choice"
    return f"{entry['input']!r} is no {kind}{nearest(word, known)}"


def _said(entry: ErrorDetails) -> str:
    if entry["type"] == "value_error":
        return str(entry["ctx"]["error"])
    if entry["type"] in _KINDS:
        return _KINDS[entry["type"]]
    if entry["type"] == "string_pattern_mismatch":
        return f"has to look like {entry['ctx']['pattern']}"
    return entry["msg"][0].lower() + entry["msg"][1:]


def _fields(model: type[BaseModel], path: Keys) -> list[str]:
    """Names of the keys at a place of the file."""
    current: Any = model
    for step in path:
        if isinstance(step, int):
            continue
        current = _model_in(current.model_fields[step].annotation)
        if current is None:
            return []
    return list(current.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside ``X``, ``X | None`` or ``tuple[X, ...]``."""
    if (
        isinstance(annotation, type)
        and issubclass(annotation, BaseModel)
        and not issubclass(annotation, Enum)
    ):
        return annotation
    for inner in get_args(annotation):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
