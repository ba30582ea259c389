from __future__ import annotations

import pytest

from fixtures.recipes.inert import SCRIPT, pdf
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of


def test_a_page_that_opens_at_a_place_is_clean() -> None:
    data = fixture("pdf/clean/page.pdf")
    found = inspect_bytes("pdf", data)
    assert names_of(data) == {"pdf", "text"} or names_of(data) == {"pdf"}
    assert not found.findings
    assert not found.gaps
    assert found.facts[0].version == "1.7"


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("script", "pdf/script"),
        ("packed", "pdf/script"),
        ("escaped", "pdf/script"),
        ("launch", "pdf/launch"),
        ("archive", "pdf/trailing-bytes"),
    ],
)
def test_unsafe_documents_are_found(name: str, rule: str) -> None:
    found = inspect_bytes("pdf", fixture(f"pdf/unsafe/{name}.pdf"))
    assert rules_of(found) == {rule}
    assert not found.gaps


def test_what_lies_behind_the_document_is_handed_on() -> None:
    child = inspect_bytes("pdf", fixture("pdf/unsafe/archive.pdf")).children[0]
    assert child.reader.read_at(0, 5).strip() == b"PK\3\4"


def test_an_object_stream_that_cannot_be_expanded_is_a_gap() -> None:
    data = pdf(SCRIPT, packed=True)
    at = data.index(b"stream\n") + 7
    found = inspect_bytes("pdf", data[:at] + b"\xff" * 8 + data[at + 8 :])
    assert "object streams" in found.gaps[0].reason


def test_a_document_that_is_cut_is_a_gap() -> None:
    assert inspect_bytes("pdf", fixture("pdf/broken/cut.pdf")).gaps


def test_a_thousand_object_streams_before_much_data_take_no_time() -> None:
    stream = b"/Type/ObjStm/Filter/FlateDecode>>stream\n\x78\x9c\3\0\0\0\0\1\nendstream "
    found = inspect_bytes("pdf", b"%PDF-1.7\n" + stream * 1000 + bytes(8 << 20) + b"%%EOF")
    assert not found.gaps


def test_it_survives_mutation() -> None:
    assert_survives("pdf", fixture("pdf/unsafe/packed.pdf"))
