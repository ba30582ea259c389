from __future__ import annotations

import hashlib
import struct

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.recipes.gguf import DATA, PAIRS, TEMPLATE, TENSORS, file
from scanner.examination import Assignment, examine
from scanner.formats.gguf import FORMAT
from scanner.inspection import run
from scanner.model import Claimed, Location
from scanner.reader import Budget, BytesReader, FileOpener, Limits
from scanner.wire.gguf import FILE_TYPES, TYPES
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("gguf/clean/model.gguf")
U32 = 4


def _claims(found) -> dict[Claimed, str]:
    return {claim.what: claim.value for facts in found.facts for claim in facts.claims}


@pytest.mark.parametrize("name", ["model", "big-endian", "version-2"])
def test_a_clean_model_has_facts_and_no_finding(name: str) -> None:
    data = fixture(f"gguf/clean/{name}.gguf")
    found = inspect_bytes("gguf", data)
    assert names_of(data) == {"gguf"}
    assert not found.findings
    assert not found.gaps
    order = ">" if name == "big-endian" else "<"
    tokens = b"".join(struct.pack(order + "Q", len(t)) + t for t in (b"<s>", b"</s>", b"weigh", b"bridge"))
    assert _claims(found) == {
        Claimed.ARCHITECTURE: "llama",
        Claimed.NAME: "Weighed",
        Claimed.LICENCE: "apache-2.0",
        Claimed.QUANTISATION: "Q4_K_M",
        Claimed.BASE_MODEL: "Weighbridge/None",
        Claimed.TAG: "small",
        Claimed.CONTEXT_LENGTH: "4096",
        Claimed.TOKENIZER: "sha256:" + hashlib.sha256(tokens).hexdigest(),
        Claimed.VOCABULARY: "4",
        Claimed.CHAT_TEMPLATE: "sha256:" + hashlib.sha256(TEMPLATE.encode()).hexdigest(),
    }
    tensors = found.facts[0].tensors
    assert [(t.name, t.dtype, t.shape, t.length) for t in tensors] == [
        ("token_embd.weight", "q8_0", (4, 32), 136),
        ("output_norm.weight", "f32", (8,), 32),
    ]
    assert [(c.name, c.read_as) for c in found.children] == [("tokenizer.chat_template", "jinja")]
    assert "Weighed" in {text.text for text in found.texts}


def test_every_template_is_a_child_even_the_second_of_one_name() -> None:
    pairs = [*PAIRS, ("tokenizer.chat_template.tool_use", 8, "{{ x }}"), PAIRS[-1]]
    found = inspect_bytes("gguf", file(pairs, TENSORS, DATA))
    names = [child.name for child in found.children]
    assert names == ["tokenizer.chat_template", "tokenizer.chat_template.tool_use", "tokenizer.chat_template"]
    assert rules_of(found) == {"gguf/duplicate-key"}


@pytest.mark.parametrize(
    ("name", "rule"),
    [("tail", "gguf/layout"), ("overlap", "gguf/layout"), ("twice", "gguf/duplicate-key")],
)
def test_unsafe_files_are_found(name: str, rule: str) -> None:
    assert rules_of(inspect_bytes("gguf", fixture(f"gguf/unsafe/{name}.gguf"))) == {rule}


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ([TENSORS[0], ("b", (8,), 0, 192)], "leave bytes that no tensor owns"),
        ([TENSORS[0], ("b", (8,), 0, 164)], "are not aligned"),
        ([TENSORS[0], ("token_embd.weight", (8,), 0, 160)], "stands 2 times"),
    ],
)
def test_tensors_that_lie_wrongly_are_found(tensors, message: str) -> None:
    found = inspect_bytes("gguf", file(PAIRS, tensors, DATA + bytes(32)))
    assert any(message in finding.message for finding in found.findings)


def test_what_lies_behind_the_last_tensor_is_handed_on() -> None:
    child = inspect_bytes("gguf", fixture("gguf/unsafe/tail.gguf")).children[-1]
    assert child.reader.read_at(0, 9) == b"#!/bin/sh"


@pytest.mark.parametrize("cut", [1, 31, 32])
def test_padding_behind_the_last_tensor_may_be_there_or_not(cut: int) -> None:
    data = CLEAN + bytes(32)  # the last tensor ends on the alignment: more is no padding
    assert rules_of(inspect_bytes("gguf", data[: len(CLEAN) + cut])) == {"gguf/layout"}
    shorter = [TENSORS[0], ("output_norm.weight", (4,), 0, 160)]
    assert not inspect_bytes("gguf", file(PAIRS, shorter, DATA[:-16])).findings
    assert not inspect_bytes("gguf", file(PAIRS, shorter, DATA)).findings


