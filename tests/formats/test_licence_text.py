from __future__ import annotations

from importlib.metadata import distribution

import pytest

from scanner.formats.licence_text import recognise
from tests.support import FIXTURES, assert_survives, inspect_bytes, names_of

HERE = FIXTURES / "licence-text"


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("LICENSE", "Apache-2.0"),
        ("LICENSE.md", "MIT"),
        ("COPYING", "BSD-2-Clause"),
        ("LICENSE-BSD", "BSD-3-Clause"),
        ("COPYING.LESSER", "LGPL-3.0"),
        ("LICENSE.txt", "llama3.1"),
    ],
)
def test_a_licence_is_known_by_its_phrases(name: str, licence: str) -> None:
    data = (HERE / "clean" / name).read_bytes()
    found = inspect_bytes("licence-text", data, name)
    assert [(claim.value, claim.pointer) for claim in found.facts[0].claims] == [(licence, "text")]
    assert {"licence-text", "text"} <= names_of(data, name)


def test_what_is_no_known_licence_claims_nothing() -> None:
    found = inspect_bytes("licence-text", (HERE / "broken/LICENCE").read_bytes(), "LICENCE")
    assert not found.facts[0].claims
    assert not found.gaps


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("Creative Commons Attribution 4.0 International Public License", "CC-BY-4.0"),
        ("Creative Commons Attribution-NonCommercial 4.0 International\nNonCommercial means", "CC-BY-NC-4.0"),
        ("Attribution-ShareAlike 4.0 International, Creative Commons", "CC-BY-SA-4.0"),
        ("Creative Commons Legal Code\n\nCC0 1.0 Universal", "CC0-1.0"),
        ("CreativeML Open RAIL-M\ndated August 22, 2022", "creativeml-openrail-m"),
        ("CreativeML Open RAIL++-M License", "openrail++"),
        ("Gemma Terms of Use\n... Gemma Prohibited Use Policy", "gemma"),
        ("META LLAMA 3 COMMUNITY LICENSE AGREEMENT", "llama3"),
        ("GNU GENERAL PUBLIC LICENSE\n Version 2, June 1991", "GPL-2.0"),
    ],
)
def test_titles(text: str, licence: str) -> None:
    assert recognise(text) == (licence,)


@pytest.mark.parametrize(
    ("package", "licence"), [("requests", "Apache-2.0"), ("rich", "MIT"), ("click", "BSD-3-Clause")]
)
def test_real_licence_files_of_installed_packages(package: str, licence: str) -> None:
    texts = [
        path.read_text()
        for path in distribution(package).files or []
        if path.name.upper().startswith("LICEN") and path.name.endswith(("LICENSE", ".txt"))
    ]
    assert [recognise(text) for text in texts] == [(licence,)]


def test_names_that_are_not_licences() -> None:
    for name in ("README.md", "vocab.txt", "license.json", "model.safetensors"):
        assert "licence-text" not in names_of(b"Apache License\nVersion 2.0", name)
    assert "licence-text" in names_of(b"  Apache License\n  Version 2.0", "notes")


def test_it_survives_mutation() -> None:
    for path in sorted(HERE.rglob("*")):
        if path.is_file():
            assert_survives("licence-text", path.read_bytes(), 20)
