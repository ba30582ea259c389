"""Scans over HTTP against real servers: nginx answers ranges, Python's own server ignores them."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fixtures.recipes.pytorch_legacy import PAYLOAD, state, storage, tensor
from fixtures.recipes.pytorch_zip import Writer, checkpoint

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.servers


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _serve(command: list[str], port: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return process
    process.kill()
    raise AssertionError(f"{command[0]} did not start")


def _scan(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scanner", "scan", "--format", "json", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=120)


def _transferred(folder: Path) -> tuple[int, int]:
    """Requests and bytes that the server has logged."""
    lines = (folder / "access.log").read_text().splitlines()
    return len(lines), sum(int(line.split('"')[2].split()[1]) for line in lines)


@pytest.fixture
def nginx(tmp_path):
    port = _port()
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"daemon off; worker_processes 1; pid {tmp_path}/pid; error_log {tmp_path}/error.log;\n"
        "events {}\n"
        f"http {{ access_log {tmp_path}/access.log;\n"
        f"server {{ listen 127.0.0.1:{port}; root {tmp_path}/www; }} }}\n"
    )
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    (tmp_path / "www").mkdir()
    process = _serve(["nginx", "-p", str(tmp_path), "-c", str(config)], port)
    yield tmp_path, f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait()


def test_eight_gibibytes_are_judged_in_a_few_ranges(nginx) -> None:
    folder, address = nginx
    size = 8 << 30
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    header += b" " * (-len(header) % 8)
    path = folder / "www" / "model.safetensors"
    with path.open("wb") as out:
        out.write(len(header).to_bytes(8, "little") + header)
        out.truncate(8 + len(header) + size)
    result = _scan(f"{address}/model.safetensors")
    report = json.loads(result.stdout)
    assert result.returncode == 0, result.stdout + result.stderr
    assert report["files"][0]["coverage"] == "structure"
    assert report["files"][0]["digests"] == []
    requests, sent = _transferred(folder)
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
    result = _scan(f"{address}/pytorch_model.bin")
    report = json.loads(result.stdout)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "pickle/dangerous-callable" in {finding["rule"] for finding in report["findings"]}
    assert not report["gaps"]
    assert report["files"][0]["coverage"] == "structure"
    assert {field["name"]: field["value"] for field in report["inventory"]}["parameters"] == str(sum(counts))
    requests, sent = _transferred(folder)
    assert requests <= 4
    assert sent <= 256 << 10


def test_a_missing_file_is_an_error_that_decides_nothing(nginx) -> None:
    _, address = nginx
    result = _scan(f"{address}/none.safetensors")
    assert result.returncode == 2
    assert "404" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_server_that_ignores_ranges_is_refused_or_spooled(tmp_path) -> None:
    data = (ROOT / "fixtures/safetensors/clean/model.safetensors").read_bytes()
    (tmp_path / "m.safetensors").write_bytes(data)
    port = _port()
    command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "-d", str(tmp_path), str(port)]
    process = _serve(command, port)
    try:
        refused = _scan(f"http://127.0.0.1:{port}/m.safetensors")
        spooled = _scan("--spool", f"http://127.0.0.1:{port}/m.safetensors")
    finally:
        process.terminate()
        process.wait()
    assert refused.returncode == 3
    assert "--spool" in json.loads(refused.stdout)["gaps"][0]["reason"]
    assert spooled.returncode == 0
