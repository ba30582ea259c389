from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.flatbuffers import Num, Nums, buffer, table
from scanner.errors import BudgetExceeded, FormatError
from scanner.reader import Budget, BytesReader
from scanner.wire.flatbuffers import Flat


def _flat(data: bytes) -> Flat:
    return Flat(BytesReader(data), Budget())


@given(
    st.integers(0, 255),
    st.integers(-(1 << 31), (1 << 31) - 1),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=9),
    st.lists(st.text(max_size=5), max_size=5),
)
def test_what_was_written_is_read(small, number, text, raw, numbers, texts) -> None:
    inner = table(text)
    fields = (
        Num(small, 1),
        None,
        Num(number),
        text,
        raw,
        Nums(tuple(numbers), 8),
        texts,
        [inner, inner],
        inner,
    )
    root = _flat(buffer(table(*fields))).root()
    assert root.number(0, 1) == small
    assert root.number(1, 4, 7) == 7
    assert root.number(2, 4, signed=True) == number
    assert root.text(3) == text
    assert root.vector(4, 1).window().read_at(0, 99) == raw
    assert root.vector(5, 8).numbers(8) == numbers
    assert list(root.vector(6).texts()) == texts
    assert [item.text(0) for item in root.vector(7).tables()] == [text, text]
    inside = root.table(8)
    assert inside is not None
    assert inside.text(0) == text
    assert root.number(99, 4, 5) == 5
    assert root.table(99) is None


@given(st.binary(max_size=80))
def test_any_bytes_are_a_table_or_an_error_of_ours(data: bytes) -> None:
    try:
        root = _flat(data).root()
        for slot in range(4):
            root.number(slot, 4)
            root.text(slot)
            list(root.vector(slot).tables())
    except (FormatError, BudgetExceeded):
        return


def test_a_vector_longer_than_the_file_is_an_error() -> None:
    data = bytearray(buffer(table(b"abcd")))
    data[data.index(b"\x04\0\0\0abcd")] = 0xFF
    with pytest.raises(FormatError, match="255 elements"):
        _flat(bytes(data)).root().vector(0, 1)
