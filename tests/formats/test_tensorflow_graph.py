from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.sentencepiece import field
from fixtures.recipes.tensorflow import (
    attr,
    call,
    function,
    graph,
    keras_object,
    meta,
    node,
    numbers,
    ordinary,
    saved,
    text,
)
from scanner.formats.tensorflow_graph.judgement import _known
from scanner.model import Claimed
from tests.support import FIXTURES, assert_survives, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("tensorflow-graph/clean/saved_model.pb")
FROZEN = fixture("tensorflow-graph/clean/frozen.pb")


def _found(data: bytes):
    return inspect_bytes("tensorflow-graph", data)


@pytest.mark.parametrize(
    "path", sorted((FIXTURES / "tensorflow-graph/clean").iterdir()), ids=lambda p: p.name
)
def test_ordinary_graphs_have_no_finding(path) -> None:
    found = _found(path.read_bytes())
    assert not found.findings
    assert not found.gaps
    assert names_of(path.read_bytes(), path.name) == {"tensorflow-graph"}


def test_the_three_kinds_are_told_apart() -> None:
    kinds = {name: _found(fixture(f"tensorflow-graph/clean/{name}")).facts[0].version for name in (
        "saved_model.pb", "frozen.pb", "model.meta")}  # fmt: skip
    assert kinds == {"saved_model.pb": "SavedModel", "frozen.pb": "GraphDef", "model.meta": "MetaGraphDef"}


def test_facts_of_a_saved_model() -> None:
    facts = _found(CLEAN).facts[0]
    assert [(c.what, c.value) for c in facts.claims] == [(Claimed.PRODUCER, "tensorflow 2.21.0")]
    metadata = dict(facts.metadata)
    assert metadata["tag"] == "serve"
    assert metadata["functions"] == "2"
    assert "signature serving_default" in metadata


def test_constants_of_a_frozen_graph_are_its_weights() -> None:
    tensor = _found(FROZEN).facts[0].tensors[0]
    assert (tensor.name, tensor.dtype, tensor.shape, tensor.length) == ("w", "f32", (3, 2), 24)
    assert tensor.offset is not None
    assert FROZEN[tensor.offset :][:8] == b"\0\0\0\0\0\0\x80?"


@pytest.mark.parametrize(
    ("name", "rule", "says"),
    [
        ("python", "python-call", "EagerPyFunc"),
        ("write", "file-operator", "/home/user/.bashrc"),  # ReadFile and WriteFile in a SavedModel
        ("write-in-function", "file-operator", "/home/user/.bashrc"),
        ("read-by-call", "file-operator", "/home/user/.bashrc"),
        ("save-elsewhere", "file-operator", "/home/user/.bashrc"),
        ("save-computed", "file-operator", "DecodeBase64"),
        ("table", "file-operator", "/home/author/vocab.txt"),
        ("print", "file-operator", "file:///home/user/.bashrc"),
        ("debug", "network-operator", "grpc://host:1"),
        ("rpc", "network-operator", "RpcCall"),
        ("native", "native-call", "XlaCustomCallV2"),
        ("compiled", "compiled-code", "XlaCallModule"),
        ("custom", "custom-operator", "SentencepieceOp"),
        ("asset", "asset-path", "../../../etc/passwd"),
        ("field", "payload", "999"),
    ],
)
def test_unsafe_graphs_are_found(name: str, rule: str, says: str) -> None:
    found = _found(fixture(f"tensorflow-graph/unsafe/{name}.pb"))
    assert rules_of(found) == {f"tensorflow-graph/{rule}"}
    assert says in found.findings[0].message


@pytest.mark.parametrize(
    "wrap", [graph, lambda *nodes: meta(graph(*nodes)), lambda *nodes: saved(graph(*nodes))]
)
def test_every_kind_of_graph_is_judged(wrap) -> None:
    data = wrap(node("x", "Placeholder"), text("p", "/etc/passwd"), node("r", "ReadFile", "p"))
    assert names_of(data, "model.pb") == {"tensorflow-graph"}
    assert rules_of(_found(data)) == {"tensorflow-graph/file-operator"}


def test_a_function_of_the_library_is_no_custom_operator() -> None:
    own = function("MyOp", ["x"], node("i", "Identity", "x"))
    assert not _found(ordinary(node("n", "MyOp", "x"), functions=(own,))).findings


