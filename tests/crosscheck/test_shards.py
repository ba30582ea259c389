"""A shard index beside real shards, through the whole scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from fixtures.recipes.shard_index import index
from scanner.model import Target
from scanner.pipeline import Request, scan_artefact
from tests.support import fixture

ONE, TWO = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


def _model(folder: Path, *, places: dict[str, str], total: int = 32) -> None:
    save_file({"a": np.zeros(4, np.float32)}, folder / ONE)
    save_file({"b": np.zeros(4, np.float32)}, folder / TWO)
    (folder / "model.safetensors.index.json").write_bytes(index(places, total))


def _found(folder: Path) -> dict[str, str]:
    report = scan_artefact(Request(Target(str(folder))))
    return {finding.rule.id: finding.message for finding in report.findings}


def test_an_index_that_fits_its_shards_has_no_finding(tmp_path) -> None:
    _model(tmp_path, places={"a": ONE, "b": TWO})
    assert _found(tmp_path) == {}


@pytest.mark.parametrize(
    ("places", "total", "rule", "message"),
    [
        ({"a": ONE, "b": TWO}, 33, "crosscheck/shard-size", "33 bytes, the shards hold 32"),
        ({"a": ONE, "b": TWO, "c": "x.safetensors"}, 32, "crosscheck/shard-missing", "x.safetensors"),
        ({"a": ONE, "b": TWO, "c": TWO}, 32, "crosscheck/shard-map", "1 tensors are not in"),
    ],
)
def test_an_index_that_does_not_fit_is_found(tmp_path, places, total: int, rule: str, message: str) -> None:
    _model(tmp_path, places=places, total=total)
    found = _found(tmp_path)
    assert list(found) == [rule]
    assert message in found[rule]


def test_tensors_in_another_shard_are_found_on_both_sides(tmp_path) -> None:
    _model(tmp_path, places={"a": TWO, "b": ONE})
    report = scan_artefact(Request(Target(str(tmp_path))))
    assert [finding.rule.id for finding in report.findings] == ["crosscheck/shard-map"] * 4


def test_a_shard_below_a_folder_is_found_there(tmp_path) -> None:
    (tmp_path / "unet").mkdir()
    _model(tmp_path / "unet", places={"a": ONE, "b": TWO})
    assert _found(tmp_path) == {}


def test_a_path_that_escapes_is_refused_and_not_called_missing(tmp_path) -> None:
    _model(tmp_path, places={"a": ONE, "b": TWO, "c": "../../x.safetensors"})
    assert list(_found(tmp_path)) == ["shard-index/path-escape"]


def test_the_neighbours_of_a_single_file_are_not_looked_for(tmp_path) -> None:
    _model(tmp_path, places={"a": ONE, "b": TWO, "c": "x.safetensors"})
    assert _found(tmp_path / "model.safetensors.index.json") == {}


def test_a_missing_part_of_a_split_gguf_model_is_found(tmp_path) -> None:
    for number in (1, 3):
        data = fixture("gguf/clean/model.gguf")
        (tmp_path / f"m-{number:05d}-of-00003.gguf").write_bytes(data)
    assert _found(tmp_path) == {"crosscheck/shard-missing": "1 of 3 parts of this model are not here"}
