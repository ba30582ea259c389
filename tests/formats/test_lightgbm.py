from __future__ import annotations

import pytest

from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("lightgbm/clean/model.txt")


def test_an_ordinary_model_has_no_finding_and_no_gap() -> None:
    found = examined(CLEAN, "model.txt")
    assert found.formats == ("lightgbm", "text")
    assert not found.findings
    assert not found.gaps
    facts = inspect_bytes("lightgbm", CLEAN).facts[0]
    assert facts.version == "v4"
    assert dict(facts.metadata)["objective"] == "binary sigmoid:1"
    assert dict(facts.metadata)["trees"] == "1"


@pytest.mark.parametrize("name", ["child", "leaf", "leaves"])
def test_trees_that_reach_past_their_nodes_are_found(name: str) -> None:
    assert rules_of(inspect_bytes("lightgbm", fixture(f"lightgbm/unsafe/{name}.txt"))) == {
        "lightgbm/tree-bounds"
    }


def test_cut_is_a_gap_and_another_text_is_none() -> None:
    assert inspect_bytes("lightgbm", fixture("lightgbm/broken/cut.txt")).gaps
    assert names_of(b"tree\nof life\n", "a.txt") == {"text"}


def test_it_survives_mutation() -> None:
    assert_survives("lightgbm", CLEAN)
