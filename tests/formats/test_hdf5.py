from __future__ import annotations

import json
import lzma
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.recipes import _hdf5 as h
from scanner.formats import by_name
from scanner.formats.hdf5.values import is_pickle
from scanner.inspection import run
from scanner.model import Location
from scanner.reader import Budget, BytesReader
from scanner.wire import hdf5
from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

ORACLES = Path(__file__).parent.parent / "oracles" / "hdf5"
SEEN = json.loads(lzma.decompress((ORACLES / "seen.json.xz").read_bytes()))
FILES = sorted(name for name in SEEN if name.endswith(".h5"))
MODELS = sorted(name for name in SEEN if name.startswith("keras-"))
CLEAN = fixture("hdf5/clean/model.h5")


def oracle(name: str) -> bytes:
    return lzma.decompress((ORACLES / f"{name}.xz").read_bytes())


def walked(data: bytes) -> dict[str, list]:
    """What `_seen` of tests/oracles/make_hdf5.py notes, by our reader."""
    storage = hdf5.Storage.open(BytesReader(data), Budget())
    pending, seen, found = [("", storage.root)], {storage.root}, {}
    while pending:
        path, address = pending.pop()
        messages = hdf5.messages(storage, address)
        dataset = hdf5.dataset(storage, messages)
        place = None
        if dataset is not None:
            direct = dataset.layout == "contiguous" and dataset.address is not None
            place = [list(dataset.shape or ()), storage.place(dataset.address or 0) if direct else None]
        found[path] = [place, sorted(one.name for one in hdf5.attributes(storage, messages))]
        for link in hdf5.links(storage, messages):
            if link.kind == "hard" and link.address not in seen:
                seen.add(link.address)
                pending.append((f"{path}/{link.name}", link.address))
    return found


@pytest.mark.parametrize("name", FILES)
def test_it_sees_what_h5py_sees(name: str) -> None:
    assert walked(oracle(name)) == SEEN[name]


@pytest.mark.parametrize("name", [name for name in FILES if name != "large.h5"])
def test_what_leads_elsewhere_is_found_whatever_version_wrote_it(name: str) -> None:
    result = examined(oracle(name), name)
    files = {dict(f.evidence)["file"] for f in result.findings if f.rule.id.startswith("hdf5/external")}
    assert files == {"/etc/hostname", "../other.h5"} | ({"one.h5", "two.h5"} if name != "v108.h5" else set())
    pickled = {dict(f.evidence)["object"] for f in result.findings if f.rule.id == "hdf5/pickled"}
    assert {"/void", "/u8"} <= pickled
    assert not result.gaps


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("ending", [".keras", "-legacy.h5", ".weights.h5"])
def test_what_keras_writes_has_no_gap_and_nothing_high_but_its_byte_code(model: str, ending: str) -> None:
    result = examined(oracle(f"{model}{ending}"), f"{model}{ending}")
    assert not result.gaps
    high = {finding.rule.id for finding in result.findings if finding.rule.severity.rank >= 3}
    assert high == (
        {"keras-config/lambda"} if model == "keras-lambda" and ".weights" not in ending else set()
    )
    tensors = [tensor for _, facts in result.facts for tensor in facts.tensors]
    # What Keras counts has no state of random generators; h5py stores bfloat16 as bytes of no type.
    counted = sum(tensor.elements for tensor in tensors if "seed_generator" not in tensor.name)
    if (model, ending) != ("keras-mixed", "-legacy.h5"):
        assert counted == SEEN[model]


def test_a_clean_file_has_facts_and_no_finding() -> None:
    found = inspect_bytes("hdf5", CLEAN)
    assert not found.findings
    assert not found.gaps
    facts = found.facts[0]
    assert [(t.name, t.dtype, t.shape, t.length) for t in facts.tensors] == [
        ("/layers/kernel", "f32", (2, 3), 24)
    ]
    start = facts.tensors[0].offset
    assert start is not None
    assert CLEAN[start : start + 8] == bytes(4) + b"\0\0\x80\x3f"
    assert [claim.value for claim in facts.claims] == ["keras 2.15.0"]


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("links", {"hdf5/external-escape", "hdf5/external-file"}),
        ("storage", {"hdf5/external-escape"}),  # CVE-2026-1669
        ("pickled", {"hdf5/pickled"}),
        ("user-block", {"hdf5/hidden-bytes"}),
        ("tail", {"hdf5/hidden-bytes"}),
        ("bomb", {"hdf5/size-bomb"}),  # CVE-2026-0897
        ("plugin", {"hdf5/filter-plugin"}),
    ],
)
def test_unsafe_files_are_found(name: str, rules: set[str]) -> None:
    found = inspect_bytes("hdf5", fixture(f"hdf5/unsafe/{name}.h5"))
    assert rules_of(found) == rules
    assert not found.gaps


