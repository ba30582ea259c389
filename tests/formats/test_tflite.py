from __future__ import annotations

import io
import struct
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.tflite import ADD, CUSTOM, code, flex_options, model
from scanner.errors import FormatError
from scanner.model import Claimed
from scanner.wire.flexbuffers import texts
from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("tflite/clean/model.tflite")


def test_a_clean_model_has_facts_and_no_finding() -> None:
    found = inspect_bytes("tflite", CLEAN)
    assert names_of(CLEAN) == {"tflite"}
    assert not found.findings
    assert not found.gaps
    facts = found.facts[0]
    assert facts.version == "3"
    assert [(t.name, t.dtype, t.shape, t.length) for t in facts.tensors] == [("w", "f32", (2, 2), 16)]
    assert facts.tensors[0].offset is not None
    assert struct.unpack_from("<4f", CLEAN, facts.tensors[0].offset) == (1, 2, 3, 4)
    metadata = dict(facts.metadata)
    assert metadata["input"] == "x f32[2, 2]"
    assert metadata["operators"] == "ADD 1"
    assert metadata["signature"] == "serving_default"
    assert metadata["min_runtime_version"] == "1.5.0"
    assert {c.what: c.value for c in facts.claims} == {
        Claimed.NAME: "Weigher",
        Claimed.DESCRIPTION: "adds",
        Claimed.VERSION: "1",
        Claimed.AUTHOR: "weigh",
        Claimed.LICENCE: "Apache-2.0",
    }


@pytest.mark.parametrize(
    ("name", "rule", "says"),
    [
        ("flex", "flex-operator", "Cholesky"),
        ("effect", "effect", "WriteFile"),
        ("disguised", "effect", "ReadFile"),  # the NodeDef is what runs, whatever the operator is called
        ("custom", "custom-operator", "MyOperator"),
        ("newer", "custom-operator", "operator 250"),
        ("short", "buffer", "'w'"),
        ("unused", "buffer", "nothing uses"),
    ],
)
def test_unsafe_models_are_found(name: str, rule: str, says: str) -> None:
    found = inspect_bytes("tflite", fixture(f"tflite/unsafe/{name}.tflite"))
    assert f"tflite/{rule}" in rules_of(found)
    assert any(says in finding.message for finding in found.findings)


def test_an_unused_buffer_is_handed_on() -> None:
    child = inspect_bytes("tflite", fixture("tflite/unsafe/unused.tflite")).children[0]
    assert child.reader.read_at(0, 12) == b"hidden bytes"


def test_custom_operators_by_the_hundred_hide_nothing() -> None:
    flood = [code(CUSTOM, f"Custom{i}") for i in range(500)]
    found = inspect_bytes("tflite", model([*flood, code(CUSTOM, "FlexReadFile")]))
    assert "tflite/effect" in rules_of(found)
    assert len(found.findings) < 300


def test_files_behind_the_model_are_opened() -> None:
    out = io.BytesIO(CLEAN)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\n")
    result = examined(out.getvalue(), "m.tflite")
    assert {"tflite", "zip"} <= set(result.formats)
    assert not result.gaps
    assert "text" in result.nested
    assert all(finding.rule.id.startswith("zip/") for finding in result.findings)
    assert max(finding.rule.severity.rank for finding in result.findings) < 3


def test_truncated_anywhere_is_a_gap_or_lacks_only_what_is_padding() -> None:
    for cut in range(8, len(CLEAN) - 8):
        assert inspect_bytes("tflite", CLEAN[:cut]).gaps, cut


def test_options_that_are_no_flexbuffer_are_a_gap() -> None:
    data = model([code(CUSTOM, "FlexCholesky")], b"\xff\xff\xff")
    assert "options" in inspect_bytes("tflite", data).gaps[0].reason


@given(st.text(max_size=20), st.text(max_size=20))
def test_what_flex_options_name_is_read(name: str, operator: str) -> None:
    found = texts(flex_options(name, operator))
    assert found[0] == name.encode()
    assert operator.encode() in found[1]


@given(st.binary(max_size=40))
def test_any_bytes_are_options_or_an_error_of_ours(data: bytes) -> None:
    try:
        texts(data)
    except FormatError:
        return


@given(st.lists(st.binary(min_size=16, max_size=40), max_size=5))
def test_every_unused_buffer_is_told(buffers: list[bytes]) -> None:
    found = inspect_bytes("tflite", model([code(ADD)], buffers=tuple(buffers)))
    assert [child.reader.read_at(0, 40) for child in found.children] == buffers


@pytest.mark.parametrize("name", ["clean/model", "unsafe/disguised"])
def test_it_survives_mutation(name: str) -> None:
    assert_survives("tflite", fixture(f"tflite/{name}.tflite"))
