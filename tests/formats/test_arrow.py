from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.arrow import END, batch, extension, file, message, schema, stream
from fixtures.recipes.flatbuffers import Num, table
from tests.support import FIXTURES, assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

CLEAN = sorted(path.name for path in (FIXTURES / "arrow" / "clean").iterdir())
FILE = fixture("arrow/clean/numbers.arrow")
STREAM = fixture("arrow/clean/numbers.arrows")


@pytest.mark.parametrize("name", CLEAN)
def test_clean_tables_have_facts_and_no_finding(name: str) -> None:
    data = fixture(f"arrow/clean/{name}")
    assert names_of(data) == {"arrow"}
    found = inspect_bytes("arrow", data)
    assert not found.findings
    assert not found.gaps
    facts = dict(found.facts[0].metadata)
    assert facts["rows"] == "4"
    assert facts["schema"] in {"n: int", "n: int64"}


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("python-type.arrows", {"python-extension-type"}),
        ("python-type.arrow", {"python-extension-type"}),
        ("only-at-the-start.arrow", {"python-extension-type", "schemas-disagree"}),
        ("ray-objects.arrows", {"pickled-values"}),
        ("ray-tensor.arrows", {"pickled-parameters"}),
        ("between.arrow", {"layout"}),
        ("behind.arrows", {"layout"}),
        ("between.feather", {"layout"}),
        ("buffer.arrows", {"layout"}),
        ("lengths.arrow", {"layout"}),
    ],
)
def test_unsafe_files_are_found(name: str, rules: set[str]) -> None:
    found = inspect_bytes("arrow", fixture(f"arrow/unsafe/{name}"))
    assert rules_of(found) == {f"arrow/{rule}" for rule in rules}


@pytest.mark.parametrize("name", ["arrow/unsafe/python-type.arrow", "parquet/unsafe/python-type.parquet"])
def test_the_pickle_of_a_python_type_is_judged(name: str) -> None:
    """CVE-2023-47248: PyArrow unpickles it on reading the schema, of Parquet as well."""
    rules = {finding.rule.id for finding in examined(fixture(name), name).findings}
    assert {"arrow/python-extension-type", "pickle/dangerous-callable"} <= rules


def test_a_column_inside_a_column_is_judged() -> None:
    inner = table(
        "inner",
        Num(0, 1),
        Num(2, 1),
        table(Num(64)),
        None,
        None,
        [
            table("ARROW:extension:name", b"arrow.py_extension_type"),
            table("ARROW:extension:metadata", b"N."),
        ],
    )
    outer = table("outer", Num(0, 1), Num(13, 1), table(), None, [inner])
    found = inspect_bytes("arrow", message(1, table(Num(0, 2), [outer])))
    assert rules_of(found) == {"arrow/python-extension-type"}
    assert dict(found.facts[0].metadata)["schema"] == "outer: struct, outer.inner: int"


def test_a_key_that_stands_twice_is_read_both_ways() -> None:
    twice = [
        table("ARROW:extension:name", b"arrow.uuid"),
        table("ARROW:extension:name", b"arrow.py_extension_type"),
        table("ARROW:extension:metadata", b"N."),
    ]
    column = table("n", Num(0, 1), Num(2, 1), table(Num(64)), None, None, twice)
    found = inspect_bytes("arrow", message(1, table(Num(0, 2), [column])))
    assert rules_of(found) == {"arrow/python-extension-type"}


@pytest.mark.parametrize("parameters", [b"[2, 3]", b"", b'{"shape": [2]}'])
def test_parameters_of_ray_in_json_are_no_pickle(parameters: bytes) -> None:
    data = stream(schema(extension(b"ray.data.arrow_tensor_v2", parameters)))
    assert not inspect_bytes("arrow", data).findings


def test_what_lies_between_batches_is_opened() -> None:
    assert "zip" in examined(fixture("arrow/unsafe/between.arrow")).nested


@pytest.mark.parametrize("name", ["cut.arrow", "cut.arrows", "past-the-end.feather"])
def test_what_cannot_be_read_is_a_gap(name: str) -> None:
    assert inspect_bytes("arrow", fixture(f"arrow/broken/{name}")).gaps


def test_a_file_truncated_at_every_byte_is_a_gap() -> None:
    for cut in range(8, len(FILE)):
        assert inspect_bytes("arrow", FILE[:cut]).gaps, cut


def test_a_stream_is_cut_at_a_message_or_it_is_a_gap() -> None:
    ends = {len(message(1, schema(metadata={"huggingface": b"{}"})))}
    ends |= {max(ends) + len(batch())}
    for cut in range(1, len(STREAM)):
        assert inspect_bytes("arrow", STREAM[:cut]).gaps or cut in ends, cut


@given(st.lists(st.sampled_from([batch(), message(2, table(Num(0, 8)))]), max_size=4), st.binary(max_size=20))
def test_messages_in_any_order_are_read_or_refused(rest, tail: bytes) -> None:
    found = inspect_bytes("arrow", stream(schema(), *rest, END, tail))
    if tail.strip(b"\0"):
        assert found.findings or found.gaps


def test_a_schema_as_polars_writes_it_is_read() -> None:
    bare = message(1, schema(extension(b"arrow.py_extension_type", b"N.")))[8:]
    found = inspect_bytes("arrow", file(schema(extension(b"x" * 400)), bare))
    assert rules_of(found) == {"arrow/python-extension-type", "arrow/schemas-disagree"}


def test_it_survives_mutation() -> None:
    for data in (FILE, STREAM, fixture("arrow/clean/numbers.feather")):
        assert_survives("arrow", data)
