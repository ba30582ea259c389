from __future__ import annotations

import pytest

from fixtures.recipes.flatbuffers import Num, table
from fixtures.recipes.ort import graph, model, node
from scanner.model import Claimed
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("ort/clean/model.ort")


def test_a_clean_model_has_facts_and_no_finding() -> None:
    found = inspect_bytes("ort", CLEAN)
    assert names_of(CLEAN) == {"ort"}
    assert not found.findings
    assert not found.gaps
    facts = found.facts[0]
    assert facts.version == "1.22.0"
    assert [(t.name, t.dtype, t.shape, t.length) for t in facts.tensors] == [("w", "f32", (2, 2), 16)]
    assert [(c.what, c.value) for c in facts.claims] == [(Claimed.PRODUCER, "pytorch 2.1.0")]
    assert facts.metadata == (("opset", "ai.onnx 17"), ("author", "weigh"), ("nodes", "1"))


@pytest.mark.parametrize(
    ("name", "rule"),
    [("custom", "custom-operator"), ("python", "python-operator"), ("context", "compiled-context")],
)
def test_unsafe_models_are_found(name: str, rule: str) -> None:
    assert rules_of(inspect_bytes("ort", fixture(f"ort/unsafe/{name}.ort"))) == {f"ort/{rule}"}


def test_graphs_within_graphs_have_a_limit() -> None:
    content = graph(node("Identity"))
    for _ in range(70):
        attribute = table("body", None, Num(5), None, None, None, None, content)
        content = graph(node("Loop", attributes=[attribute]))
    assert "levels" in inspect_bytes("ort", model(content)).gaps[0].reason


def test_truncated_anywhere_is_a_gap_or_lacks_only_what_is_padding() -> None:
    for cut in range(8, len(CLEAN) - 8):
        assert inspect_bytes("ort", CLEAN[:cut]).gaps, cut


def test_it_survives_mutation() -> None:
    assert_survives("ort", fixture("ort/unsafe/python.ort"))
