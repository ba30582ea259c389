"""Knowledge as data: framework tags, callables, licences. Reviewed files, loaded when first asked."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any


def load(name: str) -> Any:
    """The content of one JSON file of this folder."""
    return json.loads((files("scanner.data") / name).read_text(encoding="utf-8"))


def names(folder: str) -> tuple[str, ...]:
    """Names of the JSON files of a folder below this one, sorted."""
    return tuple(sorted(item.name for item in (files("scanner.data") / folder).iterdir()))


@cache
def _tags() -> dict[str, tuple[str, ...]]:
    checks: dict[str, list[dict[str, Any]]] = load("tags.json")["checks"]
    return {
        kind: tuple(tag["tag"] if tag["verified"] else f"{tag['tag']} (unverified)" for tag in tags)
        for kind, tags in checks.items()
    }


def tags_for(check: str) -> tuple[str, ...]:
    """Framework tags of a check kind, sorted; what was not read in a primary copy says so."""
    return _tags()[check]
