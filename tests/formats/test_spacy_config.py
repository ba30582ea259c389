from __future__ import annotations

from scanner.model import Claimed
from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("spacy-config/clean/config.cfg")


def test_an_ordinary_configuration_has_no_finding_and_no_gap() -> None:
    found = examined(CLEAN, "config.cfg")
    assert found.formats == ("spacy-config", "text")
    assert not found.findings
    assert not found.gaps
    facts = inspect_bytes("spacy-config", CLEAN).facts[0]
    assert [(c.what, c.value) for c in facts.claims] == [(Claimed.LIBRARY, "spacy"), (Claimed.LANGUAGE, "en")]
    assert facts.metadata == (("pipeline", '["tok2vec","ner"]'),)


def test_functions_and_pipelines_from_elsewhere_are_found() -> None:
    for name in ("callback", "source"):
        found = inspect_bytes("spacy-config", fixture(f"spacy-config/unsafe/{name}/config.cfg"))
        assert rules_of(found) == {"spacy-config/foreign-function"}


def test_other_configurations_are_none_and_broken_text_is_a_gap() -> None:
    assert names_of(b"[metadata]\nname = x\n", "setup.cfg") == {"text"}
    assert inspect_bytes("spacy-config", fixture("spacy-config/broken/config.cfg")).gaps


def test_it_survives_mutation() -> None:
    assert_survives("spacy-config", CLEAN)
