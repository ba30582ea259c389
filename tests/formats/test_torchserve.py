from __future__ import annotations

import pytest

from fixtures.recipes.packages import manifest
from fixtures.recipes.zipped import pack
from scanner.model import Claimed
from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("torchserve/clean/MANIFEST.json")


def test_an_archive_with_a_handler_of_the_server_has_no_finding() -> None:
    found = examined(pack({"MAR-INF/MANIFEST.json": CLEAN}), "model.mar")
    assert found.formats == ("zip",)
    assert "torchserve" in found.nested
    assert not found.findings
    assert not found.gaps
    facts = inspect_bytes("torchserve", CLEAN).facts[0]
    assert [(c.what, c.value) for c in facts.claims] == [
        (Claimed.NAME, "weighed"),
        (Claimed.VERSION, "1.0"),
        (Claimed.PRODUCER, "torch-model-archiver 0.12.0"),
    ]


@pytest.mark.parametrize(
    ("name", "rule"),
    [("handler", "custom-handler"), ("model-file", "custom-handler"), ("path", "path-escape")],
)
def test_code_and_paths_are_found(name: str, rule: str) -> None:
    found = inspect_bytes("torchserve", fixture(f"torchserve/unsafe/{name}/MANIFEST.json"))
    assert rules_of(found) == {f"torchserve/{rule}"}


def test_cve_2023_48299_a_member_that_climbs_out_of_the_archive() -> None:
    found = examined(pack({"../../evil.py": b"x = 1\n", "MAR-INF/MANIFEST.json": CLEAN}), "model.mar")
    assert "zip/path-escape" in {f.rule.id for f in found.findings}


def test_a_built_in_name_with_a_function_is_built_in_and_a_file_of_that_name_is_not() -> None:
    assert not inspect_bytes("torchserve", manifest(handler="image_classifier:handle")).findings
    assert inspect_bytes("torchserve", manifest(handler="image_classifier.py")).findings


def test_other_manifests_are_none_and_a_cut_one_is_a_gap() -> None:
    assert "torchserve" not in names_of(b'{"name": "app", "icons": []}', "manifest.json")
    assert inspect_bytes("torchserve", fixture("torchserve/broken/MANIFEST.json")).gaps


def test_it_survives_mutation() -> None:
    assert_survives("torchserve", CLEAN)
