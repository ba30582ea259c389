from __future__ import annotations

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
