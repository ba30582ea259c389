"""``weighbridge bom`` as a user types it."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.support import weighbridge


def _properties(path) -> dict[str, str]:
    document = json.loads(path.read_text())
    main = next(part for part in document["components"] if part["bom-ref"].startswith("model:"))
    return {entry["name"]: entry["value"] for entry in main["properties"]}


@pytest.fixture
def encoder(tmp_path):
    """A folder like a sentence encoder of the Hub: integer position ids beside the weights."""
    folder = tmp_path / "encoder"
    folder.mkdir()
    weights = {
        "embeddings.position_ids": np.arange(512, dtype=np.int64).reshape(1, 512),
        "embeddings.word_embeddings.weight": np.zeros((64, 8), np.float32),
        "pooler.dense.weight": np.zeros((8, 8), np.float32),
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "_name_or_path": "org/older",
        "architectures": ["BertModel"],
        "hidden_size": 8,
        "max_position_embeddings": 512,
        "model_type": "bert",
        "num_hidden_layers": 1,
        "transformers_version": "4.8.2",
        "vocab_size": 64,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(
        '{"version": "1.0", "model": {"type": "WordPiece", "vocab": {"a": 0}}}'
    )
    (folder / "vocab.txt").write_text("a\n")
    return folder


def test_the_bill_of_an_encoder_counts_what_is_there(encoder, tmp_path) -> None:
    out = tmp_path / "bom.json"
    result = weighbridge("bom", str(encoder), "-o", str(out))
    assert (result.returncode, result.stdout) == (0, ""), result.stderr
    found = _properties(out)
    assert found["weighbridge:parameters"] == str(512 + 64 * 8 + 8 * 8)
    assert found["weighbridge:parameters:state"] == "observed"
    assert found["weighbridge:elements-by-dtype"] == "f32 576, i64 512"
    assert found["weighbridge:dtypes"] == "f32, i64"
    digest = hashlib.sha256((encoder / "tokenizer.json").read_bytes()).hexdigest()
    assert found["weighbridge:tokenizer-digest"] == f"sha256:{digest}"
    assert found["weighbridge:tokenizer-digest:state"] == "observed"
    assert found["weighbridge:context-length"] == "512"
    assert found["weighbridge:context-length:state"] == "declared"
    assert found["weighbridge:licence:state"] == "absent"


@pytest.mark.parametrize("spec", ["1.6", "1.7"])
def test_two_runs_give_the_same_bytes_and_the_time_is_the_caller_s(encoder, spec: str) -> None:
    run = ("bom", str(encoder), "--spec", spec)
    plain, again = weighbridge(*run), weighbridge(*run)
    assert plain.stdout == again.stdout
    assert "timestamp" not in json.loads(plain.stdout)["metadata"]
    dated = weighbridge(*run, SOURCE_DATE_EPOCH="1767323045")
    assert json.loads(dated.stdout)["metadata"]["timestamp"] == "2026-01-02T03:04:05Z"
    assert dated.stdout == weighbridge(*run, "--timestamp", "2026-01-02T03:04:05Z").stdout


def test_a_bill_with_gaps_is_written_and_says_so(encoder) -> None:
    (encoder / "blob").write_bytes(b"\x00\x01\x02\x03" * 10)
    result = weighbridge("bom", str(encoder))
    assert result.returncode == 3
    assert "gap blob: unknown format" in result.stderr
    kinds = {entry["aggregate"] for entry in json.loads(result.stdout)["compositions"]}
    assert kinds == {"complete", "incomplete", "unknown"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no-such-thing",), "no-such-thing"),
        (("https://127.0.0.1:9/model.bin",), "127.0.0.1"),
        (("fixtures/demo/clean", "--timestamp", "yesterday"), "expected RFC 3339"),
        (("fixtures/demo/clean", "--timestamp", "2026-13-01T00:00:00Z"), "month"),
        (("fixtures/demo/clean", "--spec", "1.5"), "1.5"),
    ],
)
def test_what_cannot_be_resolved_writes_nothing(arguments, message: str, tmp_path) -> None:
    out = tmp_path / "bom.json"
    result = weighbridge("bom", *arguments, "-o", str(out))
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not out.exists()


def test_a_wrong_epoch_is_an_error() -> None:
    result = weighbridge("bom", "fixtures/demo/clean", SOURCE_DATE_EPOCH="soon")
    assert result.returncode == 2
    assert "SOURCE_DATE_EPOCH" in result.stderr


def test_a_licence_conflict_is_found_by_a_scan_and_is_no_part_of_the_bill(tmp_path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert", "license": "mit"}')
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA", "license": "apache-2.0"}')
    report = json.loads(weighbridge("scan", str(tmp_path), "--format", "json").stdout)
    assert "inventory/licence-conflict" in {finding["rule"] for finding in report["findings"]}
    assert "inventory/licence-conflict" not in weighbridge("bom", str(tmp_path)).stdout
