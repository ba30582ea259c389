from __future__ import annotations

import random

import pytest

from scanner.model import Coverage
from tests.support import assert_survives, fixture, inspect_bytes, names_of


def test_text_is_read_whole_and_surfaced() -> None:
    data = fixture("text/clean/note.txt")
    found = inspect_bytes("text", data)
    assert names_of(data) == {"text"}
    assert found.coverage is Coverage.WHOLE
    assert found.texts[0].text.startswith("Weighed")


def test_an_empty_file_is_text() -> None:
    assert "text" in names_of(b"")


def test_broken_utf8_in_a_short_file_is_not_text() -> None:
    assert "text" not in names_of(fixture("text/broken/cut.txt"))


def test_it_survives_mutation() -> None:
    assert_survives("text", fixture("text/clean/note.txt"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "cp1252", "latin-1"])
def test_other_encodings_are_read(encoding: str) -> None:
    bom = b"\xfe\xff" if encoding == "utf-16-be" else b""
    data = bom + ("für gut befunden, ganz gewiss\n" * 4).encode(encoding)
    found = inspect_bytes("text", data)
    assert names_of(data) == {"text"}
    assert found.texts[0].text.lstrip("\ufeff").startswith("für gut")
    assert not found.gaps


@pytest.mark.parametrize("start", [0, 5000, 3 << 20])
def test_a_text_that_goes_on_as_bytes_is_a_gap(start: int) -> None:
    text = b"Read me first. Nothing to see here.\n"
    data = text * (start // len(text) + 120) + random.Random(7).randbytes(20_000)
    assert "text" in names_of(data)
    gap = inspect_bytes("text", data).gaps[0]
    assert abs((gap.location.offset or 0) - (len(data) - 20_000)) <= 4096


def test_a_stray_control_character_is_ordinary() -> None:
    data = (b"gathered text\n" * 400 + b"\x00\x02\n") * 30
    assert not inspect_bytes("text", data).gaps


def test_bytes_behind_the_mark_of_utf_16_are_no_text() -> None:
    noise = random.Random(7).randbytes(20_000)
    assert "text" not in names_of(b"\xff\xfe" + noise)
    hidden = "Read me.\n".encode("utf-16") * 500 + noise * 4
    assert inspect_bytes("text", hidden).gaps
