from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.sentencepiece import field
from scanner.errors import BudgetExceeded, FormatError
from scanner.reader import Budget, BytesReader
from scanner.wire.protobuf import GROUP, LENGTH, Wire, fields, signed


def _wire(data: bytes) -> Wire:
    return Wire(BytesReader(data), Budget())


@given(
    st.lists(st.tuples(st.integers(1, (1 << 29) - 1), st.integers(0, (1 << 64) - 1) | st.binary(max_size=40)))
)
def test_a_reader_is_walked_like_bytes(parts) -> None:
    data = b"".join(field(number, content) for number, content in parts)
    wire = _wire(data)
    walked = list(wire.fields())
    assert walked == list(fields(data, Budget()))
    told = [(f.number, wire.content(f, 40) if f.kind == LENGTH else f.value) for f in walked]
    assert told == parts


@given(st.binary(max_size=60))
def test_any_bytes_are_fields_or_an_error_of_ours(data: bytes) -> None:
    wire, at = _wire(data), 0
    try:
        for part in wire.fields():
            assert at < part.end <= len(data)
            at = part.end
    except (FormatError, BudgetExceeded):
        return
    assert at <= len(data)


def test_a_group_is_one_field_with_its_content() -> None:
    inner = field(2, 7) + field(3, b"text")
    data = field(1, 1) + b"\x2b" + inner + b"\x13" + field(9, 9) + b"\x14" + b"\x2c" + field(4, 4)
    parts = list(_wire(data).fields())
    assert [(p.number, p.kind) for p in parts] == [(1, 0), (5, GROUP), (4, 0)]
    assert data[parts[1].start : parts[1].end].startswith(inner)


@pytest.mark.parametrize(
    "data",
    [b"\x0b", b"\x0b\x14", b"\x0c", b"\x0e", b"\x00\x00", b"\x0a\x05abc", b"\x08", b"\x80" * 11, b"\x0d\0\0"],
)
def test_malformed_fields_are_errors(data: bytes) -> None:
    with pytest.raises(FormatError):
        list(_wire(data).fields())


def test_groups_nest_only_so_deep() -> None:
    with pytest.raises(BudgetExceeded):
        list(_wire(b"\x0b" * 500).fields())


def test_packed_and_single_numbers_are_the_same() -> None:
    wire = _wire(field(1, b"\x01\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01") + field(1, 3))
    assert [number for part in wire.fields() for number in wire.numbers(part)] == [1, 2, -1, 3]
    assert signed((1 << 64) - 5) == -5


def test_a_field_longer_than_expected_is_an_error() -> None:
    wire = _wire(field(1, b"x" * 100))
    with pytest.raises(FormatError, match="at most 10"):
        wire.content(next(wire.fields()), 10)
