from __future__ import annotations

import pytest

from scanner.model import Claimed
from tests.support import assert_survives, examined, fixture, inspect_bytes

CLEAN = fixture("bentoml/clean/bento.yaml")


def test_what_a_bento_says_is_read() -> None:
    found = examined(CLEAN, "bento.yaml")
    assert not found.findings
    assert not found.gaps
    claims = {(c.what, c.value) for c in inspect_bytes("bentoml", CLEAN).facts[0].claims}
    assert claims >= {(Claimed.NAME, "iris"), (Claimed.PRODUCER, "bentoml 1.4.40")}


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("service", {"bentoml/service-code"}),
        ("script", {"bentoml/build-code", "bentoml/path-escape"}),
        ("index", {"requirements/other-index"}),
    ],
)
def test_code_paths_and_indices_are_found(name: str, rules: set[str]) -> None:
    found = examined(fixture(f"bentoml/unsafe/{name}/bento.yaml"), "bento.yaml")
    assert {f.rule.id for f in found.findings} == rules


def test_what_is_no_yaml_is_a_gap() -> None:
    assert inspect_bytes("bentoml", fixture("bentoml/broken/bento.yaml")).gaps


def test_it_survives_mutation() -> None:
    assert_survives("bentoml", CLEAN, rounds=60)
