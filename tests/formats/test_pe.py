from __future__ import annotations

import struct

from fixtures.recipes.native import pe
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of

LIBRARY = fixture("pe/unsafe/library.dll")


def test_a_library_is_found_and_says_what_it_imports() -> None:
    found = inspect_bytes("pe", LIBRARY)
    assert names_of(LIBRARY) == {"pe"}
    assert rules_of(found) == {"pe/present"}
    assert not found.gaps
    assert dict(found.facts[0].metadata) == {
        "type": "library",
        "architecture": "x86-64",
        "bits": "64",
        "libraries": "KERNEL32.dll",
    }


def test_initials_are_not_a_program() -> None:
    assert names_of(fixture("pe/clean/mentioned.txt")) == {"text"}
    assert names_of(b"MZ" + bytes(58) + struct.pack("<I", 64) + b"PE\0\1" + bytes(40)) == set()


def test_a_header_far_behind_the_first_bytes_is_found() -> None:
    far = bytearray(LIBRARY[:64].ljust(0x3000, b"\0") + LIBRARY[64:0x400])
    far[60:64] = struct.pack("<I", 0x3000)
    assert names_of(bytes(far)) == {"pe"}
    assert rules_of(inspect_bytes("pe", bytes(far))) == {"pe/present"}


def test_cut_at_every_byte_is_a_gap() -> None:
    for cut in range(len(LIBRARY)):
        assert inspect_bytes("pe", LIBRARY[:cut]).gaps, cut


def test_imports_in_a_circle_of_names_end() -> None:
    data = bytearray(LIBRARY)
    data[0x400:0x600] = struct.pack("<IIIII", 0, 0, 0, 0x1000, 0) * 25 + bytes(12)
    found = inspect_bytes("pe", bytes(data))
    assert not found.gaps
    assert rules_of(found) == {"pe/present"}


def test_it_survives_mutation() -> None:
    assert_survives("pe", pe())
