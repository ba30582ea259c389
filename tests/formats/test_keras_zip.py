from __future__ import annotations

import lzma

import pytest

from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("keras-zip/clean/model.keras")


def _rules(data: bytes) -> set[str]:
    return {finding.rule.id for finding in examined(data, "model.keras").findings}


def test_a_clean_archive_has_facts_and_no_finding() -> None:
    result = examined(CLEAN, "model.keras")
    assert result.formats == ("keras-zip", "zip")
    assert not result.findings
    assert not result.gaps
    assert {"hdf5", "keras-config"} <= set(result.nested)
    facts = next(facts for _, facts in result.facts if facts.format == "keras-zip")
    assert facts.version == "3.15.1"
    assert [claim.value for claim in facts.claims] == ["keras 3.15.1", "2026-11-24@12:00:00"]
    assert dict(facts.metadata) == {"weights": "model.weights.h5", "assets": "0"}


def test_what_keras_wrote_is_recognised_with_its_version() -> None:
    data = lzma.decompress(fixture("../tests/oracles/hdf5/keras-dense.keras.xz"))
    result = examined(data, "model.keras")
    assert [facts.version for _, facts in result.facts if facts.format == "keras-zip"] == ["3.15.1"]


def test_what_keras_does_not_write_is_noted() -> None:
    found = inspect_bytes("keras-zip", fixture("keras-zip/unsafe/other.keras"))
    assert rules_of(found) == {"keras-zip/other-member"}


@pytest.mark.parametrize("name", ["module", "late"])
def test_the_configuration_is_judged(name: str) -> None:
    assert _rules(fixture(f"keras-zip/unsafe/{name}.keras")) == {"keras-config/dangerous-callable"}


def test_a_repository_with_a_configuration_alone_is_no_keras_archive() -> None:
    assert "keras-zip" not in names_of(CLEAN, "a.zip", ("config.json", "model.safetensors"))
    assert "keras-zip" in names_of(CLEAN, "a.zip", ("config.json", "metadata.json"))


def test_truncated_anywhere_it_is_never_clean() -> None:
    for cut in range(4, len(CLEAN), 7):
        result = examined(CLEAN[:cut], "model.keras")
        assert result.gaps or result.findings, cut


def test_it_survives_mutation() -> None:
    assert_survives("keras-zip", CLEAN)
