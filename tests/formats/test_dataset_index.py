from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.datasets import ARRAY, croissant, text
from scanner.model import Claimed
from tests.support import FIXTURES, assert_survives, fixture, inspect_bytes, names_of, rules_of


@pytest.mark.parametrize("name", sorted(p.name for p in (FIXTURES / "dataset-index" / "clean").iterdir()))
def test_clean_descriptions_have_facts_and_no_finding(name: str) -> None:
    data = fixture(f"dataset-index/clean/{name}")
    assert "dataset-index" in names_of(data, name)
    found = inspect_bytes("dataset-index", data, name)
    assert found.facts[0].metadata
    assert not found.findings
    assert not found.gaps


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        (".zarray", {"pickled-data"}),
        ("zarr.json", {"pickled-data"}),
        ("index.json", {"pickled-column"}),
        ("metadata.jsonl", {"path-escape"}),
        ("croissant.json", {"plain-http", "no-digest"}),
    ],
)
def test_unsafe_descriptions_are_found(name: str, rules: set[str]) -> None:
    data = fixture(f"dataset-index/unsafe/{name}")
    assert "dataset-index" in names_of(data, name)
    assert rules_of(inspect_bytes("dataset-index", data, name)) == {f"dataset-index/{rule}" for rule in rules}


def test_consolidated_metadata_and_repeated_keys_are_judged() -> None:
    inside = {"metadata": {"a/.zarray": ARRAY | {"compressor": {"id": "pickle"}}}, "zarr_format": 2}
    assert rules_of(inspect_bytes("dataset-index", text(inside))) == {"dataset-index/pickled-data"}
    twice = b'{"zarr_format": 2, "filters": [{"id": "pickle"}], "filters": null}'
    assert rules_of(inspect_bytes("dataset-index", twice)) == {"dataset-index/pickled-data"}


def test_hosts_are_counted_and_claims_made() -> None:
    data = text(croissant(contentUrl="https://localhost/data.zip", sha256="0" * 64))
    facts = inspect_bytes("dataset-index", data).facts[0]
    assert dict(facts.metadata)["hosts"] == "localhost (1)"
    assert {claim.what: claim.value for claim in facts.claims}[Claimed.LICENCE] == "mit"


@pytest.mark.parametrize(
    "address", ["https://user:pw@Localhost:80/a", "https://[localhost]/", "s3://localhost?x"]
)
def test_hosts_are_read_out_of_any_address(address: str) -> None:
    facts = inspect_bytes("dataset-index", text(croissant(contentUrl=address))).facts[0]
    assert dict(facts.metadata)["hosts"] == "localhost (1)"


def test_a_digest_is_hexadecimal() -> None:
    """The Hub writes the address of an issue where a digest should stand."""
    data = text(croissant(contentUrl="https://localhost/a", sha256="https://localhost/issues/80"))
    assert rules_of(inspect_bytes("dataset-index", data)) == {"dataset-index/no-digest"}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["filters", "codecs", "column_encodings", "column_names", "id", "name", "features"]
            )
            | st.sampled_from(
                ["splits", "shards", "contentUrl", "download_checksums", "shape", "zarr_format"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(_JSON)
def test_any_json_is_read(value) -> None:
    assert not inspect_bytes("dataset-index", json.dumps(value).encode()).gaps


@pytest.mark.parametrize(
    "row",
    [
        b'{"image_file_name": "/etc/passwd"}',
        b'{"file_names": ["a.png", "../b"]}',
        b'{"file_name": "../a", "file_name": "a"}',
        b'{"file\\u005fname": "../a"}',
    ],
)
def test_a_row_that_names_a_file_outside_is_found_in_its_line(row: bytes) -> None:
    rows = b'{"file_name": "a.png"}\n' * 50_000
    found = inspect_bytes("dataset-index", rows + row, "train/metadata.jsonl")
    assert rules_of(found) == {"dataset-index/path-escape"}
    assert found.findings[0].location.line == 50_001


def test_it_survives_mutation() -> None:
    assert_survives("dataset-index", fixture("dataset-index/unsafe/croissant.json"))