def test_a_path_is_followed_through_calls_within_calls() -> None:
    inner = function("inner", ["p"], node("s", "SaveV2", "p", "p", "p"))
    outer = function("outer", ["a", "q"], call("c", "inner", "q"))
    data = ordinary(text("t", "/etc/cron.d/x"), call("c", "outer", "x", "t"), functions=(inner, outer))
    assert "/etc/cron.d/x" in _found(data).findings[0].message


@pytest.mark.parametrize(
    ("operator", "given", "arguments"),
    [
        ("While", ["path"], ["p"]),
        ("If", ["x", "path"], ["p"]),
        ("MapDataset", ["x", "path"], ["one", "two", "three", "p"]),
        ("ReduceDataset", ["x", "x", "path"], ["state", "element", "p"]),
    ],
)
def test_a_path_is_followed_through_loops_branches_and_data_sets(operator, given, arguments) -> None:
    own = function("own", arguments, node("s", "SaveV2", "p", "p", "p"))
    user = node("u", operator, *given, attributes=attr("f", field(10, field(1, b"own"))))
    found = _found(ordinary(text("path", "/etc/cron.d/x"), user, functions=(own,)))
    assert any("/etc/cron.d/x" in finding.message for finding in found.findings)


def test_functions_that_call_each_other_for_ever_end() -> None:
    a = function("a", ["p"], call("c", "b", "p"), node("s", "SaveV2", "p", "p", "p"))
    b = function("b", ["p"], call("c", "a", "p"))
    assert not _found(ordinary(functions=(a, b))).gaps


def test_a_second_node_of_one_name_is_judged_too() -> None:
    data = ordinary(node("n", "ReadFile", "x"), node("n", "Identity", "x"))
    assert rules_of(_found(data)) == {"tensorflow-graph/file-operator"}


def test_a_saved_model_is_known_by_its_name_whatever_stands_in_front() -> None:
    data = field(2, meta(graph(node("p", "PyFunc")))) + field(1, 1)
    assert names_of(data, "saved_model.pb") == {"tensorflow-graph"}


def test_custom_operators_by_the_hundred_hide_nothing() -> None:
    flood = [node(f"n{i}", f"Custom{i}") for i in range(500)]
    found = _found(ordinary(*flood, node("w", "WriteFile", "x")))
    assert "tensorflow-graph/file-operator" in rules_of(found)
    assert len(found.findings) < 200


def test_what_stands_before_a_malformation_is_found() -> None:
    found = _found(fixture("tensorflow-graph/unsafe/python.pb") + b"\x0f")
    assert "tensorflow-graph/python-call" in rules_of(found)
    assert found.gaps


def test_keras_configurations_are_handed_on_as_such() -> None:
    config = b'{"class_name": "Lambda", "config": {}}'
    child = _found(ordinary(more=keras_object(config))).children[0]
    assert child.read_as == "keras-config"
    assert child.reader.read_at(0, 100) == config


def test_every_operator_has_one_class() -> None:
    known = _known()
    groups = [*known["effects"].values(), " ".join(known["checkpoint"]), " ".join(known["table"])]
    groups += [" ".join(known["named"]), " ".join(known["addressed"]), known["computes"]]
    names = [name for group in groups for name in group.split()]
    assert len(names) == len(set(names))
    assert len(names) > 1900


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=9), st.lists(st.integers(0, 4), max_size=3)), max_size=6)
)
def test_any_frozen_constants_are_told_as_they_were_written(tensors) -> None:
    data = graph(node("x", "Placeholder"), *(numbers(name, *extents) for name, extents in tensors))
    told = [(t.name, t.shape) for t in _found(data).facts[0].tensors]
    # TensorFlow writes no content where there is none.
    assert told == [(name, tuple(extents)) for name, extents in tensors]


@pytest.mark.parametrize(
    "data", [b"\n\nTwo empty lines and a text" * 9, b"\x08\x01\x12\x05abcde\x18\x01", b"\n\x10" * 99]
)
def test_other_bytes_are_no_graph(data: bytes) -> None:
    assert "tensorflow-graph" not in names_of(data)


@pytest.mark.parametrize("name", ["clean/saved_model", "unsafe/read-by-call", "clean/frozen", "unsafe/debug"])
def test_it_survives_mutation(name: str) -> None:
    assert_survives("tensorflow-graph", fixture(f"tensorflow-graph/{name}.pb"), 100)
