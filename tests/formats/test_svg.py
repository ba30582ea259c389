from __future__ import annotations

import pytest

from fixtures.recipes.inert import svg
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of


def test_a_picture_without_script_is_clean() -> None:
    data = fixture("svg/clean/circle.svg")
    found = inspect_bytes("svg", data)
    assert names_of(data, "circle.svg") == {"svg", "text"}
    assert not found.findings
    assert not found.gaps


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (svg("<script>0</script>"), "<script>"),
        (svg(attributes='onload="0"'), "onload"),
        (svg('<a href="java&#115;cript:0"/>'), "href=javascript:"),
        (svg('<a xmlns:l="http://www.w3.org/1999/xlink" l:href=" java\tscript:0"/>'), "href=javascript:"),
        (svg('<x:script xmlns:x="http://www.w3.org/2000/svg"/>'), "<script>"),
    ],
)
def test_what_a_browser_would_run_is_found(data: bytes, part: str) -> None:
    found = inspect_bytes("svg", data)
    assert [finding.evidence for finding in found.findings] == [(("part", part),)]


def test_a_script_in_front_of_a_malformation_is_found_and_the_rest_is_a_gap() -> None:
    found = inspect_bytes("svg", svg("<script>0</script><oops>"))
    assert rules_of(found) == {"svg/script"}
    assert found.gaps


@pytest.mark.parametrize(
    "prolog",
    [
        b"",
        b"\xef\xbb\xbf",
        b'<?xml version="1.0"?>\n<!-- <html> -->\n',
        b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">',
    ],
)
def test_the_root_is_found_behind_any_prolog(prolog: bytes) -> None:
    data = prolog + b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    assert "svg" in names_of(data)
    assert not inspect_bytes("svg", data).gaps


def test_pages_and_texts_are_no_pictures() -> None:
    assert "svg" not in names_of(b"<html><body><svg></svg></body></html>")
    assert "svg" not in names_of(b"An <svg> element is a picture.")


def test_entities_are_not_resolved() -> None:
    data = b'<!DOCTYPE svg [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>'
    assert "svg" in names_of(data)
    assert "entities" in inspect_bytes("svg", data).gaps[0].reason


def test_a_million_deep_is_survived() -> None:
    inspect_bytes("svg", b"<svg>" * 1_000_000)


def test_it_survives_mutation() -> None:
    assert_survives("svg", fixture("svg/unsafe/script.svg"))