def test_pickles_in_attributes_and_data_sets_are_judged_as_pickles() -> None:
    result = examined(fixture("hdf5/unsafe/pickled.h5"), "pickled.h5")
    places = {f.location.members for f in result.findings if f.rule.id == "pickle/dangerous-callable"}
    assert places == {("/void",), ("@info",)}


def test_the_objects_of_pytables_are_judged_element_by_element() -> None:
    result = examined(oracle("earliest.h5"), "earliest.h5")
    assert ("/objects[0]",) in {f.location.members for f in result.findings if f.rule.id == "pickle/present"}


@pytest.mark.parametrize("name", ["cut", "circle", "root"])
def test_broken_files_are_gaps(name: str) -> None:
    assert inspect_bytes("hdf5", fixture(f"hdf5/broken/{name}.h5")).gaps


def test_truncated_at_every_byte_is_a_gap_and_never_clean() -> None:
    for cut in range(len(CLEAN)):
        assert inspect_bytes("hdf5", CLEAN[:cut]).gaps, cut


def test_what_stands_before_a_malformed_object_is_still_found() -> None:
    writer = h.Writer()
    bad = writer.put(b"\xff" * 32)
    data = writer.finish(writer.group([h.hard("a", bad), h.external("z", "/etc/passwd", "/")]))
    found = inspect_bytes("hdf5", data)
    assert rules_of(found) == {"hdf5/external-escape"}
    assert found.gaps


def test_a_group_that_holds_itself_ends() -> None:
    found = inspect_bytes("hdf5", fixture("hdf5/clean/cycle.h5"))
    assert not found.gaps
    assert dict(found.facts[0].metadata)["objects"] == "5"


def test_the_user_block_of_matlab_is_no_hidden_payload() -> None:
    writer = h.Writer()
    block = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(116) + bytes(8) + b"\0\2IM"
    data = writer.finish(writer.group([]), block.ljust(512, b"\0"))
    found = inspect_bytes("hdf5", data)
    assert not found.findings
    assert not found.children
    hidden = inspect_bytes("hdf5", data[:300] + b"#!/bin/sh" + data[309:])
    assert rules_of(hidden) == {"hdf5/hidden-bytes"}


@given(
    st.dictionaries(
        st.text("abcdef", min_size=1, max_size=6),
        st.tuples(st.lists(st.integers(1, 3), max_size=3), st.sampled_from(["f32", "u8"])),
        max_size=6,
    ),
    st.sampled_from([b"", bytes(512), bytes(1024)]),
)
@settings(max_examples=50)
def test_what_is_written_is_read_back(arrays, block: bytes) -> None:
    writer, links, wanted = h.Writer(), [], {}
    for name, (extents, dtype) in arrays.items():
        count = 1
        for extent in extents:
            count *= extent
        kind, width = (h.F32, 4) if dtype == "f32" else (h.U8, 1)
        links.append(h.hard(name, writer.dataset(kind, tuple(extents), bytes(range(count * width)))))
        wanted[f"/{name}"] = dtype, tuple(extents), bytes(range(count * width))
    data = writer.finish(writer.group(links), block)
    found = inspect_bytes("hdf5", data)
    assert not found.findings
    assert not found.gaps
    read = {
        t.name: (t.dtype, t.shape, data[t.offset : t.offset + t.length])
        for t in found.facts[0].tensors
        if t.offset is not None and t.length is not None
    }
    assert read == wanted


@pytest.mark.parametrize(
    "value", [b"A sentence.", b"cats and dogs.", b"", b"N", b"2.15.0", b"\x80abc", b"(c) me."]
)
def test_texts_are_no_pickles(value: bytes) -> None:
    assert not is_pickle(value)


@pytest.mark.parametrize("value", [b"\x80\x04N.", b"cposix\nsystem\n(S'true'\ntR.", b"(lp0\n."])
def test_pickles_of_any_protocol_are_seen(value: bytes) -> None:
    assert is_pickle(value)


