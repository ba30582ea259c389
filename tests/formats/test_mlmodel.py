from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model import Claimed
from tests.support import assert_survives, examined, fixture, inspect_bytes, rules_of

CLEAN = fixture("mlmodel/clean/MLmodel")


def test_an_ordinary_model_has_no_finding_and_no_gap() -> None:
    found = examined(CLEAN, "MLmodel")
    assert found.formats == ("mlmodel", "text", "yaml-text")
    assert not found.findings
    assert not found.gaps
    facts = inspect_bytes("mlmodel", CLEAN).facts[0]
    assert {(c.what, c.value) for c in facts.claims} == {
        (Claimed.PRODUCER, "mlflow 3.17.2"),
        (Claimed.CREATED, "2026-11-24 23:22:41.073009"),
        (Claimed.LIBRARY, "sklearn 1.9.1"),
    }
    assert set(facts.external_files) == {"conda.yaml", "python_env.yaml", "model.pkl"}


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("loader", "mlmodel/unknown-loader"),
        ("loader-runs", "mlmodel/dangerous-callable"),
        ("code", "mlmodel/code-folder"),
        ("model-code", "mlmodel/model-code"),
        ("trusted", "mlmodel/trusted-type"),
        ("trusted-runs", "mlmodel/dangerous-callable"),
        ("escape", "mlmodel/path-escape"),
        ("merged", "mlmodel/dangerous-callable"),
    ],
)
def test_what_loading_reaches_is_found(name: str, rule: str) -> None:
    assert rules_of(inspect_bytes("mlmodel", fixture(f"mlmodel/unsafe/{name}/MLmodel"))) == {rule}


def test_a_tag_in_it_is_judged_as_yaml() -> None:
    found = examined(CLEAN + b"x: !!python/object/apply:os.system ['true']\n", "MLmodel")
    assert "yaml-text/dangerous-callable" in {f.rule.id for f in found.findings}


def test_what_is_no_yaml_is_a_gap() -> None:
    assert inspect_bytes("mlmodel", fixture("mlmodel/broken/MLmodel")).gaps


@given(st.text(alphabet="abc:_ -[]{}&*<\n\"'", max_size=80))
def test_any_text_is_survived(text: str) -> None:
    inspect_bytes("mlmodel", b"flavors:\n " + text.encode())


def test_it_survives_mutation() -> None:
    assert_survives("mlmodel", CLEAN, rounds=60)
