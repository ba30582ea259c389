from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.trees import model, ubj
from scanner.errors import FormatError
from scanner.model import Claimed
from scanner.reader import Budget, BytesReader, Cursor
from scanner.wire.ubjson import Numbers, Table, parse
from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("xgboost/clean/model.ubj")


@pytest.mark.parametrize("name", ["model.ubj", "model.json", "handle.bin", "legacy.bin"])
def test_ordinary_models_have_no_finding_and_no_gap(name: str) -> None:
    found = examined(fixture(f"xgboost/clean/{name}"), name)
    assert "xgboost" in found.formats
    assert not found.findings
    assert not found.gaps


def test_what_a_model_says_is_read() -> None:
    facts = inspect_bytes("xgboost", CLEAN).facts[0]
    assert [(c.what, c.value) for c in facts.claims] == [
        (Claimed.ARCHITECTURE, "gbtree"),
        (Claimed.PRODUCER, "xgboost 3.2.0"),
    ]
    assert dict(facts.metadata)["objective"] == "binary:logistic"
    assert dict(facts.metadata)["trees"] == "1"
    assert inspect_bytes("xgboost", fixture("xgboost/clean/legacy.bin")).facts[0].version == "1.7"
    assert [text.text for text in inspect_bytes("xgboost", CLEAN).texts] == ["best_iteration: 2"]


@pytest.mark.parametrize("name", ["bounds.ubj", "bounds.json", "lengths.ubj"])
def test_trees_that_reach_past_their_nodes_are_found(name: str) -> None:
    found = inspect_bytes("xgboost", fixture(f"xgboost/unsafe/{name}"))
    assert rules_of(found) == {"xgboost/tree-bounds"}


def test_what_lies_behind_a_model_is_looked_at() -> None:
    found = examined(fixture("xgboost/unsafe/tail.ubj"), "model.ubj")
    assert "xgboost/trailing-data" in {f.rule.id for f in found.findings}
    assert "shell-script" in found.nested


def test_other_objects_are_none() -> None:
    assert "xgboost" not in names_of(b'{"a": 1}', "a.json")
    assert "xgboost" not in names_of(ubj({"other": 1}))


@pytest.mark.parametrize("name", ["cut.ubj", "count.ubj", "legacy.bin"])
def test_broken_files_are_gaps(name: str) -> None:
    assert inspect_bytes("xgboost", fixture(f"xgboost/broken/{name}")).gaps


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner.filter(lambda v: not isinstance(v, int)), max_size=4)
        | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


def plain(value: object) -> object:
    if isinstance(value, Table):
        return {key: plain(inner) for key, inner in value.pairs}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


@given(VALUES)
def test_ubjson_reads_back_what_was_written(value: object) -> None:
    assert plain(parse(Cursor(BytesReader(ubj(value)), Budget()))) == value


def test_numbers_are_placed_and_not_read() -> None:
    data = ubj([1, 2, 3])
    found = parse(Cursor(BytesReader(data), Budget()))
    assert found == Numbers("l", len(data) - 12, 3)


def test_depth_is_bounded() -> None:
    with pytest.raises(FormatError):
        parse(Cursor(BytesReader(b"[" * 100_000), Budget()))


def test_it_survives_mutation() -> None:
    assert_survives("xgboost", CLEAN)
    assert_survives("xgboost", fixture("xgboost/clean/legacy.bin"))
    assert_survives("xgboost", ubj(model(left=7)), rounds=50)
