from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.tensorflow import index, table
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("tensorflow-checkpoint/clean/variables.index")


def _found(data: bytes):
    return inspect_bytes("tensorflow-checkpoint", data, "variables/variables.index")


def test_an_index_tells_its_tensors_and_where_they_are() -> None:
    found = _found(CLEAN)
    assert names_of(CLEAN) == {"tensorflow-checkpoint"}
    assert not found.findings
    assert not found.gaps
    facts = found.facts[0]
    assert [(t.name, t.dtype, t.shape) for t in facts.tensors] == [("a", "f32", (2, 2)), ("ab", "f32", (3,))]
    assert facts.external_files == ("variables.data-00000-of-00001",)
    assert [(r.offset, r.length) for r in facts.regions] == [(0, 16), (16, 12)]


def test_lengths_and_overlaps_are_found() -> None:
    for name in ("short", "shared"):
        data = fixture(f"tensorflow-checkpoint/unsafe/{name}.index")
        assert rules_of(_found(data)) == {"tensorflow-checkpoint/layout"}


def test_another_table_of_this_kind_is_a_gap() -> None:
    assert "no checkpoint" in _found(table({"key": b"value"})).gaps[0].reason


def test_a_compressed_block_is_a_gap() -> None:
    data = bytearray(CLEAN)
    data[CLEAN.index(b"\0\0\0\0\x01\0\0\0") + 8] = 1
    assert "compressed" in _found(bytes(data)).gaps[0].reason


@given(
    st.dictionaries(
        st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12),
        st.lists(st.integers(0, 4), max_size=3),
        max_size=6,
    )
)
def test_any_tensors_are_told_as_they_were_written(shapes) -> None:
    at, tensors = 0, []
    for name, extents in shapes.items():
        size = 4
        for extent in extents:
            size *= extent
        tensors.append((name, tuple(extents), at, size))
        at += size
    found = _found(index(*tensors))
    assert not found.findings
    assert {t.name: list(t.shape) for t in found.facts[0].tensors} == shapes


def test_it_survives_mutation() -> None:
    assert_survives("tensorflow-checkpoint", CLEAN)
