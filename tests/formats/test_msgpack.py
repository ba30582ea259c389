from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.msgpack import pack
from scanner.model import Tensor
from scanner.reader import Budget, BytesReader, Cursor
from scanner.wire.msgpack import walk
from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of

CLEAN = fixture("msgpack/clean/flax.msgpack")


@pytest.mark.parametrize("name", ["flax.msgpack", "numbers.msgpack", "empty"])
def test_ordinary_files_have_no_finding_and_no_gap(name: str) -> None:
    found = examined(fixture(f"msgpack/clean/{name}"), name)
    assert found.formats == ("msgpack",)
    assert not found.findings
    assert not found.gaps


def test_arrays_of_flax_are_listed_with_their_places() -> None:
    found = inspect_bytes("msgpack", CLEAN)
    kernel, bias = found.facts[0].tensors
    assert (kernel.name, kernel.dtype, kernel.shape, kernel.length) == (
        "params/dense/kernel",
        "f32",
        (3, 2),
        24,
    )
    assert bias == Tensor("params/dense/bias", "bf16", (2,), bias.offset, 4)
    assert kernel.offset is not None
    assert CLEAN[kernel.offset : kernel.offset + 24] == bytes(24)
    assert [text.text[:8] for text in found.texts] == ["weighed "]


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("pickled", {"msgpack/pickled-array", "pickle/dangerous-callable", "pickle/present"}),
        ("late-kind", {"msgpack/pickled-array", "pickle/dangerous-callable", "pickle/present"}),
        ("leaf", {"pickle/dangerous-callable", "pickle/present"}),
    ],
)
def test_what_would_be_unpickled_is_found(name: str, rules: set[str]) -> None:
    found = examined(fixture(f"msgpack/unsafe/{name}.msgpack"), "model.msgpack")
    assert {f.rule.id for f in found.findings} == rules


def test_what_lies_behind_is_looked_at() -> None:
    found = examined(fixture("msgpack/unsafe/tail.msgpack"), "model.msgpack")
    assert "msgpack/trailing-data" in {f.rule.id for f in found.findings}


@pytest.mark.parametrize("name", ["cut", "count"])
def test_broken_files_are_gaps(name: str) -> None:
    assert inspect_bytes("msgpack", fixture(f"msgpack/broken/{name}.msgpack")).gaps


def test_maps_that_begin_like_extension_codes_of_pickle_are_no_pickles() -> None:
    data = pack({"nodes": [{"index": 0, "name": "x"}], "attrs": [], "params": [], "shims": []})
    assert data[0] == 0x84
    assert names_of(data, "model") == {"msgpack"}


def test_other_bytes_are_none() -> None:
    for data in (b"\x80\x04N.", b"\x85abc", "ßa".encode(), b"\xdf\xff\xff\xff\xff\xa1a", b"\x81\xc1"):
        assert "msgpack" not in names_of(data)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats()
    | st.text(max_size=40)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_every_byte_belongs_to_an_item(value: object) -> None:
    cursor = Cursor(BytesReader(pack(value)), Budget())
    items = list(walk(cursor))
    assert not cursor.left
    assert not items[0].path


def test_it_survives_mutation_and_depth() -> None:
    assert_survives("msgpack", CLEAN)
    assert inspect_bytes("msgpack", b"\x81\xa1w" + b"\x91" * 10_000 + b"\xc0").gaps


@pytest.mark.parametrize("magic", [b"\x89PNG\r\n\x1a\n" + bytes(64), b"\x89HDF\r\n\x1a\n" + bytes(64)])
def test_signatures_that_look_like_maps_of_numbers_are_none(magic: bytes) -> None:
    assert "msgpack" not in names_of(magic)
    assert "msgpack" not in names_of(magic + bytes(9000))
