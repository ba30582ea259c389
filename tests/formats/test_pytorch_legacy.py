from __future__ import annotations

import pickle
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.pytorch_legacy import state, storage, stream, tensor
from scanner.examination import Assignment, examine
from scanner.reader import BytesOpener, Limits
from scanner.wire.torch_pickle import has_legacy_magic, text_list
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("pytorch-legacy/clean/state.pt")
SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)


def severities(data: bytes) -> set[str]:
    """Of the pickles inside, each read as the child that it is."""
    found = inspect_bytes("pytorch-legacy", data)
    inner = [
        examine(Assignment(c.name, BytesOpener(c.reader.read_at(0, c.reader.size)), Limits()))
        for c in found.children
    ]
    return {f.rule.severity.value for result in inner for f in result.findings}


def test_a_state_dict_has_facts_and_no_finding() -> None:
    found = inspect_bytes("pytorch-legacy", CLEAN)
    assert not found.findings
    assert not found.gaps
    weight, bias = found.facts[0].tensors
    assert (weight.name, weight.dtype, weight.shape, weight.length) == ("weight", "f32", (2, 3), 24)
    assert weight.offset == len(CLEAN) - 16 - 8 - 24
    assert (bias.offset, bias.length) == (len(CLEAN) - 12, 8)
    assert [(c.name, c.read_as) for c in found.children] == [("data", "pickle")]
    assert severities(CLEAN) == {"medium"}


def test_source_of_module_classes_is_surfaced() -> None:
    found = inspect_bytes("pytorch-legacy", fixture("pytorch-legacy/clean/source.pt"))
    assert not found.gaps
    assert [(t.text, t.kind) for t in found.texts] == [("class Net: ...\n", "code")]


@pytest.mark.parametrize("name", ["payload", "payload-then-cut"])
def test_a_payload_in_the_data_is_found(name: str) -> None:
    assert "critical" in severities(fixture(f"pytorch-legacy/unsafe/{name}.pt"))


def test_what_lies_behind_the_numbers_is_handed_on() -> None:
    data = fixture("pytorch-legacy/unsafe/tail.pt")
    assert rules_of(inspect_bytes("pytorch-legacy", data)) == {"pytorch-legacy/trailing-data"}
    assert "critical" in severities(data)


def test_another_count_than_declared_is_found() -> None:
    found = inspect_bytes("pytorch-legacy", fixture("pytorch-legacy/unsafe/count.pt"))
    assert rules_of(found) == {"pytorch-legacy/storage"}


@pytest.mark.parametrize("name", ["cut", "protocol", "keys-computed"])
def test_broken_streams_are_gaps(name: str) -> None:
    assert inspect_bytes("pytorch-legacy", fixture(f"pytorch-legacy/broken/{name}.pt")).gaps


def test_a_key_that_no_pickle_asks_for_is_found_and_what_follows_is_handed_on() -> None:
    found = inspect_bytes("pytorch-legacy", fixture("pytorch-legacy/broken/key-unknown.pt"))
    assert rules_of(found) == {"pytorch-legacy/storage", "pytorch-legacy/trailing-data"}
    assert found.children[-1].name.startswith("bytes at")


def test_truncated_at_every_byte_is_a_gap() -> None:
    for cut in range(13, len(CLEAN)):
        assert inspect_bytes("pytorch-legacy", CLEAN[:cut]).gaps, cut


@pytest.mark.parametrize("count", [-1, 1 << 40, (1 << 63) - 1])
def test_a_count_that_lies_is_a_gap(count: int) -> None:
    data = stream(state({"w": tensor(storage("0", 6), (6,))}), {"0": bytes(24)}, {"0": count})
    assert inspect_bytes("pytorch-legacy", data).gaps


def test_a_tensor_past_the_end_of_its_storage_is_found() -> None:
    data = stream(state({"w": tensor(storage("0", 6), (6,), 1)}), {"0": bytes(24)})
    found = inspect_bytes("pytorch-legacy", data)
    assert rules_of(found) == {"pytorch-legacy/storage"}
    assert found.facts[0].tensors[0].offset is None


@given(st.dictionaries(st.text(min_size=1, max_size=5), SHAPES, min_size=1, max_size=80))
def test_every_storage_is_found_however_many(shapes: dict[str, tuple[int, ...]]) -> None:
    tensors, bodies = {}, {}
    for index, (name, shape) in enumerate(shapes.items()):
        count = 1
        for extent in shape:
            count *= extent
        tensors[name] = tensor(storage(str(index), count), shape)
        bodies[str(index)] = struct.pack("<i", index) * count
    data = stream(state(tensors), bodies)
    found = inspect_bytes("pytorch-legacy", data)
    assert not found.findings
    assert not found.gaps
    for index, fact in enumerate(found.facts[0].tensors):
        assert data[fact.offset : fact.offset + fact.length] == bodies[str(index)]
    assert {t.name: t.shape for t in found.facts[0].tensors} == shapes


@given(st.lists(st.text(max_size=300), max_size=2000), st.integers(0, 5))
def test_a_list_of_texts_is_read_as_pickle_reads_it(texts: list[str], protocol: int) -> None:
    found = text_list(pickle.dumps(texts, protocol=protocol))
    assert (
        found == texts if protocol >= 2 and len(set(map(id, texts))) == len(texts) else found in (None, texts)
    )


@given(
    st.lists(
        st.sampled_from([b"]", b"(", b"a", b"e", b".", b"X\1\0\0\0x", b"q\0", b"\x80\2", b"N", b"t"]),
        max_size=9,
    )
)
def test_what_is_accepted_is_that_list(parts: list[bytes]) -> None:
    data = b"".join(parts)
    found = text_list(data)
    if found is not None:
        assert pickle.loads(data) == found


@pytest.mark.parametrize("protocol", range(6))
def test_the_magic_is_known_in_every_protocol(protocol: int) -> None:
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=protocol)
    assert has_legacy_magic(magic)
    assert not has_legacy_magic(magic[:-2])
    assert "pytorch-legacy" in names_of(magic + CLEAN)


def test_it_survives_mutation() -> None:
    for name in ("clean/state", "clean/source", "broken/keys-computed"):
        assert_survives("pytorch-legacy", fixture(f"pytorch-legacy/{name}.pt"))
