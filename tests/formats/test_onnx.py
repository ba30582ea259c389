from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.onnx import (
    attribute,
    graph,
    initialiser,
    model,
    nested,
    node,
    outside,
    pair,
    tensor,
)
from fixtures.recipes.sentencepiece import field
from scanner.formats import by_name
from scanner.formats.onnx.tensors import TYPES
from scanner.inspection import run
from scanner.model import Claimed, Location
from scanner.reader import Budget, BytesReader
from scanner.wire.protobuf import fields
from tests.support import FIXTURES, assert_survives, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("onnx/clean/model.onnx")


def test_a_clean_model_has_facts_and_no_finding() -> None:
    found = inspect_bytes("onnx", CLEAN)
    assert names_of(CLEAN) == {"onnx"}
    assert not found.findings
    assert not found.gaps
    facts = found.facts[0]
    assert facts.version == "IR 8"
    assert [(t.name, t.dtype, t.shape, t.length) for t in facts.tensors] == [("w", "f32", (2, 4), 32)]
    weight = facts.tensors[0]
    assert weight.offset is not None
    assert struct.unpack_from("<8f", CLEAN, weight.offset) == tuple(range(8))
    assert [(c.what, c.value) for c in facts.claims] == [(Claimed.PRODUCER, "pytorch 2.1.0")]
    metadata = dict(facts.metadata)
    assert metadata["opset"] == "ai.onnx 17"
    assert metadata["input"] == "x: f32[batch, 4]"
    assert metadata["author"] == "weigh"
    assert [text.text for text in found.texts] == ["author: weigh"]


@pytest.mark.parametrize("path", sorted((FIXTURES / "onnx/clean").iterdir()), ids=lambda p: p.stem)
def test_ordinary_models_have_no_finding(path) -> None:
    found = inspect_bytes("onnx", path.read_bytes())
    assert not found.findings
    assert not found.gaps
    assert "onnx" in names_of(path.read_bytes(), path.name)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("path", "external-path"),  # CVE-2022-25882
        ("path-in-loop", "external-path"),  # CVE-2024-27318: not only initialisers of the main graph
        ("address", "external-path"),
        ("key", "external-key"),  # GHSA-538c-55jv-c5g9
        ("python", "python-operator"),
        ("custom", "custom-operator"),
        ("context", "compiled-context"),
        ("field", "payload"),
        ("both", "payload"),
        ("short", "tensor"),
        ("twice", "tensor"),
    ],
)
def test_unsafe_models_are_found(name: str, rule: str) -> None:
    data = fixture(f"onnx/unsafe/{name}.onnx")
    assert f"onnx/{rule}" in rules_of(inspect_bytes("onnx", data))
    assert names_of(data, "model.onnx") == {"onnx"}


# CVE-2022-25882, CVE-2024-27318, CVE-2025-51480, CVE-2026-34447
@pytest.mark.parametrize(
    "location", ["../w", "a/../../w", "/etc/passwd", "C:\\w", "..\\w", "\\\\host\\share", "", "./../w"]
)
def test_paths_that_leave_the_folder_are_found_wherever_a_tensor_stands(location: str) -> None:
    weights = outside("w", location)
    hidden = attribute("value", field(5, weights))
    sparse = attribute("sparse_value", field(22, field(1, weights)))
    models = [
        model(graph(node("Add"), initialiser(weights))),
        model(graph(node("Constant", attributes=hidden))),
        model(graph(node("Constant", attributes=sparse))),
        model(graph(node("Add"), field(15, field(1, weights)))),
        model(graph(node("If", attributes=attribute("g", field(11, graph(node("Add"), field(5, weights))))))),
        model(
            graph(node("Add")),
            field(25, field(1, b"F") + node("Constant", attributes=hidden).replace(b"\x0a", b"\x3a", 1)),
        ),
        model(graph(node("Add")), field(20, field(1, graph(node("Add"), initialiser(weights))))),
    ]
    for data in models:
        assert "onnx/external-path" in rules_of(inspect_bytes("onnx", data))


def test_every_value_of_a_repeated_key_is_judged() -> None:
    both = outside("w", "w.bin") + pair(13, "location", "/etc/passwd")
    assert "onnx/external-path" in rules_of(
        inspect_bytes("onnx", model(graph(node("Add"), initialiser(both))))
    )


