from __future__ import annotations

import pytest

from fixtures.recipes.tensorflow import TEXT
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("tensorflow-text/clean/graph.pbtxt")
UNSAFE = fixture("tensorflow-text/unsafe/saved_model.pbtxt")


def test_a_graph_that_computes_has_no_finding() -> None:
    found = inspect_bytes("tensorflow-text", CLEAN)
    assert names_of(CLEAN) == {"tensorflow-text", "text"}
    assert not found.findings
    assert found.facts[0].metadata == (("operators", "MatMul"),)


def test_an_operator_that_reaches_outside_is_found_with_its_line() -> None:
    found = inspect_bytes("tensorflow-text", UNSAFE)
    assert rules_of(found) == {"tensorflow-text/effect"}
    assert "WriteFile" in found.findings[0].message
    assert found.findings[0].location.line == 7


@pytest.mark.parametrize("written", [b'"ReadFile"', b"'ReadFile'", b'"Read"\n"File"', b'"\\x52ead\\106ile"'])
def test_every_spelling_of_a_string_is_read(written: bytes) -> None:
    assert rules_of(inspect_bytes("tensorflow-text", TEXT.replace(b"@", written)))


def test_other_texts_of_protobuf_are_none() -> None:
    assert "tensorflow-text" not in names_of(b'name: "model"\nplatform: "onnxruntime_onnx"\n')


def test_it_survives_mutation() -> None:
    assert_survives("tensorflow-text", UNSAFE)
