from __future__ import annotations

import time

import pytest
from huggingface_hub import ModelCard
from hypothesis import given
from hypothesis import strategies as st

from tests.support import FIXTURES, assert_survives, inspect_bytes, names_of, rules_of

HERE = FIXTURES / "model-card"


@pytest.mark.parametrize("path", sorted((HERE / "clean").iterdir()), ids=lambda p: p.stem)
def test_ordinary_cards_have_no_finding_and_no_gap(path) -> None:
    found = inspect_bytes("model-card", path.read_bytes(), path.name)
    assert not found.findings
    assert not found.gaps
    assert {"model-card", "text"} <= names_of(path.read_bytes(), path.name)


@pytest.mark.parametrize("name", ["README", "windows"])
def test_every_statement_is_a_claim(name: str) -> None:
    found = inspect_bytes("model-card", (HERE / f"clean/{name}.md").read_bytes(), "README.md")
    assert [(c.what.value, c.value, c.pointer) for c in found.facts[0].claims] == [
        ("licence", "apache-2.0", "/license"),
        ("licence-link", "https://host.example/license", "/license_link"),
        ("language", "en", "/language/0"),
        ("language", "no", "/language/1"),
        ("library", "sentence-transformers", "/library_name"),
        ("task", "sentence-similarity", "/pipeline_tag"),
        ("dataset", "org/first", "/datasets/0"),
        ("dataset", "org/second", "/datasets/1"),
        ("base-model", "org/base", "/base_model"),
        ("base-model-relation", "finetune", "/base_model_relation"),
        ("tag", "feature-extraction", "/tags/0"),
        ("tag", "mteb", "/tags/1"),
        ("energy", "12.5 g CO2eq", "/co2_eq_emissions"),
        ("metric", "accuracy = 46.2 on MTEB Emotion", "/model-index/0/results/0"),
        ("metric", "f1 = 41.1 on MTEB Emotion", "/model-index/0/results/0"),
    ]


def test_it_agrees_with_the_hub_client() -> None:
    text = (HERE / "clean/README.md").read_text()
    data = ModelCard(text.replace("- no\n", "")).data
    claims = inspect_bytes("model-card", text.encode(), "README.md").facts[0].claims
    values = {claim.pointer: claim.value for claim in claims}
    assert values["/license"] == data.license
    assert [values["/datasets/0"], values["/datasets/1"]] == data.datasets
    assert values["/pipeline_tag"] == data.pipeline_tag


@pytest.mark.parametrize(("name", "rule"), [("twice", "duplicate-key"), ("tag", "object-tag")])
def test_what_a_card_should_not_do_is_found(name: str, rule: str) -> None:
    found = inspect_bytes("model-card", (HERE / f"unsafe/{name}.md").read_bytes(), "README.md")
    assert rules_of(found) == {f"model-card/{rule}"}


def test_every_reading_of_a_repeated_key_is_a_claim() -> None:
    found = inspect_bytes("model-card", (HERE / "unsafe/twice.md").read_bytes(), "README.md")
    assert [claim.value for claim in found.facts[0].claims] == ["mit", "gpl-3.0"]


@pytest.mark.parametrize("path", sorted((HERE / "broken").iterdir()), ids=lambda p: p.stem)
def test_broken_front_matter_is_a_gap(path) -> None:
    assert inspect_bytes("model-card", path.read_bytes(), path.name).gaps


def test_a_large_evaluation_is_read_in_seconds() -> None:
    entry = "  - task: {type: R}\n    dataset: {name: d}\n    metrics:\n    - type: map\n      value: 1.5\n"
    text = "---\nmodel-index:\n- name: x\n  results:\n" + entry * 1500 + "---\n"
    start = time.process_time()
    found = inspect_bytes("model-card", text.encode(), "README.md")
    assert time.process_time() - start < 10
    assert not found.gaps
    assert found.facts[0].claims


def test_aliases_do_not_multiply() -> None:
    text = (
        "---\nr: &r [" + "{metrics: [1]}," * 2000 + "]\nmodel-index: [" + "{results: *r}," * 2000 + "]\n---\n"
    )
    start = time.process_time()
    inspect_bytes("model-card", text.encode(), "README.md")
    assert time.process_time() - start < 10


@given(st.text(alphabet="ab:-[]{}!&*\n \t,", max_size=60))
def test_any_front_matter_is_survived(text: str) -> None:
    inspect_bytes("model-card", f"---\n{text}\n---\n".encode(), "README.md")


def test_it_survives_mutation() -> None:
    for path in sorted(HERE.rglob("*.md")):
        assert_survives("model-card", path.read_bytes(), 15)
