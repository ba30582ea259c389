"""The library that checks schemas passes over a format that it has no checker for, and says nothing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cyclonedx.schema import _res
from jsonschema import Draft7Validator

CHECKER = Draft7Validator.FORMAT_CHECKER


def test_each_format_of_the_schemas_is_checked() -> None:
    texts = (path.read_text(encoding="utf-8") for path in Path(_res.__file__).parent.glob("*.json"))
    used = {name for text in texts for name in re.findall(r'"format": *"([a-z-]+)"', text)}
    assert {"date-time", "iri-reference"} <= used
    # NOTE: "string" is a slip of the schemas, no format.
    assert used - {"string"} <= CHECKER.checkers.keys()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("date-time", "2026-02-30 noon"),
        ("iri-reference", "https://[half"),
        ("uri", "no scheme"),
        ("idn-email", "nobody"),
    ],
)
def test_what_is_not_of_a_format_is_refused(name: str, text: str) -> None:
    assert not CHECKER.conforms(text, name)
