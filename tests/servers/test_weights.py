"""Weights of many gibibytes over HTTP: judged by their headers, in requests and bytes that are counted.

The files are sparse: their headers are real, their numbers are holes.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fixtures.recipes.gguf import PAIRS, file
from tests.servers.serving import scan, transferred

pytestmark = pytest.mark.servers

SIZE = 8 << 30


def _sparse(path: Path, header: bytes, data: int) -> None:
    with path.open("wb") as out:
        out.write(header)
        out.truncate(len(header) + data)


def _safetensors(path: Path, count: int) -> None:
    each = SIZE // count // 2 * 2
    entries = {
        f"model.layers.{i}.mlp.experts.down_proj.weight": {
            "dtype": "F16",
            "shape": [each // 2],
            "data_offsets": [i * each, (i + 1) * each],
        }
        for i in range(count)
    }
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    _sparse(path, len(header).to_bytes(8, "little") + header, count * each)


def _gguf(path: Path, tokens: int) -> None:
    pairs = [pair for pair in PAIRS if not pair[0].startswith("tokenizer.ggml")]
    if tokens:
        pairs.append(("tokenizer.ggml.tokens", 9, [f"token{i:06d}" for i in range(tokens)]))
        pairs.append(("tokenizer.ggml.merges", 9, [f"tok en{i:06d}" for i in range(tokens)]))
    each = SIZE // 256
    tensors = [(f"blk.{i}.ffn_down.weight", (each // 4,), 0, i * each) for i in range(256)]
    _sparse(path, file(pairs, tensors, b""), 256 * each)


def _weigh(nginx, name: str) -> tuple[dict, int, int]:
    folder, address = nginx
    result = scan(f"{address}/{name}")
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout)
    assert report["files"][0]["coverage"] == "structure"
    assert report["files"][0]["digests"] == []
    return report, *transferred(folder)


def _parameters(report: dict) -> str:
    return next(field["value"] for field in report["inventory"] if field["name"] == "parameters")


@pytest.mark.parametrize(("count", "requests", "kib"), [(1, 4, 256), (291, 4, 256), (20_000, 5, 3 << 10)])
def test_safetensors_of_8_gib(nginx, count: int, requests: int, kib: int) -> None:
    _safetensors(nginx[0] / "www" / "m.safetensors", count)
    report, asked, sent = _weigh(nginx, "m.safetensors")
    assert _parameters(report) == str(SIZE // count // 2 * count)
    assert asked <= requests
    assert sent <= kib << 10


@pytest.mark.parametrize(("tokens", "requests", "kib"), [(0, 4, 256), (280_000, 12, 16 << 10)])
def test_gguf_of_8_gib(nginx, tokens: int, requests: int, kib: int) -> None:
    _gguf(nginx[0] / "www" / "m.gguf", tokens)
    report, asked, sent = _weigh(nginx, "m.gguf")
    assert _parameters(report) == str(SIZE // 4)
    assert asked <= requests
    assert sent <= kib << 10