def test_a_signature_is_looked_for_where_the_format_allows_it() -> None:
    assert names_of(CLEAN) == {"hdf5"}
    assert "hdf5" in names_of(bytes(512) + CLEAN)
    assert "hdf5" not in names_of(bytes(100) + CLEAN)


@pytest.mark.parametrize("name", ["hdf5/clean/model.h5", "hdf5/unsafe/pickled.h5", "hdf5/unsafe/storage.h5"])
def test_it_survives_mutation(name: str) -> None:
    assert_survives("hdf5", fixture(name))


@pytest.mark.parametrize("name", ["earliest.h5", "latest.h5"])
def test_it_survives_mutation_of_what_h5py_wrote(name: str) -> None:
    assert_survives("hdf5", oracle(name), 60)


class Counting:
    """A reader that notes what is asked of it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.reads, self.bytes = data, 0, 0

    @property
    def size(self) -> int:
        return len(self.data)

    def read_at(self, offset: int, length: int) -> bytes:
        self.reads += 1
        found = self.data[offset : offset + length] if length > 0 else b""
        self.bytes += len(found)
        return found


def test_numbers_are_not_read() -> None:
    writer = h.Writer()
    links = [h.hard(f"w{i}", writer.dataset(h.F32, (1 << 18,), bytes(1 << 20))) for i in range(4)]
    data = writer.finish(writer.group(links))
    reader = Counting(data)
    found = run(by_name()["hdf5"], reader, Budget(), Location("model.h5"))
    assert len(found.facts[0].tensors) == 4
    assert reader.bytes < 256 << 10
    assert reader.reads < 24


def test_a_symbol_table_that_lists_its_names_twice_ends() -> None:
    data = bytearray(oracle("earliest.h5"))
    at = data.index(b"TREE\0\0\x08\0")  # that of /g, with eight leaves: the first one in place of the second
    data[at + 48 : at + 56] = data[at + 32 : at + 40]
    assert any("twice" in gap.reason for gap in inspect_bytes("hdf5", bytes(data)).gaps)


def test_one_object_that_ten_thousand_elements_share_is_judged_once_and_held_never() -> None:
    writer = h.Writer()
    value = b"\x80\x04" + b"N0" * 50_000 + b"N."
    parts = struct.pack("<Q", 40 + len(value)) + struct.pack("<HHIQ", 1, 1, 0, len(value)) + value
    collection = writer.put(b"GCOL\1\0\0\0" + parts)
    sequence = b"\x19\0\0\0" + struct.pack("<I", 16) + h.U8
    elements = struct.pack("<IQI", len(value), collection, 1) * 10_000
    data = writer.finish(writer.group([h.hard("v", writer.dataset(sequence, (10_000,), elements))]))
    found = inspect_bytes("hdf5", data)
    assert [child.reader.size for child in found.children] == [len(value)]
    assert not isinstance(found.children[0].reader, BytesReader)


def test_a_rule_is_not_told_by_the_thousand_but_every_pickle_is_judged() -> None:
    pickled = b"\x80\x02cposix\nsystem\nX\x04\0\0\0true\x85R."
    writer = h.Writer()
    found = inspect_bytes(
        "hdf5", writer.finish(writer.group([], [h.attribute(f"a{i}", pickled) for i in range(500)]))
    )
    assert len(found.findings) == 200
    assert len(found.children) == 500


def test_a_configuration_is_read_even_where_another_attribute_shares_its_bytes() -> None:
    config = b'{"note": "' + b"x" * 5000 + b'", "class_name": "Gate", "config": {}, "module": "os"}'
    parts = struct.pack("<Q", 40 + len(config)) + struct.pack("<HHIQ", 1, 1, 0, len(config)) + config
    writer = h.Writer()
    shared = struct.pack("<IQI", len(config), writer.put(b"GCOL\1\0\0\0" + parts), 1)
    text = b"\x19\1\0\0" + struct.pack("<I", 16) + h.text_type(1)
    attributes = [h.attribute("a", shared, text), h.attribute("model_config", shared, text)]
    result = examined(writer.finish(writer.group([], attributes)), "model.h5")
    dangerous = [
        f.location.members for f in result.findings if f.rule.id == "keras-config/dangerous-callable"
    ]
    assert ("model_config",) in dangerous
