from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.tensorflow import layer
from tests.support import assert_survives, fixture, inspect_bytes, names_of

CLEAN = fixture("keras-metadata/clean/keras_metadata.pb")


def test_each_layer_hands_its_configuration_on() -> None:
    found = inspect_bytes("keras-metadata", CLEAN)
    assert names_of(CLEAN, "keras_metadata.pb") == {"keras-metadata"}
    assert not found.gaps
    assert [(child.name, child.read_as) for child in found.children] == [
        ("root", "keras-config"),
        ("root.a", "keras-config"),
    ]
    assert found.children[0].reader.read_at(0, 14) == b'{"class_name":'


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=8))
def test_any_configuration_is_handed_on_as_it_stands(configs: list[bytes]) -> None:
    data = b"".join(layer("root", "_tf_keras_layer", config) for config in configs)
    found = inspect_bytes("keras-metadata", data)
    assert [child.reader.read_at(0, 40) for child in found.children] == configs


def test_cut_anywhere_is_a_gap_or_ends_behind_a_layer() -> None:
    ends = {0, len(layer("root", "_tf_keras_sequential", CLEAN[CLEAN.index(b"{") : CLEAN.index(b"}}") + 2]))}
    for cut in range(len(CLEAN)):
        assert bool(inspect_bytes("keras-metadata", CLEAN[:cut]).gaps) == (cut not in ends), cut


def test_a_length_of_terabytes_is_no_reason_to_fill_the_memory() -> None:
    assert "keras-metadata" not in names_of(b"\x0a\xff\xff\xff\xff\xff\x7f" + CLEAN[2:])


def test_it_survives_mutation() -> None:
    assert_survives("keras-metadata", CLEAN)
