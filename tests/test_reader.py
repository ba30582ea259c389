from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import BudgetExceeded, FormatError, ReadFailed
from scanner.reader import Budget, BytesReader, Cursor, FileOpener, Window, read_whole
from tests.support import POSIX


@given(st.binary(max_size=300), st.integers(-5, 310), st.integers(-5, 310))
def test_a_file_and_bytes_read_alike(tmp_path_factory, data: bytes, offset: int, length: int) -> None:
    path = tmp_path_factory.mktemp("r") / "f"
    path.write_bytes(data)
    with FileOpener(str(path)).open() as reader:
        assert reader.size == len(data)
        assert reader.read_at(offset, length) == BytesReader(data).read_at(offset, length)


def test_a_window_never_reads_past_its_end() -> None:
    window = Window(BytesReader(b"0123456789"), 2, 4)
    assert window.read_at(0, 100) == b"2345"
    assert window.read_at(4, 1) == b""
    with pytest.raises(FormatError):
        Window(BytesReader(b"0123"), 2, 3)


def test_a_cursor_refuses_what_is_not_there_before_it_allocates() -> None:
    cursor = Cursor(BytesReader(b"abc"), Budget())
    with pytest.raises(FormatError, match="10737418240 bytes are declared, 3 are left"):
        cursor.read(10 << 30)


def test_a_cursor_decodes_numbers() -> None:
    cursor = Cursor(BytesReader(bytes(range(1, 31))), Budget(), read_ahead=4)
    assert (cursor.u8(), cursor.u16(), cursor.u32(big=True)) == (1, 0x0302, 0x04050607)
    assert cursor.u64() == int.from_bytes(bytes(range(8, 16)), "little")
    cursor.skip(15)
    with pytest.raises(FormatError):
        cursor.skip(1)


def test_a_file_that_shrinks_fails_instead_of_crashing(tmp_path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"x" * 100)
    with FileOpener(str(path)).open() as reader:
        os.truncate(path, 10)
        with pytest.raises(ReadFailed, match="shorter"):
            reader.read_at(0, 100)


@POSIX
def test_a_fifo_is_refused_without_hanging(tmp_path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(ReadFailed, match="not a regular file"), FileOpener(str(fifo)).open():
        pass


def test_the_budget_is_spent_before_the_bytes_are_read() -> None:
    with pytest.raises(BudgetExceeded):
        read_whole(BytesReader(b"x" * 100), Budget(bytes=10), 1000)
    with pytest.raises(BudgetExceeded):
        read_whole(BytesReader(b"x" * 100), Budget(), 10)
