from __future__ import annotations

import json

import pytest

from fixtures.recipes.shard_index import index
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of

NAME = "model.safetensors.index.json"


def test_an_index_is_read_and_says_which_file_holds_what() -> None:
    data = fixture(f"shard-index/clean/{NAME}")
    found = inspect_bytes("shard-index", data, NAME)
    assert names_of(data, NAME) == {"json", "shard-index", "text"}
    assert not found.findings
    assert not found.gaps
    facts = found.facts[0]
    assert facts.shards == (
        ("a", "model-00001-of-00002.safetensors"),
        ("b", "model-00002-of-00002.safetensors"),
    )
    assert facts.external_files == tuple(name for _, name in facts.shards)
    assert facts.metadata == (("total_size", "32"),)


@pytest.mark.parametrize(
    ("folder", "rule"),
    [
        ("climbs", "shard-index/path-escape"),
        ("absolute", "shard-index/path-escape"),
        ("pickle", "shard-index/other-format"),
    ],
)
def test_indices_that_lead_astray_are_found(folder: str, rule: str) -> None:
    data = fixture(f"shard-index/unsafe/{folder}/{NAME}")
    assert rules_of(inspect_bytes("shard-index", data, NAME)) == {rule}


@pytest.mark.parametrize("name", ["..\\x.safetensors", "C:\\x.safetensors", "a/../../x.safetensors"])
def test_paths_of_windows_and_hidden_climbs_escape_as_well(name: str) -> None:
    assert rules_of(inspect_bytes("shard-index", index({"a": name}), NAME)) == {"shard-index/path-escape"}


def test_every_reading_of_a_repeated_key_is_judged() -> None:
    for first, second in (("../x.bin", "y.bin"), ("y.bin", "../x.bin")):
        data = f'{{"weight_map": {{"a": "{first}", "a": "{second}"}}}}'.encode()
        assert rules_of(inspect_bytes("shard-index", data)) == {"shard-index/path-escape"}
        data = f'{{"weight_map": {{"a": "{first}"}}, "weight_map": {{"a": "{second}"}}}}'.encode()
        assert rules_of(inspect_bytes("shard-index", data)) == {"shard-index/path-escape"}


def test_it_is_recognised_by_its_name_where_the_key_is_out_of_sight() -> None:
    data = b'{"x": "' + b"y" * 5000 + b'", "weight_map": {}}'
    assert "shard-index" in names_of(data, "pytorch_model.bin.index.json")
    assert "shard-index" in names_of(data, "diffusion_pytorch_model.safetensors.index.fp16.json")
    assert "shard-index" not in names_of(data, "other.json")
    assert "shard-index" in names_of(b'{"\\u0077eight_map": {}}', NAME)


@pytest.mark.parametrize("weight_map", [[1], {"a": 1}, None])
def test_an_index_without_a_proper_map_is_a_gap(weight_map) -> None:
    assert inspect_bytes("shard-index", index(weight_map), NAME).gaps
    assert inspect_bytes("shard-index", fixture(f"shard-index/broken/{NAME}"), NAME).gaps


def test_a_total_in_floating_point_is_whole_and_parameters_are_a_claim() -> None:
    found = inspect_bytes("shard-index", index({"a": "x"}, 32.0))
    assert found.facts[0].metadata == (("total_size", "32"),)
    data = json.dumps({"metadata": {"total_parameters": 8}, "weight_map": {"a": "x"}}).encode()
    assert [claim.value for claim in inspect_bytes("shard-index", data).facts[0].claims] == ["8"]


def test_it_survives_mutation() -> None:
    assert_survives("shard-index", fixture(f"shard-index/clean/{NAME}"))
