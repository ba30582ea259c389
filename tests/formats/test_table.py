from __future__ import annotations

import pytest

from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of


def test_a_table_with_sums_and_signs_is_clean() -> None:
    data = fixture("table/clean/a.csv")
    found = inspect_bytes("table", data)
    assert names_of(data, "a.csv") == {"table", "text"}
    assert not found.findings
    assert not found.gaps


@pytest.mark.parametrize(("name", "formula"), [("link.csv", "hyperlink"), ("dde.tsv", "cmd")])
def test_cells_that_reach_outside_are_found_with_their_line(name: str, formula: str) -> None:
    found = inspect_bytes("table", fixture(f"table/unsafe/{name}"))
    assert rules_of(found) == {"table/formula"}
    assert found.findings[0].evidence == (("formula", formula),)
    assert found.findings[0].location.line == 2


@pytest.mark.parametrize("shift", range(-30, 3))
def test_a_formula_across_two_blocks_is_found_once_in_its_line(shift: int) -> None:
    rows = b"a,b\n" * (((1 << 20) + shift) // 4)
    found = inspect_bytes("table", rows + b"x,=WEBSERVICE(1)\n" + b"a,b\n" * 200)
    assert [finding.location.line for finding in found.findings] == [rows.count(b"\n") + 1]


def test_bytes_are_no_table() -> None:
    assert names_of(fixture("table/broken/binary.csv"), "binary.csv") == set()


def test_it_survives_mutation() -> None:
    assert_survives("table", fixture("table/unsafe/link.csv"))
