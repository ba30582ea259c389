from __future__ import annotations

import pytest

from scanner.model import Claimed
from tests.support import assert_survives, examined, fixture, inspect_bytes, rules_of

CLEAN = fixture("pmml/clean/model.pmml")


def test_an_ordinary_model_has_no_finding_and_no_gap() -> None:
    found = examined(CLEAN, "model.pmml")
    assert "pmml" in found.formats
    assert not found.findings
    assert not found.gaps
    facts = inspect_bytes("pmml", CLEAN).facts[0]
    assert facts.version == "4.4"
    assert [(c.what, c.value) for c in facts.claims] == [
        (Claimed.ARCHITECTURE, "TreeModel"),
        (Claimed.PRODUCER, "Weighbridge 1"),
    ]


@pytest.mark.parametrize(
    ("name", "rule"), [("entity", "entities"), ("class", "foreign-function"), ("script", "extension-code")]
)
def test_what_a_reader_would_resolve_or_run_is_found(name: str, rule: str) -> None:
    assert rules_of(inspect_bytes("pmml", fixture(f"pmml/unsafe/{name}.pmml"))) == {f"pmml/{rule}"}


def test_entities_are_not_resolved_and_what_follows_is_a_gap() -> None:
    found = inspect_bytes("pmml", fixture("pmml/unsafe/entity.pmml"))
    assert "not resolved" in found.gaps[0].reason


def test_cut_is_a_gap() -> None:
    assert inspect_bytes("pmml", fixture("pmml/broken/cut.pmml")).gaps


def test_it_survives_mutation() -> None:
    assert_survives("pmml", CLEAN)
