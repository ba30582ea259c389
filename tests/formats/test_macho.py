from __future__ import annotations

import struct

import pytest

from fixtures.recipes.native import fat, macho
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of

LIBRARY = fixture("macho/unsafe/library.dylib")


def test_a_library_is_found_and_says_what_it_needs() -> None:
    found = inspect_bytes("macho", LIBRARY)
    assert names_of(LIBRARY) == {"macho"}
    assert rules_of(found) == {"macho/present"}
    assert not found.gaps
    assert dict(found.facts[0].metadata) == {
        "type": "shared library",
        "architecture": "aarch64",
        "bits": "64",
        "libraries": "/usr/lib/libSystem.B.dylib",
    }


def test_a_universal_file_hands_on_its_slices() -> None:
    data = fixture("macho/unsafe/universal.dylib")
    found = inspect_bytes("macho", data)
    assert rules_of(found) == {"macho/present"}
    assert [(c.name, c.reader.size) for c in found.children] == [
        ("x86-64", len(LIBRARY)),
        ("aarch64", len(LIBRARY)),
    ]


def test_a_class_of_java_is_not_a_universal_file() -> None:
    assert "macho" not in names_of(fixture("macho/clean/java.class"))


@pytest.mark.parametrize("offset", [0, 40, 64])
def test_slices_that_contain_each_other_are_a_gap(offset: int) -> None:
    table = struct.pack(">IIIII", 7, 0, 64, 100, 0) + struct.pack(">IIIII", 12, 0, offset, 100, 0)
    data = (b"\xca\xfe\xba\xbe" + struct.pack(">I", 2) + table).ljust(200, b"\0")
    assert "overlap" in inspect_bytes("macho", data).gaps[0].reason


def test_cut_at_every_byte_is_a_gap() -> None:
    for data in (LIBRARY, fixture("macho/unsafe/universal.dylib")):
        for cut in range(4, len(data)):
            assert inspect_bytes("macho", data[:cut]).gaps, cut


def test_it_survives_mutation() -> None:
    assert_survives("macho", macho())
    assert_survives("macho", fat())