def test_an_operator_is_the_models_own_only_where_it_defines_it() -> None:
    assert not inspect_bytes("onnx", fixture("onnx/clean/function.onnx")).findings
    other = fixture("onnx/clean/function.onnx").replace(b"\x06Double", b"\x06Triple", 1)
    assert rules_of(inspect_bytes("onnx", other)) == {"onnx/custom-operator"}


def test_findings_by_the_thousand_are_told_up_to_a_number() -> None:
    parts = [initialiser(outside(f"w{i}", f"/etc/{i}")) for i in range(2000)]
    parts += [node("PyOp", "p"), *(node(f"Custom{i}", "d") for i in range(500))]
    found = inspect_bytes("onnx", model(graph(*parts)))
    assert {"onnx/external-path", "onnx/python-operator"} <= rules_of(found)
    assert len(found.findings) < 1000


def test_what_stands_before_a_malformation_is_found() -> None:
    data = fixture("onnx/unsafe/python.onnx") + b"\x0f"
    found = inspect_bytes("onnx", data)
    assert "onnx/python-operator" in rules_of(found)
    assert found.gaps
    assert found.facts


def test_truncated_at_every_byte_is_a_gap_or_lacks_only_trailing_fields() -> None:
    ends = {0, 2, len(CLEAN)}
    whole = [part.end for part in _fields(CLEAN)]
    for cut in range(len(CLEAN)):
        assert inspect_bytes("onnx", CLEAN[:cut]).gaps or cut in {*ends, *whole}, cut


def _fields(data: bytes):
    return list(fields(data, Budget()))


def test_graphs_within_graphs_end_at_the_limit_of_protobuf() -> None:
    assert not inspect_bytes("onnx", model(nested(20))).gaps
    assert "levels" in inspect_bytes("onnx", fixture("onnx/broken/nested.onnx")).gaps[0].reason


def test_numbers_are_stepped_over_and_not_read() -> None:
    class Counting(BytesReader):
        read = 0

        def read_at(self, offset: int, length: int) -> bytes:
            Counting.read += length
            return super().read_at(offset, length)

    data = model(graph(node("Add"), initialiser(tensor("w", (1 << 21,), bytes(8 << 20)))))
    found = run(by_name()["onnx"], Counting(data), Budget(), Location("m"))
    assert found.facts[0].tensors[0].length == 8 << 20
    assert Counting.read <= 256 << 10


def test_an_unknown_field_is_handed_on() -> None:
    child = inspect_bytes("onnx", fixture("onnx/unsafe/field.onnx")).children[0]
    assert child.reader.read_at(0, 12) == b"hidden bytes"


@pytest.mark.parametrize(
    "data",
    [
        b"\x08\x01\x12\x80\x02\x0a\x10" + bytes(300),  # a SavedModel's beginning
        b":a text that begins with a colon and goes on for a while, as texts do" * 4,
        b'"name": "a text in quotes"' * 20,
        b"\x08\x07",
        bytes(range(8, 200)),
    ],
)
def test_other_bytes_are_no_model(data: bytes) -> None:
    assert "onnx" not in names_of(data)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(TYPES)), st.lists(st.integers(0, 5), max_size=3), st.text(max_size=8)
        ),
        max_size=6,
        unique_by=lambda t: t[2],
    )
)
def test_any_initialisers_are_told_as_they_were_written(tensors) -> None:
    parts = []
    for kind, shape, name in tensors:
        count = 1
        for extent in shape:
            count *= extent
        parts.append(initialiser(tensor(name, tuple(shape), bytes((count * TYPES[kind][1] + 7) // 8), kind)))
    found = inspect_bytes("onnx", model(graph(node("Add"), *parts)))
    assert not found.gaps
    assert not found.findings
    told = [(t.dtype, t.shape, t.name) for t in found.facts[0].tensors]
    assert told == [(TYPES[kind][0], tuple(shape), name) for kind, shape, name in tensors]


@pytest.mark.parametrize(
    "name", ["clean/branches", "unsafe/path-in-loop", "unsafe/context", "clean/function"]
)
def test_it_survives_mutation(name: str) -> None:
    assert_survives("onnx", fixture(f"onnx/{name}.onnx"))
