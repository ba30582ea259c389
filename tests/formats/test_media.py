from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes import inert
from scanner.model import Coverage
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of

NAMES = ["a.wav", "a.mp4", "a.flac", "a.webm", "a.mp3", "a.ogg"]


@pytest.mark.parametrize("name", NAMES)
def test_a_clean_recording_has_neither_finding_nor_gap(name: str) -> None:
    data = fixture(f"media/clean/{name}")
    found = inspect_bytes("media", data)
    assert names_of(data, name) == {"media"}
    assert not found.findings
    assert not found.gaps
    assert found.facts[0].version == name[2:]
    walked = name in {"a.wav", "a.mp4", "a.webm"}
    assert found.coverage is (Coverage.STRUCTURE if walked else Coverage.SAMPLED)


@pytest.mark.parametrize("name", ["a.wav", "a.mp4", "a.webm"])
@given(tail=st.binary(min_size=17, max_size=60))
def test_what_lies_behind_a_recording_is_found_and_handed_on(name: str, tail: bytes) -> None:
    data = fixture(f"media/clean/{name}")
    tail = b"\x01\x02\x03\x04\x05\x06\x07\x08" + tail[8:]
    found = inspect_bytes("media", data + tail)
    assert rules_of(found) == {"media/trailing-bytes"}
    assert found.findings[0].location.offset == len(data)
    assert found.children[0].reader.read_at(0, 99) == tail


def test_comments_are_surfaced() -> None:
    assert "TITLE=Weighed" in inspect_bytes("media", inert.flac()).texts[0].text


def test_large_sizes_and_both_byte_orders_are_understood() -> None:
    wave = inert.wav()
    big = b"RIFX" + struct.pack(">I", len(wave) - 8) + wave[8:]
    assert not inspect_bytes("media", big).findings
    body = b"WAVE" + b"ds64" + struct.pack("<IQ", 28, 0)
    body += bytes(28)
    rf64 = b"RF64\xff\xff\xff\xff" + body[:8] + struct.pack("<IQ", 28, len(body)) + body[20:]
    assert not inspect_bytes("media", rf64).findings
    assert rules_of(inspect_bytes("media", rf64 + inert.archive())) == {"media/trailing-bytes"}
    large = inert.mp4() + struct.pack(">I4sQ", 1, b"mdat", 16 + 64) + bytes(64)
    assert not inspect_bytes("media", large).findings


@pytest.mark.parametrize("name", ["a.wav", "a.mp4", "a.webm"])
def test_cut_is_a_gap(name: str) -> None:
    data = fixture(f"media/clean/{name}")
    for cut in range(len(data) - 12, len(data)):
        assert inspect_bytes("media", data[:cut]).gaps, cut


def test_sound_without_a_tag_is_told_by_its_frames() -> None:
    frame = b"\xff\xfb\x90\x00" + bytes(413)
    assert names_of(frame * 2) == {"media"}
    assert names_of(frame) == set()


def test_text_in_utf_16_is_no_sound() -> None:
    assert names_of("aaaaaaaaaaaaaaaaaaaaaaaaaa\ufeff".encode("utf-16")) == {"text"}


def test_it_survives_mutation() -> None:
    for name in NAMES:
        assert_survives("media", fixture(f"media/clean/{name}"), 100)
