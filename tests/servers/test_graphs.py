"""Graphs with weights of gibibytes inside them, over HTTP: each tensor's head is read, its numbers are not.

The files are sparse: their heads are real, their numbers are holes.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fixtures.recipes.coreml import WEIGHTS, constant, program
from fixtures.recipes.coreml import model as coreml_model
from fixtures.recipes.onnx import FLOAT, node, value
from fixtures.recipes.sentencepiece import field
from tests.servers.serving import scan, transferred

pytestmark = pytest.mark.servers


def _length(value: int) -> bytes:
    return field(1, value)[1:]


def _onnx(path: Path, tensors: int, each: int) -> None:
    """A ModelProto whose initialisers are holes of ``each`` bytes."""
    heads = []
    for number in range(tensors):
        head = field(1, each // 4) + field(2, FLOAT) + field(8, f"layer.{number}.weight".encode())
        head += b"\x4a" + _length(each)
        heads.append(b"\x2a" + _length(len(head) + each) + head)
    before = b"".join(node("MatMul") for _ in range(200)) + field(2, b"main")
    after = value(11, "x") + value(12, "y")
    size = len(before) + sum(len(head) + each for head in heads) + len(after)
    with path.open("wb") as out:
        out.write(field(1, 8) + field(2, b"pytorch") + b"\x3a" + _length(size) + before)
        for head in heads:
            out.write(head)
            out.seek(each, 1)
        out.write(after + field(8, field(1, b"") + field(2, 17)))


@pytest.mark.parametrize(
    ("tensors", "requests", "mib"), [(1, 4, 1), (100, 105, 8), (1000, 1010, 66)], ids=["1", "100", "1000"]
)
def test_onnx_of_2_gib(nginx, tensors: int, requests: int, mib: int) -> None:
    folder, address = nginx
    each = (2 << 30) // tensors // 4 * 4 - 4096
    _onnx(folder / "www" / "m.onnx", tensors, each)
    result = scan(f"{address}/m.onnx")
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout)
    counted = next(entry["value"] for entry in report["inventory"] if entry["name"] == "parameters")
    assert counted == str(tensors * (each // 4))
    asked, sent = transferred(folder)
    assert asked <= requests
    assert sent <= mib << 20


def test_coreml_of_many_operations(nginx) -> None:
    folder, address = nginx
    data = coreml_model(502, program(*(constant(WEIGHTS, 64 * number) for number in range(5000))))
    (folder / "www" / "m.mlmodel").write_bytes(data)
    result = scan(f"{address}/m.mlmodel")
    assert result.returncode == 0, result.stdout + result.stderr
    asked, _ = transferred(folder)
    assert asked <= 6
