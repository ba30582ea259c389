from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.sentencepiece import field, model
from scanner.model import Claimed, Coverage
from tests.support import assert_survives, fixture, inspect_bytes, names_of

CLEAN = fixture("sentencepiece/clean/tokenizer.model")


def test_a_tokenizer_is_read_whole_and_says_how_large_it_is() -> None:
    found = inspect_bytes("sentencepiece", CLEAN)
    assert names_of(CLEAN, "tokenizer.model") == {"sentencepiece"}
    assert not found.gaps
    assert found.coverage is Coverage.WHOLE
    assert [(c.what, c.value) for c in found.facts[0].claims] == [(Claimed.VOCABULARY, "4")]
    assert found.facts[0].metadata == (("model", "bpe"), ("normalizer", "nmt_nfkc"))
    assert [text.text for text in found.texts] == ["corpus.txt", "tokenizer"]


@given(st.lists(st.text(min_size=1, max_size=40), min_size=2, max_size=40))
def test_any_vocabulary_is_recognised_and_counted(pieces: list[str]) -> None:
    data = model(pieces)
    assert "sentencepiece" in names_of(data)
    assert inspect_bytes("sentencepiece", data).facts[0].claims[0].value == str(len(pieces))


def test_cut_inside_a_field_is_a_gap() -> None:
    ends = {0}
    at = 0
    while at < len(CLEAN):
        at += 2 + CLEAN[at + 1]
        ends.add(at)
    for cut in range(16, len(CLEAN)):
        assert bool(inspect_bytes("sentencepiece", CLEAN[:cut]).gaps) == (cut not in ends), cut


def test_a_field_that_no_tokenizer_has_is_a_gap() -> None:
    assert "field 9" in inspect_bytes("sentencepiece", CLEAN + field(9, b"hidden")).gaps[0].reason
    assert not inspect_bytes("sentencepiece", CLEAN + field(200, b"an extension")).gaps


def test_texts_that_begin_with_an_empty_line_are_none() -> None:
    assert names_of(b"\n\x0athis is a text with an empty line in front\n" * 4) == {"text"}


def test_it_survives_mutation() -> None:
    assert_survives("sentencepiece", CLEAN)
