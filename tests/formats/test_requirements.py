from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import FIXTURES, assert_survives, inspect_bytes, names_of, rules_of

HERE = FIXTURES / "requirements"


@pytest.mark.parametrize("path", sorted((HERE / "clean").iterdir()), ids=lambda p: p.stem)
def test_pinned_files_have_no_finding_and_no_gap(path) -> None:
    found = inspect_bytes("requirements", path.read_bytes(), path.name)
    assert not found.findings
    assert not found.gaps
    assert "requirements" in names_of(path.read_bytes(), path.name)


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("index", {"other-index"}),
        ("http", {"unprotected-source"}),
        ("git", {"direct-source"}),
        ("unpinned", {"unpinned"}),
    ],
)
def test_where_packages_would_come_from_is_found(name: str, rules: set[str]) -> None:
    data = (HERE / f"unsafe/requirements-{name}.txt").read_bytes()
    assert rules_of(inspect_bytes("requirements", data)) == {f"requirements/{rule}" for rule in rules}


def test_a_password_in_an_address_is_never_repeated() -> None:
    found = inspect_bytes("requirements", (HERE / "unsafe/requirements-index.txt").read_bytes())
    assert "secret" not in str(found.findings)
    assert found.findings[0].location.line == 1


def test_requirements_are_facts() -> None:
    found = inspect_bytes("requirements", (HERE / "clean/requirements.txt").read_bytes())
    assert [item.split(" ")[0] for item in found.facts[0].requirements] == [
        "numpy==2.2.0",
        "torch[cpu]==2.13.0",
    ]


def test_what_is_no_requirement_is_not_taken_for_one() -> None:
    found = inspect_bytes("requirements", (HERE / "broken/requirements.txt").read_bytes())
    assert not found.facts[0].requirements
    assert not found.gaps


@pytest.mark.parametrize(
    ("name", "text", "known"),
    [
        ("requirements.txt", "torch\n", True),
        ("requirements-dev.in", "torch\n", True),
        ("dev_requirements.txt", "torch\n", True),
        ("freeze.txt", "a==1.0\nb==2.0\n", True),
        ("vocab.txt", "[PAD]\nthe\nand\n", False),
        ("merges.txt", "#version: 0.2\nt h\nth e\n", False),
        ("notes.txt", "a==1.0\nand some words\n", False),
        ("requirements.md", "torch\n", False),
    ],
)
def test_they_are_known_by_name_or_by_shape(name: str, text: str, known: bool) -> None:
    assert ("requirements" in names_of(text.encode(), name)) is known


@given(st.text(alphabet="abc=<>~!@#;[](){}-_.:/\\ \n,*+1", max_size=80))
def test_any_text_is_survived(text: str) -> None:
    inspect_bytes("requirements", text.encode(), "requirements.txt")


def test_it_survives_mutation() -> None:
    for path in sorted(HERE.rglob("*.txt")):
        assert_survives("requirements", path.read_bytes(), 20)
