from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from scanner.formats.safetensors import _BITS
from scanner.model import Claimed
from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("safetensors/clean/model.safetensors")


def test_a_clean_file_has_facts_and_no_finding() -> None:
    found = inspect_bytes("safetensors", CLEAN)
    assert not found.findings
    assert not found.gaps
    assert [(t.name, t.dtype, t.shape) for t in found.facts[0].tensors] == [("w", "f32", (2, 2))]


@pytest.mark.parametrize(
    ("name", "rule"), [("tail", "safetensors/layout"), ("twice", "safetensors/duplicate-key")]
)
def test_unsafe_files_are_found(name: str, rule: str) -> None:
    assert rules_of(inspect_bytes("safetensors", fixture(f"safetensors/unsafe/{name}.safetensors"))) == {rule}


def test_truncated_at_every_byte_is_a_gap_and_never_clean() -> None:
    for cut in range(8, len(CLEAN)):
        assert inspect_bytes("safetensors", CLEAN[:cut]).gaps, cut


def test_ten_gibibytes_claimed_in_a_hundred_bytes() -> None:
    data = fixture("safetensors/broken/claims-10-gib.safetensors")
    assert len(data) == 100
    assert "safetensors" not in names_of(data)
    assert inspect_bytes("safetensors", data).gaps


def test_a_million_deep_header_is_a_gap() -> None:
    raw = b'{"a":' + b"[" * 1_000_000
    assert inspect_bytes("safetensors", struct.pack("<Q", len(raw)) + raw).gaps


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.lists(st.integers(0, 4), max_size=3), max_size=5))
def test_it_agrees_with_the_reference_writer(shapes) -> None:
    shapes = {name: shape for name, shape in shapes.items() if name != "__metadata__"}
    data = save({name: np.zeros(shape, np.float16) for name, shape in shapes.items()})
    found = inspect_bytes("safetensors", data)
    assert not found.findings
    assert not found.gaps
    assert {t.name: list(t.shape) for t in found.facts[0].tensors} == shapes
    assert (
        json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).keys() - {"__metadata__"}
        == shapes.keys()
    )


def _file(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def _reference(data: bytes) -> dict[str, tuple[str, list[int]]] | None:
    try:
        return {name: (entry["dtype"].lower(), entry["shape"]) for name, entry in deserialize(data)}
    except SafetensorError:
        return None


def test_the_dtypes_are_those_of_the_reference_reader() -> None:
    with pytest.raises(SafetensorError, match="unknown variant") as refusal:
        deserialize(_file(b'{"a":{"dtype":"?","shape":[8],"data_offsets":[0,0]}}'))
    assert set(_BITS) == set(str(refusal.value).partition("one of")[2].split("`")[1::2])
    for dtype, bits in _BITS.items():
        entry = json.dumps({"a": {"dtype": dtype, "shape": [8], "data_offsets": [0, bits]}}).encode()
        data = _file(entry, bytes(bits))
        assert _reference(data) == {"a": (dtype.lower(), [8])}
        assert not inspect_bytes("safetensors", data).gaps


ENTRY = b'{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'


@pytest.mark.parametrize(
    "header",
    [
        b"{}",
        b'{"__metadata__":null}',
        b'{"a":' + ENTRY + b"}   \n",
        b' {"a":' + ENTRY + b"}",
        b'{"a":' + ENTRY + b"}\0\0",
        b'{"a":["F32",[1],[0,4]]}',
        b'{"a":' + ENTRY[:-1] + b',"z":NaN}}',
        b'{"a":' + ENTRY[:-1] + b',"z":1}}',
        b'{"a":{"dtype":"I32",' + ENTRY[1:] + b"}",
        b'{"a\\ud800":' + ENTRY + b"}",
        b'{"__metadata__":{"a":1}}',
        b'{"__metadata__":{"a":"b"},"__metadata__":{"a":"c"}}',
        b'{"a":{"dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[0,0]}}',
        b'{"a":{"dtype":"F32","shape":[9223372036854775808,9223372036854775808,0],"data_offsets":[0,0]}}',
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0.0,4]}}',
        b'{"a":{"dtype":"F32","shape":[true],"data_offsets":[0,4]}}',
        b'{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}',
        b'{"b":{"dtype":"F32","shape":[0],"data_offsets":[2,2]},"a":' + ENTRY + b"}",
        b"\xef\xbb\xbf{}",
        b"[]",
    ],
)
def test_odd_headers_are_read_like_the_reference_reader_or_it_is_said(header: bytes) -> None:
    for body in (b"", bytes(4)):
        _compare(_file(header, body))


