from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.datasets import shard
from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("mds/clean/shard.00000.mds")
UNSAFE = fixture("mds/unsafe/shard.00000.mds")


def test_a_clean_shard_has_facts_and_no_finding() -> None:
    assert names_of(CLEAN) == {"mds"}
    found = inspect_bytes("mds", CLEAN)
    assert dict(found.facts[0].metadata) == {"samples": "2", "columns": "n: int, t: str"}
    assert not found.findings
    assert not found.gaps


def test_pickled_values_are_judged() -> None:
    result = examined(UNSAFE, "shard.00000.mds")
    assert {"mds/pickled-column", "pickle/dangerous-callable"} <= {f.rule.id for f in result.findings}


def test_a_shard_with_many_samples_is_recognised_by_its_places() -> None:
    data = shard({"t": ("str", None)}, *((b"x",),) * 2000)
    assert names_of(data, "shard.00001.mds") == {"mds"}
    assert not inspect_bytes("mds", data).gaps


@given(st.lists(st.tuples(st.binary(max_size=9), st.binary(min_size=4, max_size=4)), min_size=1, max_size=5))
def test_every_pickled_value_is_handed_on(samples) -> None:
    found = inspect_bytes("mds", shard({"p": ("pkl", None), "n": ("int32", 4)}, *samples))
    assert rules_of(found) == {"mds/pickled-column"}
    assert [child.reader.read_at(0, 99) for child in found.children] == [value for value, _ in samples]


def test_truncated_at_every_byte_is_a_gap() -> None:
    for cut in range(len(UNSAFE)):
        assert inspect_bytes("mds", UNSAFE[:cut]).gaps, cut


def test_it_survives_mutation() -> None:
    assert_survives("mds", UNSAFE)
