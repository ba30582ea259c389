from __future__ import annotations

from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

LLAMAFILE = fixture("ape/unsafe/model.llamafile")


def test_a_llamafile_is_a_program_and_an_archive_whose_weights_are_read() -> None:
    found = examined(LLAMAFILE, "model.llamafile")
    assert found.formats == ("ape", "zip")
    assert "gguf" in found.nested
    assert not found.gaps
    assert {f.rule.id for f in found.findings} == {"ape/present", "identity/polyglot", "zip/stray-bytes"}


def test_the_head_alone_is_enough() -> None:
    assert rules_of(inspect_bytes("ape", fixture("ape/broken/cut.com"))) == {"ape/present"}
    assert names_of(fixture("ape/clean/none.txt"), "none.txt") == {"text"}


def test_it_survives_mutation() -> None:
    assert_survives("ape", LLAMAFILE, rounds=50)
