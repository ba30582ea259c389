from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.datasets import record
from scanner.formats.tfrecord import masked_crc
from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of

CLEAN = fixture("tfrecord/clean/two.tfrecord")


def test_records_and_features_are_told() -> None:
    assert examined(CLEAN, "two.tfrecord").formats == ("tfrecord",)
    found = inspect_bytes("tfrecord", CLEAN)
    assert dict(found.facts[0].metadata) == {"records": "2", "features": "image: bytes, label: int64"}
    assert not found.gaps


def test_records_of_something_else_are_counted() -> None:
    found = inspect_bytes("tfrecord", fixture("tfrecord/clean/other.tfrecord"))
    assert dict(found.facts[0].metadata) == {"records": "1"}


def test_the_checksum_is_that_of_the_specification() -> None:
    """RFC 3720 B.4: 32 zeros have the CRC-32C 0x8A9136AA."""
    crc = 0x8A9136AA
    assert masked_crc(bytes(32)) == ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@pytest.mark.parametrize("name", ["cut", "checksum"])
def test_what_cannot_be_read_is_a_gap(name: str) -> None:
    assert inspect_bytes("tfrecord", fixture(f"tfrecord/broken/{name}.tfrecord")).gaps


def test_truncated_at_every_byte_is_a_gap_but_between_records() -> None:
    for cut in range(1, len(CLEAN)):
        assert inspect_bytes("tfrecord", CLEAN[:cut]).gaps or cut == len(CLEAN) // 2, cut


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=5))
def test_any_records_are_counted(contents: list[bytes]) -> None:
    data = b"".join(map(record, contents))
    assert "tfrecord" in names_of(data)
    assert dict(inspect_bytes("tfrecord", data).facts[0].metadata)["records"] == str(len(contents))


def test_it_survives_mutation() -> None:
    assert_survives("tfrecord", CLEAN)
