from __future__ import annotations

from scanner.model import Coverage
from tests.support import assert_survives, fixture, inspect_bytes, names_of

CLEAN = fixture("tensorflow-fingerprint/clean/fingerprint.pb")


def test_a_fingerprint_is_read_whole() -> None:
    found = inspect_bytes("tensorflow-fingerprint", CLEAN)
    assert names_of(CLEAN) == {"tensorflow-fingerprint"}
    assert found.coverage is Coverage.WHOLE
    assert not found.gaps
    assert len(found.facts[0].metadata) == 5


def test_anything_more_or_less_is_none() -> None:
    assert "tensorflow-fingerprint" not in names_of(CLEAN + b"\x42\x01x")
    assert "tensorflow-fingerprint" not in names_of(CLEAN[:-3])


def test_it_survives_mutation() -> None:
    assert_survives("tensorflow-fingerprint", CLEAN)