def _compare(data: bytes) -> None:
    """Promise: what the library loads we read alike, or we say so; what it refuses we do not pass."""
    found = inspect_bytes("safetensors", data)
    theirs = _reference(data)
    ours = {t.name: (t.dtype, list(t.shape)) for facts in found.facts for t in facts.tensors}
    if theirs is None:
        assert found.gaps or found.findings
    elif "safetensors/reference-disagrees" not in rules_of(found):
        assert not found.gaps
        assert ours == theirs


@given(
    st.lists(st.tuples(st.integers(0, 200), st.sampled_from(b'{}[]":,. \\0123456789aFTeu-')), max_size=4),
    st.booleans(),
)
def test_a_header_changed_in_some_places_is_read_like_the_reference_reader_or_it_is_said(
    changes, insert: bool
) -> None:
    header = bytearray(
        b'{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},'
        b'"b":{"dtype":"BF16","shape":[],"data_offsets":[8,10]}}'
    )
    for at, byte in changes:
        place = at % len(header)
        header[place : place + (not insert)] = bytes([byte])
    _compare(_file(bytes(header), bytes(10)))


def test_a_disagreement_about_a_header_that_we_cannot_read_is_found_beside_the_gap() -> None:
    # Our reader stops at 1000 levels or less, the library at 128: both refuse, so nobody disagrees.
    deep = b'{"a":' + ENTRY[:-1] + b',"z":' + b"[" * 150 + b"]" * 150 + b"}}"
    found = inspect_bytes("safetensors", _file(deep, bytes(4)))
    assert rules_of(found) == {"safetensors/header"}


def test_the_reference_reader_is_not_asked_about_a_header_that_would_fill_its_memory() -> None:
    odd = b'{"__metadata__":{"a":"\\ud800"}}'
    assert rules_of(inspect_bytes("safetensors", _file(odd))) == {"safetensors/reference-disagrees"}
    found = inspect_bytes("safetensors", _file(odd + b" " * (17 << 20)))
    assert not found.findings
    assert not found.gaps


def test_metadata_makes_claims() -> None:
    metadata = {"format": "pt", "modelspec.license": "MIT", "modelspec.title": "Weighed", "other": "x"}
    data = save({"w": np.zeros(1)}, metadata=metadata)
    claims = {c.what: c.value for c in inspect_bytes("safetensors", data).facts[0].claims}
    assert claims == {Claimed.LIBRARY: "pytorch", Claimed.LICENCE: "MIT", Claimed.NAME: "Weighed"}


def test_what_lies_behind_the_last_tensor_is_handed_on() -> None:
    child = inspect_bytes("safetensors", fixture("safetensors/unsafe/tail.safetensors")).children[0]
    assert child.reader.read_at(0, 20) == b"hidden bytes"


def test_odd_entries_by_the_thousand_are_one_finding() -> None:
    entries = {f"t{i}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0], "x": 1} for i in range(5000)}
    found = inspect_bytes("safetensors", _file(json.dumps(entries).encode()))
    assert len(found.findings) == 1


def test_it_survives_mutation() -> None:
    assert_survives("safetensors", CLEAN)


def test_a_header_of_eighty_bytes_and_no_line_end_is_no_pickle() -> None:
    """`P`, the first byte of such a length, is an opcode that runs to the end of its line."""
    header = b'{"w":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (1 << 20, 1 << 20)
    data = (80).to_bytes(8, "little") + header.ljust(80) + bytes(1 << 20)
    found = examined(data, "model.safetensors", bytes=1 << 19)
    assert found.formats == ("safetensors",)
    assert not found.gaps
