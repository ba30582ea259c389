from __future__ import annotations

from fixtures.recipes.metadata import vectors
from scanner.model import Coverage, Tensor
from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of

CLEAN = fixture("word2vec/clean/vectors.bin")


def test_ordinary_vectors_have_no_finding_and_no_gap() -> None:
    found = examined(CLEAN, "vectors.bin")
    assert found.formats == ("word2vec",)
    assert not found.findings
    assert not found.gaps
    assert inspect_bytes("word2vec", CLEAN).facts[0].tensors == (Tensor("vectors", "f32", (3, 2)),)


def test_many_words_are_sampled_and_said_to_be() -> None:
    found = inspect_bytes("word2vec", vectors(tuple(f"w{n}" for n in range(1000))))
    assert not found.gaps
    assert found.coverage is Coverage.SAMPLED


def test_texts_are_none_and_a_missing_word_is_a_gap() -> None:
    assert names_of(b"2 3\na 0.1 0.2 0.3\nb 0.1 0.2 0.3\n", "v.txt") == {"text"}
    assert inspect_bytes("word2vec", fixture("word2vec/broken/word.bin")).gaps


def test_it_survives_mutation() -> None:
    assert_survives("word2vec", CLEAN)
