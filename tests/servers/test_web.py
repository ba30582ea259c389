"""Scans over HTTP against real servers: nginx answers ranges, Python's own server ignores them."""

from __future__ import annotations

import json
import math
import sys

import pytest

from fixtures.recipes.pytorch_legacy import PAYLOAD, state, storage, tensor
from fixtures.recipes.pytorch_zip import Writer, checkpoint
from tests.servers.serving import free_port, scan, serve, transferred
from tests.support import ROOT

pytestmark = pytest.mark.servers


def test_eight_gibibytes_are_judged_in_a_few_ranges(nginx) -> None:
    folder, address = nginx
    size = 8 << 30
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    header += b" " * (-len(header) % 8)
    path = folder / "www" / "model.safetensors"
    with path.open("wb") as out:
        out.write(len(header).to_bytes(8, "little") + header)
        out.truncate(8 + len(header) + size)
    result = scan(f"{address}/model.safetensors")
    report = json.loads(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert report["files"][0]["coverage"] == "structure"
    assert report["files"][0]["digests"] == []
    requests, sent = transferred(folder)
    # One byte for the size when the address is resolved, then the head and the tail.
    assert requests <= 4
    assert sent <= 256 << 10


def test_eight_gibibytes_of_pytorch_are_judged_in_a_few_ranges(nginx) -> None:
    # A Llama 2 of seven thousand million parameters, with a payload in its pickle.
    folder, address = nginx
    layer = {
        **{f"self_attn.{name}_proj.weight": (4096, 4096) for name in "qkvo"},
        **{f"mlp.{name}_proj.weight": (11008, 4096) for name in ("gate", "up", "down")},
        "input_layernorm.weight": (4096,),
        "post_attention_layernorm.weight": (4096,),
    }
    shapes = {f"model.layers.{n}.{name}": shape for n in range(32) for name, shape in layer.items()}
    shapes |= {
        "model.embed_tokens.weight": (32000, 4096),
        "model.norm.weight": (4096,),
        "lm_head.weight": (32000, 4096),
    }
    counts = [math.prod(shape) for shape in shapes.values()]
    tensors = {
        name: tensor(storage(str(n), counts[n], "torch\nHalfStorage", tail=b""), shape)
        for n, (name, shape) in enumerate(shapes.items())
    }
    with (folder / "www" / "pytorch_model.bin").open("wb") as out:
        writer = Writer(out)
        for name, data in checkpoint(
            state(tensors, PAYLOAD), {str(n): 2 * count for n, count in enumerate(counts)}
        ):
            writer.add(name, data)
        writer.close()
    assert len(shapes) == 291
    assert (folder / "www" / "pytorch_model.bin").stat().st_size > 8 << 30
    result = scan(f"{address}/pytorch_model.bin")
    report = json.loads(result.stdout)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "pickle/dangerous-callable" in {finding["rule"] for finding in report["findings"]}
    assert not report["gaps"]
    assert report["files"][0]["coverage"] == "structure"
    assert {field["name"]: field["value"] for field in report["inventory"]}["parameters"] == str(sum(counts))
    requests, sent = transferred(folder)
    assert requests <= 4
    assert sent <= 256 << 10


def test_a_missing_file_is_an_error_that_decides_nothing(nginx) -> None:
    _, address = nginx
    result = scan(f"{address}/none.safetensors")
    assert result.returncode == 2
    assert "404" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_server_that_ignores_ranges_is_refused_or_spooled(tmp_path) -> None:
    data = (ROOT / "fixtures/safetensors/clean/model.safetensors").read_bytes()
    (tmp_path / "m.safetensors").write_bytes(data)
    port = free_port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "-d", str(tmp_path), str(port)]
    process = serve(command, port)
    try:
        refused = scan(f"http://127.0.0.1:{port}/m.safetensors")
        spooled = scan("--spool", f"http://127.0.0.1:{port}/m.safetensors")
    finally:
        process.terminate()
        process.wait()
    assert refused.returncode == 3
    assert "--spool" in json.loads(refused.stdout)["gaps"][0]["reason"]
    assert spooled.returncode == 0
