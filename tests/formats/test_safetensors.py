from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of

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


def test_it_survives_mutation() -> None:
    assert_survives("safetensors", CLEAN)
