"""Graphs that the real libraries wrote (``graphs_by_libraries.py``): we say what they say is in them."""

from __future__ import annotations

import json

import pytest

from tests.support import FIXTURES, examined

GRAPHS = FIXTURES.parent / "tests/formats/graphs"
EXPECTED = json.loads((GRAPHS / "expected.json").read_text())
UNSAFE = {"reads.pb": "tensorflow-graph/file-operator", "reads.tflite": "tflite/effect"}


@pytest.mark.parametrize("name", sorted(EXPECTED.keys() - UNSAFE.keys()))
def test_ordinary_graphs_have_no_gap_and_no_finding(name: str) -> None:
    result = examined((GRAPHS / name).read_bytes(), name)
    assert len(result.formats) == 1
    assert not result.gaps
    assert not result.findings


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_tensors_are_those_that_the_library_tells(name: str) -> None:
    result = examined((GRAPHS / name).read_bytes(), name)
    told = [[tensor.name, list(tensor.shape)] for _, facts in result.facts for tensor in facts.tensors]
    assert sorted(told) == sorted(EXPECTED[name])


@pytest.mark.parametrize(("name", "rule"), UNSAFE.items())
def test_a_graph_that_reads_a_file_is_found(name: str, rule: str) -> None:
    result = examined((GRAPHS / name).read_bytes(), name)
    assert rule in {finding.rule.id for finding in result.findings}
