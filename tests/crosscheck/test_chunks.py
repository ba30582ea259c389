from __future__ import annotations

import json

import pytest

from fixtures.recipes.datasets import ARRAY, text
from tests.test_scan import weighbridge

NUMBERS = bytes([0, 0, 0x80, 0x81]) * 8  # neither a text nor anything else


def _weigh(folder, described: dict, key: str, name: str = ".zarray") -> dict:
    array = folder / "a"
    (array / key).parent.mkdir(parents=True)
    (array / name).write_bytes(text(described))
    (array / key).write_bytes(NUMBERS)
    return json.loads(weighbridge("scan", "--format", "json", str(folder)).stdout)


@pytest.mark.parametrize(
    ("described", "key", "name"),
    [
        (ARRAY, "0", ".zarray"),
        (ARRAY, "0.0", ".zarray"),
        (ARRAY | {"zarr_format": 3}, "c/0/0", "zarr.json"),
    ],
)
def test_chunks_of_an_array_are_no_gap(tmp_path, described: dict, key: str, name: str) -> None:
    report = _weigh(tmp_path, described, key, name)
    assert report["verdict"]["decision"] == "pass"
    assert not report["gaps"]
    chunk = next(file for file in report["files"] if file["path"] == f"a/{key}")
    assert (chunk["formats"], chunk["coverage"]) == (["raw-numbers"], "structure")


@pytest.mark.parametrize(
    ("described", "key"),
    [(ARRAY | {"filters": [{"id": "pickle"}]}, "0"), (ARRAY, "other.dat")],
)
def test_what_is_unpickled_or_is_no_chunk_stays_a_gap(tmp_path, described: dict, key: str) -> None:
    assert _weigh(tmp_path, described, key)["gaps"]
