from __future__ import annotations

import pytest

from fixtures.recipes.executorch import CONSTANT, program
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("executorch/clean/model.pte")


def test_a_clean_program_has_facts_and_no_finding() -> None:
    found = inspect_bytes("executorch", CLEAN)
    assert names_of(CLEAN) == {"executorch"}
    assert not found.findings
    assert not found.gaps
    facts = found.facts[0]
    tensor = facts.tensors[0]
    assert (tensor.name, tensor.dtype, tensor.shape, tensor.length) == ("weight", "f32", (2, 2), 16)
    assert tensor.offset is not None
    assert CLEAN[tensor.offset :] == CONSTANT
    assert dict(facts.metadata) == {
        "method": "forward",
        "operators": "aten::add.out",
        "delegates": "XnnpackBackend",
    }


@pytest.mark.parametrize(
    ("name", "rule"), [("custom", "custom-operator"), ("delegate", "compiled-code"), ("tail", "layout")]
)
def test_unsafe_programs_are_found(name: str, rule: str) -> None:
    found = inspect_bytes("executorch", fixture(f"executorch/unsafe/{name}.pte"))
    assert rules_of(found) == {f"executorch/{rule}"}


def test_what_lies_behind_the_segments_is_handed_on() -> None:
    child = inspect_bytes("executorch", fixture("executorch/unsafe/tail.pte")).children[0]
    assert child.reader.read_at(0, 12) == b"hidden bytes"


def test_a_segment_that_leads_outside_is_a_gap() -> None:
    for cut in range(1, len(CONSTANT) + 16):
        assert inspect_bytes("executorch", CLEAN[:-cut]).gaps, cut


@pytest.mark.parametrize("data", [CLEAN, program("a::b", "CoreMLBackend")])
def test_it_survives_mutation(data: bytes) -> None:
    assert_survives("executorch", data)
