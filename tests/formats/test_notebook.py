from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import FIXTURES, assert_survives, inspect_bytes, names_of, rules_of

HERE = FIXTURES / "notebook"
JSON = st.recursive(
    st.none() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["cells", "worksheets", "cell_type", "source", "outputs", "data", "text/html"]),
            inner,
        )
    ),
)


@pytest.mark.parametrize("path", sorted((HERE / "clean").iterdir()), ids=lambda p: p.stem)
def test_ordinary_notebooks_have_no_finding_and_no_gap(path) -> None:
    found = inspect_bytes("notebook", path.read_bytes(), path.name)
    assert not found.findings
    assert not found.gaps
    assert {"notebook", "json"} <= names_of(path.read_bytes(), path.name)


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("call", {"dangerous-call"}),
        ("shell", {"shell-command"}),
        ("script", {"script-in-output"}),
        ("version-3", {"dangerous-call", "script-in-output"}),
    ],
)
def test_what_running_or_viewing_does_is_found(name: str, rules: set[str]) -> None:
    data = (HERE / f"unsafe/{name}.ipynb").read_bytes()
    assert rules_of(inspect_bytes("notebook", data, "x.ipynb")) == {f"notebook/{rule}" for rule in rules}


def test_names_are_followed_from_cell_to_cell_and_the_place_is_the_cell() -> None:
    found = inspect_bytes("notebook", (HERE / "unsafe/call.ipynb").read_bytes(), "x.ipynb")
    place = found.findings[0].location
    assert (place.members, place.line) == (("cell 1",), 1)


def test_magics_do_not_hide_what_stands_beside_them() -> None:
    cell = {"cell_type": "code", "source": "%time\nfiles = !ls\nimport os\nos.system('true')\nos.system?"}
    raw = json.dumps({"cells": [cell, {"cell_type": "code", "source": "not python"}], "nbformat": 4}).encode()
    found = inspect_bytes("notebook", raw, "x.ipynb")
    assert rules_of(found) == {"notebook/shell-command", "notebook/dangerous-call"}
    assert [text.kind for text in found.texts] == ["code", "code"]


def test_a_broken_notebook_is_a_gap() -> None:
    data = (HERE / "broken/cut.ipynb").read_bytes()
    assert "notebook" in names_of(data, "x.ipynb")
    assert inspect_bytes("notebook", data, "x.ipynb").gaps
    assert inspect_bytes("notebook", b"[]", "x.ipynb").gaps


@given(JSON)
def test_any_shape_is_survived(value) -> None:
    inspect_bytes("notebook", json.dumps(value).encode(), "x.ipynb")


def test_it_survives_mutation() -> None:
    for path in sorted(HERE.rglob("*.ipynb")):
        assert_survives("notebook", path.read_bytes(), 40)
