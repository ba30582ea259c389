from __future__ import annotations

import pytest

from tests.support import assert_survives, examined, fixture, inspect_bytes

CLEAN = fixture("conda-environment/clean/conda.yaml")


@pytest.mark.parametrize("name", ["conda.yaml", "python_env.yaml"])
def test_an_ordinary_environment_has_no_finding_and_no_gap(name: str) -> None:
    found = examined(fixture(f"conda-environment/clean/{name}"), name)
    assert found.formats == ("conda-environment", "text", "yaml-text")
    assert not found.findings
    assert not found.gaps


def test_pip_requirements_are_judged_as_requirements() -> None:
    named = [facts.requirements for _, facts in examined(CLEAN, "conda.yaml").facts if facts.requirements]
    assert named == [("mlflow==3.17.2",)]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("channel/conda.yaml", "conda-environment/other-channel"),
        ("prefix/conda.yaml", "conda-environment/other-channel"),
        ("http/conda.yaml", "conda-environment/unprotected-channel"),
        ("pip/conda.yaml", "requirements/other-index"),
        ("python/python_env.yaml", "requirements/direct-source"),
    ],
)
def test_other_sources_are_found(name: str, rule: str) -> None:
    found = examined(fixture(f"conda-environment/unsafe/{name}"), name.rpartition("/")[2])
    assert rule in {f.rule.id for f in found.findings}
    assert not any("secret" in f"{f.message}{f.evidence}" for f in found.findings if f.rule.id == rule)


def test_what_is_no_yaml_is_a_gap() -> None:
    assert inspect_bytes(
        "conda-environment", fixture("conda-environment/broken/conda.yaml"), "conda.yaml"
    ).gaps


def test_it_survives_mutation() -> None:
    assert_survives("conda-environment", CLEAN, rounds=60)
