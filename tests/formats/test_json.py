from __future__ import annotations

import json as stdlib_json
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import FormatError
from scanner.model import Coverage
from scanner.wire import json
from tests.support import FIXTURES, assert_survives, fixture, inspect_bytes, names_of, rules_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("path", sorted((FIXTURES / "json/clean").iterdir()), ids=lambda p: p.name)
def test_clean_files_have_no_finding_and_no_gap(path) -> None:
    found = inspect_bytes("json", path.read_bytes(), path.name)
    assert not found.findings
    assert not found.gaps
    assert found.coverage is Coverage.WHOLE


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("twice", "json/duplicate-key"),
        ("infinity", "json/not-a-number"),
        ("utf-16", "json/encoding"),
        ("mark", "json/encoding"),
    ],
)
def test_what_readers_see_differently_is_found(name: str, rule: str) -> None:
    data = fixture(f"json/unsafe/{name}.json")
    assert rules_of(inspect_bytes("json", data, f"{name}.json")) == {rule}
    assert "json" in names_of(data)


@pytest.mark.parametrize("name", ["cut", "deep", "digits"])
def test_broken_files_are_gaps(name: str) -> None:
    found = inspect_bytes("json", fixture(f"json/broken/{name}.json"))
    assert found.gaps
    assert found.coverage is Coverage.NONE


def test_a_million_deep_nesting_is_a_gap() -> None:
    assert inspect_bytes("json", b'{"a":' * 1_000_000).gaps


@pytest.mark.parametrize(
    "text",
    [
        "[1] a reference\n",
        "[project]\nname = 'x'\n",
        "{% if x %}",
        "{ not json",
        "[x](y)",
        "{{ x }}",
        "{",
        "[1",
        '{"a":',
    ],
)
def test_other_texts_that_begin_with_a_bracket_are_not_json(text: str) -> None:
    assert "json" not in names_of(text.encode())


def test_what_is_called_json_is_read_as_json() -> None:
    assert "json" in names_of(b"version https://git-lfs.github.com/spec/v1\n", "config.json")
    assert inspect_bytes("json", b"version https://git-lfs.github.com/spec/v1\n").gaps


@given(VALUES)
def test_it_agrees_with_the_standard_library(value) -> None:
    raw = stdlib_json.dumps(value).encode()
    document = json.parse(raw)
    assert document.value == value
    assert not document.doubled
    if isinstance(value, dict | list):
        assert json.looks_like_json(raw, complete=True)


@given(st.dictionaries(st.text(), VALUES, min_size=1, max_size=5), st.booleans())
def test_a_route_leads_back_to_its_line(value, wide: bool) -> None:
    document = json.parse(stdlib_json.dumps(value, indent=2 if wide else None).encode())
    for table in document.tables:
        route = json.route_to(document, table)
        found = document.value
        for key in json.keys_of(route):
            found = found[key]
        assert found is table
        line = json.line_of(document, route)
        assert line is not None
        assert document.text.split("\n")[line - 1].strip()


def test_every_reading_of_a_repeated_key_is_kept() -> None:
    document = json.parse(b'{"a": {"x": 1}, "b": 0, "a": {"y": 2}, "a": 3}')
    assert document.value == {"a": 3, "b": 0}
    assert json.every(document.value, "a") == [3, {"x": 1}, {"y": 2}]
    assert {"x": 1} in document.tables
    assert document.doubled == ("a",)
    with pytest.raises(FormatError):
        json.parse(b"{")


def test_what_an_escape_hides_is_surfaced_with_its_line() -> None:
    raw = b'{\n"a": "short \\u0041",\n"b": "\\udb40\\udc41\\udb40\\udc42"}'
    found = inspect_bytes("json", raw)
    assert [(text.text, text.location.line) for text in found.texts] == [("\U000e0041\U000e0042", 3)]


def test_json_lines_are_read_line_by_line() -> None:
    assert not inspect_bytes("json", b'{"a": 1}\n{"a": 2}\n').gaps
    assert rules_of(inspect_bytes("json", b'{"a": 1, "a": 2}\n{}\n', "x.jsonl")) == {"json/duplicate-key"}
    assert inspect_bytes("json", b'{"a": 1}\n{"a": \n', "x.jsonl").gaps


def test_bulk_data_is_sampled_and_no_gap(monkeypatch) -> None:
    monkeypatch.setattr(json, "WHOLE_LIMIT", 100)
    found = inspect_bytes("json", stdlib_json.dumps(["text"] * 100).encode())
    assert not found.gaps
    assert found.coverage is Coverage.SAMPLED


def test_a_tokenizer_of_ten_megabytes_is_read_in_seconds() -> None:
    vocabulary = {f"{letter}{n}": n for n in range(12_000) for letter in string.ascii_letters[:26]}
    raw = stdlib_json.dumps({"model": {"vocab": vocabulary, "merges": [["a", "b"]] * 300_000}}).encode()
    assert len(raw) > 8_000_000
    start = time.process_time()
    assert not inspect_bytes("json", raw).gaps
    assert time.process_time() - start < 5


def test_it_survives_mutation() -> None:
    for path in sorted((FIXTURES / "json").rglob("*.json*")):
        assert_survives("json", path.read_bytes(), 60)
