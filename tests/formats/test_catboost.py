from __future__ import annotations

import pytest

from scanner.model import Claimed
from tests.support import assert_survives, examined, fixture, inspect_bytes

CLEAN = fixture("catboost/clean/model.cbm")


def test_an_ordinary_model_has_no_finding_and_no_gap() -> None:
    found = examined(CLEAN, "model.cbm")
    assert found.formats == ("catboost",)
    assert not found.findings
    assert not found.gaps


def test_what_a_model_says_is_read() -> None:
    found = inspect_bytes("catboost", CLEAN)
    facts = found.facts[0]
    assert [(c.what, c.value) for c in facts.claims] == [(Claimed.PRODUCER, "catboost 1.2.10")]
    assert ("note", "weighed") in facts.metadata
    assert "note: weighed" in [text.text for text in found.texts]


@pytest.mark.parametrize("name", ["cut", "version"])
def test_broken_files_are_gaps(name: str) -> None:
    assert inspect_bytes("catboost", fixture(f"catboost/broken/{name}.cbm")).gaps


def test_it_survives_mutation() -> None:
    assert_survives("catboost", CLEAN)
