from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.parquet import column, compact, footer, table
from scanner.examination import Assignment, Limits, examine
from scanner.model import Claimed
from scanner.net import RangeOpener
from tests.hub import Hub, sparse
from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("parquet/clean/numbers.parquet")


def test_a_clean_table_has_facts_and_no_finding() -> None:
    found = inspect_bytes("parquet", CLEAN)
    assert not found.findings
    assert not found.gaps
    facts = found.facts[0]
    assert dict(facts.metadata) == {
        "rows": "4",
        "columns": "1",
        "row groups": "1",
        "bytes": "40 stored, 40 unpacked",
        "codecs": "none",
        "schema": "n: int64",
        "features": "n: Value",
        "metadata keys": "huggingface",
    }
    assert [(c.what, c.value) for c in facts.claims] == [(Claimed.PRODUCER, "weighbridge fixtures")]


def test_a_summary_names_files_beside_itself() -> None:
    found = inspect_bytes("parquet", fixture("parquet/clean/_metadata"))
    assert not found.findings
    assert found.facts[0].external_files == ("part.0.parquet",)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("between", "parquet/layout"),
        ("in-front", "parquet/layout"),
        ("overlap", "parquet/layout"),
        ("outside", "parquet/path-escape"),
        ("rows", "parquet/row-count"),
    ],
)
def test_unsafe_files_are_found(name: str, rule: str) -> None:
    assert rules_of(inspect_bytes("parquet", fixture(f"parquet/unsafe/{name}.parquet"))) == {rule}


def test_what_lies_between_columns_is_opened() -> None:
    assert "zip" in examined(fixture("parquet/unsafe/between.parquet")).nested


def test_a_table_behind_something_else_is_still_a_table() -> None:
    data = fixture("parquet/unsafe/in-front.parquet")
    assert "parquet" in names_of(data)


def test_metadata_is_read_for_secrets() -> None:
    found = examined(fixture("parquet/unsafe/secret.parquet"))
    assert "exposure/secret" in {finding.rule.id for finding in found.findings}


@pytest.mark.parametrize("path", ["/etc/passwd", "s3://bucket/part", "C:\\data", "a/../../b"])
def test_paths_that_leave_the_data_set(path: str) -> None:
    data = table(b"", footer([column(4, 40, file=path.encode())]))
    assert rules_of(inspect_bytes("parquet", data)) == {"parquet/path-escape"}


@pytest.mark.parametrize("name", ["cut", "encrypted", "encrypted-column", "past-the-end", "deep"])
def test_what_cannot_be_read_is_a_gap(name: str) -> None:
    assert inspect_bytes("parquet", fixture(f"parquet/broken/{name}.parquet")).gaps


def test_zeros_between_columns_are_padding() -> None:
    data = table(bytes(200), footer([column(4, 40), column(104, 100)]))
    assert not inspect_bytes("parquet", data).findings


def test_a_copy_of_the_metadata_behind_a_column_is_known() -> None:
    """Polars 2.1 and Arrow before 17 write one."""
    behind = b"\x15\4\x195\0\6\x10\0"
    data = table(b"\1" * 40 + behind, footer([column(4, 40)]))
    assert not inspect_bytes("parquet", data).findings
    entry = b"\x26\xd0\x0f\x1c" + compact(column(4, 40)[3]) + b"\0"  # as Arrow 14 does
    assert not inspect_bytes("parquet", table(b"\1" * 40 + entry, footer([column(4, 40)]))).findings
    data = table(b"\1" * 40 + behind * 10, footer([column(4, 40)]))
    assert rules_of(inspect_bytes("parquet", data)) == {"parquet/layout"}


def test_truncated_at_every_byte_is_never_clean() -> None:
    for cut in range(4, len(CLEAN)):
        assert inspect_bytes("parquet", CLEAN[:cut]).gaps, cut


def test_ten_thousand_stray_regions_are_some_findings_and_a_gap() -> None:
    chunks = [column(4 + 400 * place, 1) for place in range(10_000)]
    found = inspect_bytes("parquet", table(b"\1" * 4_000_000, footer(chunks)))
    assert len(found.findings) == 20
    assert found.gaps


def test_a_table_is_no_pickle() -> None:
    """Its magic is a persistent id up to the next line end, which no loader resolves."""
    data = table(b"\1" * 5000 + b"\n" + bytes(40), footer([column(4, 5041)]))
    assert names_of(data) == {"parquet"}
    assert examined(data).formats == ("parquet",)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(0, 7))
def test_columns_side_by_side_cover_the_file(lengths, moved: int) -> None:
    places = [4 + sum(lengths[:index]) for index in range(len(lengths))]
    body = b"\1" * sum(lengths)
    chunks = [column(start, length) for start, length in zip(places, lengths, strict=True)]
    assert not inspect_bytes("parquet", table(body, footer(chunks))).findings
    index = moved % len(chunks)
    if lengths[index] > 1 and index:
        chunks[index] = column(places[index] - 1, lengths[index])
        assert rules_of(inspect_bytes("parquet", table(body, footer(chunks)))) == {"parquet/layout"}


def test_it_survives_mutation() -> None:
    assert_survives("parquet", CLEAN)
    assert_survives("parquet", fixture("parquet/unsafe/between.parquet"))


def test_a_gibibyte_is_read_in_three_ranges() -> None:
    """64 row groups of 16 columns; the footer is longer than the tail that identification reads."""
    step, last = 1 << 20, 1 << 30
    chunks = [column(4 + place * step, step) for place in range(1023)]
    metadata = {b"note": b"x" * 100_000}
    tail = table(b"", footer(chunks, metadata))[4:]
    with Hub() as hub:
        start = 4 + 1023 * step
        size = start + len(tail)
        assert size >= last - (1 << 20)
        commit = hub.dataset("org/set").commit({"a.parquet": sparse(size, {0: b"PAR1", start: tail})})
        hub.forget()
        opener = RangeOpener(f"{hub.url}/datasets/org/set/resolve/{commit}/a.parquet", size=size)
        result = examine(Assignment("a.parquet", opener, Limits()))
        assert len(hub.requests()) <= 3
    assert not result.gaps
    assert not result.findings
    assert result.formats == ("parquet",)
