from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.vectors import fasttext
from scanner.model import Claimed
from tests.support import assert_survives, examined, fixture, inspect_bytes

CLEAN = fixture("fasttext/clean/model.bin")


@pytest.mark.parametrize("name", ["model.bin", "quantised.ftz"])
def test_ordinary_models_have_no_finding_and_no_gap(name: str) -> None:
    found = examined(fixture(f"fasttext/clean/{name}"), name)
    assert found.formats == ("fasttext",)
    assert not found.findings
    assert not found.gaps


def test_what_a_model_says_is_read() -> None:
    facts = inspect_bytes("fasttext", CLEAN).facts[0]
    assert [(t.name, t.shape) for t in facts.tensors] == [("input", (3, 2)), ("output", (1, 2))]
    assert [(c.what, c.value) for c in facts.claims] == [
        (Claimed.ARCHITECTURE, "fasttext supervised"),
        (Claimed.VOCABULARY, "2"),
    ]


def test_what_lies_behind_is_looked_at() -> None:
    found = examined(fixture("fasttext/unsafe/tail.bin"), "model.bin")
    assert {f.rule.id for f in found.findings} >= {"fasttext/trailing-data", "shell-script/present"}


@pytest.mark.parametrize("name", ["cut", "rows", "version"])
def test_broken_files_are_gaps(name: str) -> None:
    assert inspect_bytes("fasttext", fixture(f"fasttext/broken/{name}.bin")).gaps


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30), max_size=60))
def test_any_dictionary_is_stepped_over(words: list[str]) -> None:
    assert not inspect_bytes("fasttext", fasttext(tuple(words))).gaps


def test_a_long_dictionary_is_read_in_blocks() -> None:
    found = inspect_bytes("fasttext", fasttext(tuple(f"word{n}" for n in range(20_000))))
    assert not found.gaps
    assert not found.findings


def test_it_survives_mutation() -> None:
    assert_survives("fasttext", CLEAN)
