from __future__ import annotations

import platform
import struct
import sys
from pathlib import Path

import pytest

from fixtures.recipes.native import elf
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of

LIBRARY = fixture("elf/unsafe/library.so")


def test_a_library_is_found_and_says_what_it_needs() -> None:
    found = inspect_bytes("elf", LIBRARY)
    assert names_of(LIBRARY) == {"elf"}
    assert rules_of(found) == {"elf/present"}
    assert not found.gaps
    assert dict(found.facts[0].metadata) == {
        "type": "shared object",
        "architecture": "x86-64",
        "bits": "64",
        "libraries": "libc.so.6, libm.so.6",
        "library paths": "$ORIGIN/lib",
    }


def test_text_that_mentions_it_is_not_it() -> None:
    assert names_of(fixture("elf/clean/mentioned.txt")) == {"text"}


def test_a_cut_library_is_still_found_and_a_gap() -> None:
    for cut in range(4, len(LIBRARY)):
        found = inspect_bytes("elf", LIBRARY[:cut])
        assert found.gaps, cut
        assert rules_of(found) == ({"elf/present"} if cut >= 64 else set()), cut


@pytest.mark.parametrize("order", ["<", ">"])
def test_32_bit_headers_are_read_in_both_byte_orders(order: str) -> None:
    ident = b"\x7fELF\x01" + (b"\x01" if order == "<" else b"\x02") + bytes(10)
    header = struct.pack(order + "HHIIIIIHHHHHH", 1, 40, 1, 0, 0, 0, 0, 52, 0, 0, 0, 0, 0)
    found = inspect_bytes("elf", ident + header)
    assert not found.gaps
    assert dict(found.facts[0].metadata) == {"type": "object file", "architecture": "arm", "bits": "32"}


def test_a_table_of_65535_segments_that_are_not_there_is_a_gap() -> None:
    data = bytearray(LIBRARY)
    data[56:58] = b"\xff\xff"
    assert inspect_bytes("elf", bytes(data)).gaps


@pytest.mark.skipif(sys.platform != "linux", reason="reads the ELF file of the interpreter that runs this")
def test_the_interpreter_that_runs_this_is_read_without_a_gap() -> None:
    found = inspect_bytes("elf", Path(sys.executable).resolve().read_bytes())
    facts = dict(found.facts[0].metadata)
    assert not found.gaps
    assert facts["type"] == "executable"
    assert facts["architecture"] == {"x86_64": "x86-64"}.get(platform.machine(), platform.machine())
    assert "libc.so" in facts["libraries"]


def test_it_survives_mutation() -> None:
    assert_survives("elf", elf())
