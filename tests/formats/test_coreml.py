from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.coreml import WEIGHTS, constant, custom, layer, linked, model, program
from fixtures.recipes.sentencepiece import field
from scanner.model import Claimed
from tests.support import FIXTURES, assert_survives, fixture, inspect_bytes, names_of, rules_of

NETWORK = fixture("coreml/clean/network.mlmodel")
PROGRAM = fixture("coreml/clean/program.mlmodel")


@pytest.mark.parametrize("data", [NETWORK, PROGRAM], ids=["network", "program"])
def test_ordinary_models_have_no_finding(data: bytes) -> None:
    found = inspect_bytes("coreml", data)
    assert names_of(data) == {"coreml"}
    assert not found.findings
    assert not found.gaps
    assert {c.what: c.value for c in found.facts[0].claims} == {
        Claimed.DESCRIPTION: "weighs",
        Claimed.AUTHOR: "weigh",
        Claimed.LICENCE: "MIT",
    }


def test_facts_of_a_program() -> None:
    facts = inspect_bytes("coreml", PROGRAM).facts[0]
    assert [(t.name, t.dtype, t.shape, t.length) for t in facts.tensors] == [("w", "f16", (2, 3), 12)]
    assert facts.external_files == ("weights/weight.bin",)
    metadata = dict(facts.metadata)
    assert metadata["kind"] == "ML program"
    assert metadata["operations"] == "const 1, relu 1"
    assert metadata["input"] == "x"


@pytest.mark.parametrize(
    ("name", "rules", "says"),
    [
        ("custom-model", {"custom-code"}, "MyModel"),
        ("custom-layer", {"custom-code"}, "MySwish"),
        ("custom-in-branch", {"custom-code"}, "Branched"),
        ("custom-in-pipeline", {"custom-code"}, "Inner"),
        ("linked", {"linked-model"}, "models/detector.mlmodelc"),
        ("linked-outside", {"linked-model", "path-escape"}, "/opt/models"),
        ("weights-outside", {"path-escape"}, "../../../secret"),
        ("field", {"payload"}, "999"),
    ],
)
def test_unsafe_models_are_found(name: str, rules: set[str], says: str) -> None:
    data = fixture(f"coreml/unsafe/{name}.mlmodel")
    found = inspect_bytes("coreml", data)
    assert names_of(data) == {"coreml"}
    assert rules_of(found) == {f"coreml/{rule}" for rule in rules}
    assert any(says in finding.message for finding in found.findings)


def test_pipelines_within_pipelines_end_at_a_limit() -> None:
    content = model(555, custom("Deep"))
    for _ in range(20):
        content = model(202, field(1, content))
    assert rules_of(inspect_bytes("coreml", content)) == {"coreml/custom-code"}
    for _ in range(60):
        content = model(202, field(1, content))
    assert "levels" in inspect_bytes("coreml", content).gaps[0].reason


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_any_name_is_told(name: str, path: str) -> None:
    layers = layer(500, custom(name))
    assert inspect_bytes("coreml", model(500, layers)).facts[0].entry_points == (ascii(name)[1:-1],)
    facts = inspect_bytes("coreml", model(556, linked(path))).facts[0]
    assert facts.external_files == (path,)
    facts = inspect_bytes("coreml", model(502, program(constant(path), constant(WEIGHTS)))).facts[0]
    assert "weights/weight.bin" in facts.external_files


def test_truncated_anywhere_is_a_gap_or_ends_behind_a_field() -> None:
    ends = {0, 2, NETWORK.index(b"\xa2\x1f")}
    for cut in range(len(NETWORK)):
        assert bool(inspect_bytes("coreml", NETWORK[:cut]).gaps) == (cut not in ends), cut


def test_no_other_graph_is_one() -> None:
    for path in ("onnx/clean/model.onnx", "tensorflow-graph/clean/saved_model.pb"):
        assert "coreml" not in names_of((FIXTURES / path).read_bytes())


@pytest.mark.parametrize("name", ["clean/program", "unsafe/custom-in-pipeline", "unsafe/linked-outside"])
def test_it_survives_mutation(name: str) -> None:
    assert_survives("coreml", fixture(f"coreml/{name}.mlmodel"))
