from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.coreml import weights
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("coreml-weights/clean/weight.bin")


def test_blobs_are_counted_and_stepped_over() -> None:
    found = inspect_bytes("coreml-weights", CLEAN)
    assert names_of(CLEAN, "weight.bin") == {"coreml-weights"}
    assert not found.findings
    assert not found.gaps
    assert found.facts[0].metadata == (("blobs", "2"),)


def test_what_lies_behind_the_last_blob_is_found_and_handed_on() -> None:
    found = inspect_bytes("coreml-weights", fixture("coreml-weights/unsafe/tail.bin"))
    assert rules_of(found) == {"coreml-weights/layout"}
    assert found.children[0].reader.read_at(0, 12) == b"hidden bytes"


@given(st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=6))
def test_any_blobs_are_counted(blobs: list[bytes]) -> None:
    found = inspect_bytes("coreml-weights", weights(*blobs))
    assert not found.findings
    assert not found.gaps
    assert found.facts[0].metadata == (("blobs", str(len(blobs))),)


def test_cut_before_the_end_of_a_blob_is_a_gap() -> None:
    for cut in range(64, len(CLEAN) - 64):
        assert inspect_bytes("coreml-weights", CLEAN[:cut]).gaps, cut


def test_it_survives_mutation() -> None:
    assert_survives("coreml-weights", CLEAN)