def test_an_alignment_that_leaves_room_is_found_and_a_wrong_one_is_a_gap() -> None:
    large = file([*PAIRS, ("general.alignment", U32, 1 << 20)], [("a", (8,), 0, 0)], b"")
    large += bytes(-len(large) % (1 << 20) + 32)
    assert rules_of(inspect_bytes("gguf", large)) == {"gguf/layout"}
    for wrong in (0, 24):
        data = file([*PAIRS, ("general.alignment", U32, wrong)], TENSORS, DATA)
        assert "alignment" in inspect_bytes("gguf", data).gaps[0].reason


@pytest.mark.parametrize("name", ["cut", "version-1", "many-tensors", "many-tokens"])
def test_broken_files_are_gaps(name: str) -> None:
    data = fixture(f"gguf/broken/{name}.gguf")
    assert names_of(data) == {"gguf"}
    assert inspect_bytes("gguf", data).gaps


def test_unknown_types_of_tensors_and_values_are_gaps() -> None:
    found = inspect_bytes("gguf", file(PAIRS, [*TENSORS, ("odd", (8,), 77, 192)], DATA + bytes(32)))
    assert "ggml type 77" in found.gaps[0].reason
    assert len(found.facts[0].tensors) == 2
    data = CLEAN.replace(b"general.name" + struct.pack("<I", 8), b"general.name" + struct.pack("<I", 13))
    found = inspect_bytes("gguf", data)
    assert "unknown type 13" in found.gaps[0].reason
    assert _claims(found)[Claimed.ARCHITECTURE] == "llama"


def test_truncated_at_every_byte_is_a_gap_and_never_clean() -> None:
    for cut in range(8, len(CLEAN)):
        assert inspect_bytes("gguf", CLEAN[:cut]).gaps, cut


def test_nesting_without_end_meets_the_budget() -> None:
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"k" + struct.pack("<I", 9)
    data = head + struct.pack("<IQ", 9, 1) * 100_000 + struct.pack("<IQ", 4, 0)
    assert "depth" in inspect_bytes("gguf", data).gaps[0].reason
    shallow = head + struct.pack("<IQ", 9, 1) * 3 + struct.pack("<IQI", 4, 1, 5)
    assert not inspect_bytes("gguf", shallow).gaps


def test_a_text_that_is_too_long_is_a_gap_and_the_rest_is_read() -> None:
    body = struct.pack("<Q", 17 << 20) + bytes(17 << 20)
    key = struct.pack("<Q", 4) + b"long" + struct.pack("<I", 8)
    after = struct.pack("<Q", 12) + b"general.name" + struct.pack("<IQ", 8, 1) + b"n"
    found = inspect_bytes("gguf", b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + key + body + after)
    assert "'long'" in found.gaps[0].reason
    assert _claims(found) == {Claimed.NAME: "n"}


class Counting(BytesReader):
    """Counts reads, as ranges over HTTP would be counted."""

    reads = 0

    def read_at(self, offset: int, length: int) -> bytes:
        type(self).reads += 1
        return super().read_at(offset, length)


def test_a_vocabulary_of_280_000_entries_takes_few_reads() -> None:
    tokens = [f"token{i}" for i in range(280_000)]
    data = file([*PAIRS[:2], ("tokenizer.ggml.tokens", 9, tokens)], TENSORS, DATA)
    Counting.reads = 0
    found = run(FORMAT, Counting(data), Budget(), Location("m.gguf"))
    assert not found.gaps
    assert _claims(found)[Claimed.VOCABULARY] == "280000"
    assert Counting.reads < 16
    assert not [text for text in found.texts if "token7" in text.text]


def test_block_sizes_and_names_are_those_of_the_gguf_package() -> None:
    for kind, (block, width) in gguf.GGML_QUANT_SIZES.items():
        assert TYPES[kind.value] == (kind.name.lower(), block, width)
    for kind in gguf.LlamaFileType:
        if kind.name != "GUESSED":
            assert FILE_TYPES[kind.value] == kind.name.removeprefix("MOSTLY_").removeprefix("ALL_")


def _shape(kind, rows: int) -> tuple[int, int]:
    return rows, gguf.GGML_QUANT_SIZES[kind][1] * 2


