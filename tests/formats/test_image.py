from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes import inert
from scanner.formats.image import FORMAT
from scanner.inspection import run
from scanner.model import Location
from scanner.reader import Budget, BytesReader
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of

KINDS = {
    "texts.png": "png",
    "a.jpg": "jpeg",
    "a.gif": "gif",
    "a.webp": "webp",
    "a.bmp": "bmp",
    "a.ico": "ico",
    "a.tif": "tiff",
}


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_a_clean_picture_has_neither_finding_nor_gap(name: str, kind: str) -> None:
    data = fixture(f"image/clean/{name}")
    found = inspect_bytes("image", data)
    assert names_of(data, name) == {"image"}
    assert not found.findings
    assert not found.gaps
    assert found.facts[0].version == kind


def test_texts_in_pictures_are_surfaced() -> None:
    found = inspect_bytes("image", fixture("image/clean/texts.png"))
    assert [text.text for text in found.texts] == ["plainly said", "gewogen für gut"]
    assert [(c.name, c.codec, c.read_as) for c in found.children] == [
        ("text Note", "zlib", "text"),
        ("text More", "zlib", "text"),
    ]
    for name in ("a.jpg", "a.gif"):
        assert [t.text for t in inspect_bytes("image", fixture(f"image/clean/{name}")).texts] == ["a comment"]
    xmp = inert.segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>")
    exif = inert.segment(0xE1, b"Exif\0\0II*\0\x01\x02Camera of mine\0\0")
    found = inspect_bytes("image", inert.jpeg(xmp, exif))
    assert [text.text for text in found.texts] == ["<x:xmpmeta/>", "Camera of mine"]


@pytest.mark.parametrize(
    ("name", "first"), [("archive.png", b"PK\3\4"), ("script.jpg", b"#!/b"), ("tail.gif", b"\x80\4cp")]
)
def test_what_lies_behind_a_picture_is_found_and_handed_on(name: str, first: bytes) -> None:
    found = inspect_bytes("image", fixture(f"image/unsafe/{name}"))
    assert rules_of(found) == {"image/trailing-bytes"}
    assert found.children[-1].reader.read_at(0, 4) == first


@pytest.mark.parametrize("name", [name for name in KINDS if name != "a.tif"])
@given(tail=st.binary(min_size=17, max_size=60))
def test_the_end_of_every_picture_is_exact(name: str, tail: bytes) -> None:
    data = fixture(f"image/clean/{name}")
    tail = b"\x01" + tail[1:]
    found = inspect_bytes("image", data + tail)
    assert found.findings[0].location.offset == len(data)
    assert found.children[-1].reader.read_at(0, 99) == tail


def test_padding_and_a_few_stray_bytes_are_no_payload() -> None:
    assert not inspect_bytes("image", inert.png() + bytes(512) + b"\r\n").findings
    assert not inspect_bytes("image", inert.png() + b"\x01" * 16).findings
    assert inspect_bytes("image", inert.png() + bytes(64 << 10) + b"\0").findings


def test_pictures_that_a_camera_appends_and_declares_are_ordinary() -> None:
    declared = inert.jpeg(inert.segment(0xE2, b"MPF\0II*\0")) + inert.jpeg()
    assert not inspect_bytes("image", declared).findings
    assert rules_of(inspect_bytes("image", inert.jpeg() + inert.jpeg())) == {"image/trailing-bytes"}


@given(st.lists(st.binary(max_size=40), max_size=6), st.binary(max_size=300))
def test_the_scan_of_a_jpeg_ends_at_its_first_marker(segments, noise: bytes) -> None:
    scan = noise.replace(b"\xff", b"\xff\x00")
    data = inert.jpeg(*(inert.segment(0xEC, part) for part in segments), scan=scan)
    found = inspect_bytes("image", data + b"behind the picture")
    assert found.findings[0].location.offset == len(data)


def test_a_marker_across_two_blocks_is_seen() -> None:
    for length in range((256 << 10) - 60, (256 << 10) + 4):
        data = inert.jpeg(scan=b"\x11" * length)
        found = inspect_bytes("image", data + b"behind the picture")
        assert found.findings[0].location.offset == len(data), length


def test_a_scan_that_breaks_off_hides_nothing() -> None:
    found = inspect_bytes("image", inert.jpeg()[:-4])
    assert not found.findings
    assert not found.gaps


@pytest.mark.parametrize("name", [name for name in KINDS if name not in {"a.jpg", "a.gif"}])
def test_cut_at_every_byte_is_a_gap(name: str) -> None:
    data = fixture(f"image/clean/{name}")
    for cut in range(18, len(data)):
        if names_of(data[:cut]) == {"image"}:
            assert inspect_bytes("image", data[:cut]).gaps, cut


@pytest.mark.parametrize("name", ["cut.png", "cut.jpg"])
def test_broken_pictures_are_gaps(name: str) -> None:
    assert inspect_bytes("image", fixture(f"image/broken/{name}")).gaps


def test_a_circle_of_directories_is_a_gap() -> None:
    data = bytearray(inert.tiff(">"))
    data[-4:] = struct.pack(">I", 8)
    assert "circle" in inspect_bytes("image", bytes(data)).gaps[0].reason


def test_bytes_that_resemble_a_picture_are_none() -> None:
    assert names_of(b"BM is short for bitmap, but this is a text.") == {"text"}
    assert "image" not in names_of(b"\0\0\1\0\1\0" + b"\xff" * 40)
    assert "image" not in names_of(b"RIFF\x04\0\0\0WAVE")


def test_a_picture_is_walked_in_few_reads() -> None:
    class Counting(BytesReader):
        reads = 0

        def read_at(self, offset: int, length: int) -> bytes:
            Counting.reads += 1
            return super().read_at(offset, length)

    chunks = [inert._chunk(b"IDAT", bytes(8192)) for _ in range(400)]
    run(FORMAT, Counting(inert.png(*chunks)), Budget(), Location("a.png"))
    assert Counting.reads < 80


def test_it_survives_mutation() -> None:
    for name in KINDS:
        assert_survives("image", fixture(f"image/clean/{name}"), 100)
