"""The library that checks schemas passes over a format that it has no checker for, and says nothing."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from cyclonedx.schema import _res

from scanner.bom.cyclonedx.schema import FORMATS


def test_each_format_of_the_schemas_is_checked() -> None:
    texts = (path.read_text(encoding="utf-8") for path in Path(_res.__file__).parent.glob("*.json"))
    used = {name for text in texts for name in re.findall(r'"format": *"([a-z-]+)"', text)}
    assert {"date-time", "iri-reference"} <= used
    # NOTE: "string" is a slip of the schemas, no format.
    assert used - {"string"} <= FORMATS.checkers.keys()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("date-time", "2026-02-30 noon"),
        ("iri-reference", "https://[half"),
        ("iri-reference", "https://example.org/\n"),
        ("iri-reference", "https://example.org/ä"),
        ("uri", "no scheme"),
        ("idn-email", "nobody"),
    ],
)
def test_what_is_not_of_a_format_is_refused(name: str, text: str) -> None:
    assert not FORMATS.conforms(text, name)


@pytest.mark.parametrize(
    "text", ["https://[::1]/%20?q#f", "#here", "urn:cdx:f08a6ccd-4dce-4759-bd84-c626675d60a7/1#a"]
)
def test_addresses_are_accepted(text: str) -> None:
    assert FORMATS.conforms(text, "iri-reference")


def test_a_long_address_is_judged_at_once() -> None:
    started = time.monotonic()
    assert FORMATS.conforms("https://example.org/" + "a%20b/" * 20_000, "iri-reference")
    assert not FORMATS.conforms("https://[" + "1:" * 50_000, "iri-reference")
    assert time.monotonic() - started < 1
