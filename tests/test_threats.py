"""Published ways past scanners, and ours: each payload is inert, is never loaded, and is never passed.

What is demanded is a refusal: a finding at or above *high*. Where nothing can be told, a gap will do.
"""

from __future__ import annotations

import pytest

from scanner.model import FileResult, Severity
from tests.support import examined

CALL = b"cposix\nsystem\n(S'true'\ntR."


def refused(result: FileResult) -> bool:
    return any(finding.rule.severity.rank >= Severity.HIGH.rank for finding in result.findings)


def u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


# CVE-2025-10155 and GHSA-9gvj-pp9x-gcfr: what a scanner does not know as a pickle it does not read. Before
# protocol 2 there is no magic; any opcode that needs no stack can come first, and the payload can come late.
LEADS = {
    "int": b"K\x010",
    "printable-int": b"K00",
    "long-int": b"M\x01\x010",
    "signed-int": b"J\x01\x01\x01\x010",
    "printable-float": b"GAAAAAAAA0",
    "true": b"\x880",
    "set": b"\x8f0",
    "bytes": b"C\x01a0",
    "long-bytes": b"B" + u32(1) + b"a0",
    "string": b"T" + u32(1) + b"a0",
    "wide-text": b"\x8d" + u32(1) + u32(0) + b"a0",
    "bytearray": b"\x96" + u32(1) + u32(0) + b"a0",
    "long": b"\x8a\x01\x010",
    "frame": b"\x95" + u32(len(CALL)) + u32(0),
    "buffer": b"\x970",
    "persistent-id": b"Pa\n0",
    "extension": b"\x82\x010",
    "mark": b"(1",
    "text-longer-than-the-head": b"V" + b"a" * 5000 + b"\n0",
    "text-longer-than-a-window": b"V" + b"a" * 80_000 + b"\n0",
    "text-of-megabytes": b"V" + b"a" * 3_000_000 + b"\n0",
    "string-longer-than-the-head": b"S'" + b"a" * 5000 + b"'\n0",
    "numbers-longer-than-the-head": b"I1\n0" * 2000,
    "constants-longer-than-the-head": b"N0" * 4000,
    "texts-in-a-mark": b"(" + b"S'a b'\n0" * 2000,
    "several-pickles": b"F1.0\n." * 2000,
}


@pytest.mark.parametrize("lead", LEADS)
def test_a_pickle_is_known_whatever_it_begins_with(lead: str) -> None:
    assert refused(examined(LEADS[lead] + CALL, "model.bin"))


@pytest.mark.parametrize("lead", LEADS)
def test_unknown_names_behind_such_a_beginning_are_reported_too(lead: str) -> None:
    assert refused(examined(LEADS[lead] + b"cmypackage\nrestore\n(tR.", "model.bin"))


@pytest.mark.parametrize(
    "text",
    [
        "Verily " * 1000 + "\nin the\ncase\n",
        "Voila\n" + "count of\nand so\n" * 900,
        "Period " * 1000,
        "1,2,3\n" * 900,
        "I think\n" * 900,
        "F. A. Q.\n" * 900,
        "N. America\n" * 900,
        "Nothing " * 900,
    ],
)
def test_texts_that_begin_with_the_letter_of_an_opcode_stay_texts(text: str) -> None:
    result = examined(text.encode(), "notes.txt")
    assert result.formats == ("text",)
    assert not result.findings
    assert not result.gaps
