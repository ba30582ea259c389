from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.parquet import compact
from scanner.errors import BudgetExceeded, FormatError
from scanner.reader import Budget
from scanner.wire.thrift import STRUCT, Compact

_LEAVES = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1), st.binary(max_size=20), st.floats(allow_nan=False), st.booleans()
)
_STRUCTS = st.recursive(
    st.dictionaries(st.integers(1, 200), _LEAVES, max_size=6),
    lambda inner: st.dictionaries(
        st.integers(1, 200),
        st.one_of(inner, st.lists(st.integers(0, 9), max_size=20), st.lists(inner, min_size=1, max_size=3)),
        max_size=4,
    ),
    max_leaves=10,
)


def _read(data: bytes, **budget: int) -> object:
    return Compact(data, Budget(**budget)).value(STRUCT)


@given(_STRUCTS)
def test_what_was_written_is_read(fields) -> None:
    assert _read(compact(fields)) == fields


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        _read(data, items=1000)
    except (FormatError, BudgetExceeded):
        return


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x1e", "kind 14 is unknown"),
        (b"\x16" + b"\xff" * 11, "64 bits"),
        (b"\x16\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "64 bits"),
        (b"\x18\xff\xff\xff\xff\x0f", "bytes are declared"),
        (b"\x19\xfc\xff\xff\xff\xff\x0f", "elements is declared"),
        (b"\x1b\xff\xff\xff\xff\x0f", "entries is declared"),
        (b"\x1c" * 100, "deep"),
        (b"\x15", "cut"),
        (b"", "ends early"),
    ],
)
def test_what_is_malformed_says_so(data: bytes, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        _read(data)


def test_maps_and_the_rest_of_the_kinds_are_read() -> None:
    data = b"\x1b\x02\x85\x01a\x02\x01b\x04" + b"\x1b\0" + b"\x13\x07" + b"\x1d" + bytes(16) + b"\0"
    expected = {1: [(b"a", 1), (b"b", 2)], 2: [], 3: 7, 4: bytes(16)}
    assert _read(data) == expected