@pytest.mark.parametrize("order", list(gguf.GGUFEndian), ids=lambda order: order.name)
def test_it_reads_every_quantisation_that_the_gguf_package_writes(tmp_path, order) -> None:
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, "llama", endianess=order)
    kinds = sorted(gguf.GGML_QUANT_SIZES)
    floats = {"F32": np.float32, "F16": np.float16, "F64": np.float64}
    numbers = {**floats, "I8": np.int8, "I16": np.int16, "I32": np.int32, "I64": np.int64}
    for rows, kind in enumerate(kinds, 1):
        if kind.name in numbers:
            writer.add_tensor(f"t.{kind.name}", np.zeros((rows, 8), numbers[kind.name]))
        else:
            array = np.zeros(_shape(kind, rows), np.uint8)
            writer.add_tensor(f"t.{kind.name}", array, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = inspect_bytes("gguf", path.read_bytes())
    assert not found.findings
    assert not found.gaps
    theirs = [
        (t.name, t.tensor_type.name.lower(), tuple(reversed(t.shape.tolist())), t.data_offset, t.n_bytes)
        for t in gguf.GGUFReader(path).tensors
    ]
    assert [(t.name, t.dtype, t.shape, t.offset, t.length) for t in found.facts[0].tensors] == theirs


_SCALARS = st.one_of(
    st.tuples(st.just("add_uint8"), st.integers(0, 255)),
    st.tuples(st.just("add_int8"), st.integers(-128, 127)),
    st.tuples(st.just("add_uint16"), st.integers(0, 65535)),
    st.tuples(st.just("add_int16"), st.integers(-32768, 32767)),
    st.tuples(st.just("add_uint32"), st.integers(0, 2**32 - 1)),
    st.tuples(st.just("add_int32"), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.just("add_uint64"), st.integers(0, 2**64 - 1)),
    st.tuples(st.just("add_int64"), st.integers(-(2**63), 2**63 - 1)),
    st.tuples(st.just("add_float32"), st.floats(width=32, allow_nan=False)),
    st.tuples(st.just("add_float64"), st.floats(allow_nan=False)),
    st.tuples(st.just("add_bool"), st.booleans()),
    st.tuples(st.just("add_string"), st.text(min_size=1, max_size=20)),
    st.tuples(st.just("add_array"), st.lists(st.text(max_size=8), min_size=1, max_size=5)),
    st.tuples(st.just("add_array"), st.lists(st.integers(0, 9), min_size=1, max_size=5)),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(_SCALARS, max_size=12), big=st.booleans())
def test_it_agrees_with_the_gguf_package_on_every_type_of_value(tmp_path, values, big: bool) -> None:
    path = tmp_path / "m.gguf"
    order = gguf.GGUFEndian.BIG if big else gguf.GGUFEndian.LITTLE
    writer = gguf.GGUFWriter(path, "llama", endianess=order)
    for index, (method, value) in enumerate(values):
        getattr(writer, method)(f"k.{index}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    found = inspect_bytes("gguf", path.read_bytes())
    assert not found.findings
    assert not found.gaps
    theirs = gguf.GGUFReader(path).fields
    ours = dict(found.facts[0].metadata)
    for index, (method, value) in enumerate(values):
        field = theirs[f"k.{index}"].contents()
        shown = ours[f"k.{index}"]
        if method == "add_array":
            expected = ", ".join(field)[:200] if isinstance(value[0], str) else f"{len(value)} items"
            assert shown in {expected, f"{len(value)} items"}
        elif method in {"add_float32", "add_float64"}:
            assert float(shown) == field
        else:
            assert shown == (str(field).lower() if method == "add_bool" else str(field)[:200])


def test_it_survives_mutation() -> None:
    for name in ("model", "big-endian", "vocabulary-only"):
        assert_survives("gguf", fixture(f"gguf/clean/{name}.gguf"))


def test_a_hostile_template_is_judged_where_it_stands(tmp_path) -> None:
    hostile = "{{ messages.__class__.__mro__ }}"
    path = tmp_path / "m.gguf"
    path.write_bytes(file([*PAIRS, ("tokenizer.chat_template.tool_use", 8, hostile)], TENSORS, DATA))
    result = examine(Assignment("m.gguf", FileOpener(str(path)), Limits()))
    members = {finding.location.members for finding in result.findings if finding.rule.severity.rank >= 3}
    assert members == {("tokenizer.chat_template.tool_use",)}
    assert not result.gaps
