from __future__ import annotations

import json

import pytest

from fixtures.recipes.onnx import graph, initialiser, model, node, outside
from tests.test_scan import weighbridge

NUMBERS = bytes([0, 0, 0x80, 0x81]) * 1024  # neither a text nor anything else


def _weigh(folder, numbers: bytes | None, *regions: tuple[int, int]) -> dict:
    parts = [initialiser(outside(f"w{i}", "m.onnx_data", at, size)) for i, (at, size) in enumerate(regions)]
    (folder / "m.onnx").write_bytes(model(graph(node("Add"), *parts)))
    if numbers is not None:
        (folder / "m.onnx_data").write_bytes(numbers)
    (folder / "notes.txt").write_text("weights are in m.onnx_data\n")
    return json.loads(weighbridge("scan", "--format", "json", str(folder)).stdout)


def _rules(report: dict) -> set[str]:
    return {finding["rule"] for finding in report["findings"]}


def test_numbers_that_a_model_owns_are_no_gap(tmp_path) -> None:
    report = _weigh(tmp_path, NUMBERS, (0, 2048), (2048, 2048))
    assert report["verdict"]["decision"] == "pass"
    assert not report["gaps"]
    data = next(file for file in report["files"] if file["path"] == "m.onnx_data")
    assert data["formats"] == ["raw-numbers"]
    assert data["coverage"] == "structure"


def test_numbers_that_nobody_owns_stay_a_gap_and_are_found(tmp_path) -> None:
    report = _weigh(tmp_path, NUMBERS * 4, (0, 4096))
    assert _rules(report) == {"crosscheck/numbers-unowned"}
    assert report["gaps"]


def test_numbers_behind_the_end_are_found(tmp_path) -> None:
    assert _rules(_weigh(tmp_path, NUMBERS, (0, 4096), (4000, 4096))) == {"crosscheck/numbers-bounds"}


def test_a_missing_file_is_found(tmp_path) -> None:
    assert _rules(_weigh(tmp_path, None, (0, 4096))) == {"crosscheck/numbers-missing"}


@pytest.mark.parametrize("payload", [b"cposix\nsystem\n(S'true'\ntR."])
def test_a_file_of_a_known_format_is_judged_as_that_whoever_owns_it(tmp_path, payload: bytes) -> None:
    report = _weigh(tmp_path, payload, (0, len(payload)))
    assert "pickle/dangerous-callable" in _rules(report)
