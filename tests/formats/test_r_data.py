from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.r_data import NIL, cell, file, listed, reals, strings
from scanner.model import Claimed
from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("r-data/clean/data.rds")


@pytest.mark.parametrize("name", ["data.rds", "version-2.rds", "call.rds", "table.RData", "packed.rds"])
def test_ordinary_data_has_no_finding_and_no_gap(name: str) -> None:
    found = examined(fixture(f"r-data/clean/{name}"), name)
    assert "r-data" in {*found.formats, *found.nested}
    assert not found.findings
    assert not found.gaps


def test_who_wrote_it_is_read() -> None:
    facts = inspect_bytes("r-data", CLEAN).facts[0]
    assert facts.version == "3"
    assert [(c.what, c.value) for c in facts.claims] == [(Claimed.PRODUCER, "R 4.3.2")]


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("promise", {"promise", "dangerous-call"}),
        ("promise-within", {"promise"}),
        ("function", {"code"}),
        ("function-runs", {"code", "dangerous-call"}),
        ("referred", {"code", "dangerous-call"}),
        ("expression", {"code", "dangerous-call"}),
        ("bytecode", {"code"}),
        ("tail", {"trailing-data"}),
    ],
)
def test_cve_2024_27322_promises_and_code_are_found(name: str, rules: set[str]) -> None:
    found = inspect_bytes("r-data", fixture(f"r-data/unsafe/{name}.rds"))
    assert rules_of(found) == {f"r-data/{rule}" for rule in rules}
    assert not found.gaps


def test_what_stands_before_a_fault_is_reported_with_it() -> None:
    found = inspect_bytes("r-data", fixture("r-data/broken/promise-cut.rds"))
    assert "r-data/promise" in rules_of(found)
    assert found.gaps


@pytest.mark.parametrize("name", ["cut", "length", "ascii"])
def test_broken_and_text_files_are_gaps(name: str) -> None:
    assert inspect_bytes("r-data", fixture(f"r-data/broken/{name}.rds")).gaps


def test_a_long_pairlist_is_read_without_recursion() -> None:
    item = b"".join(cell(2, NIL, b"") for _ in range(50_000)) + NIL
    assert not inspect_bytes("r-data", file(item)).gaps
    assert "r-data" not in names_of(b"X\n is a letter")


ITEMS = st.recursive(
    st.builds(lambda n: reals(*n), st.lists(st.floats(width=32), max_size=4))
    | st.builds(lambda t: strings(*t), st.lists(st.text(max_size=5), max_size=4)),
    lambda inner: st.builds(lambda items: listed(*items), st.lists(inner, max_size=4)),
    max_leaves=12,
)


@given(ITEMS)
def test_any_data_is_read_to_its_end(item: bytes) -> None:
    found = inspect_bytes("r-data", file(item))
    assert not found.findings
    assert not found.gaps


def test_it_survives_mutation() -> None:
    for name in ("function-runs", "bytecode", "promise-within"):
        assert_survives("r-data", fixture(f"r-data/unsafe/{name}.rds"), rounds=100)
