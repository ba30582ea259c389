"""Bills of models on a Hub: what is declared stays apart from what was computed."""

from __future__ import annotations

import json

import numpy as np
from safetensors.numpy import save

from tests.hub import Hub
from tests.sources.test_command import weighbridge

WEIGHTS = save({"w": np.zeros((300, 300), np.float32)})
FILES = {"README.md": b"# card\n", "model.safetensors": WEIGHTS}


def _bill(out) -> tuple[dict, dict]:
    document = json.loads(out.read_text())
    return document, next(part for part in document["components"] if part["bom-ref"].startswith("model:"))


def test_a_remote_model_is_counted_and_its_digests_stay_declared(tmp_path) -> None:
    with Hub() as hub:
        commit = hub.model("org/name").commit(FILES)
        out = tmp_path / "bom.json"
        done = weighbridge(hub, "bom", "hf://org/name", "-o", str(out))
        assert done.returncode == 0, done.stderr
        document, main = _bill(out)
        assert main["purl"] == f"pkg:huggingface/org/name@{commit}?repository_url={hub.url}"
        assert (main["group"], main["name"], main["version"]) == ("org", "name", commit)
        found = {entry["name"]: entry["value"] for entry in main["properties"]}
        assert found["weighbridge:parameters"] == "90000"
        parts = {part["name"]: part for part in main["components"]}
        assert parts["README.md"]["hashes"]
        assert "hashes" not in parts["model.safetensors"]
        named = {entry["name"] for entry in parts["model.safetensors"]["properties"]}
        assert "weighbridge:file:declared-digest" in named
        kinds = {entry["aggregate"]: entry.get("assemblies", []) for entry in document["compositions"]}
        assert kinds["incomplete"] == [main["bom-ref"], "file:model.safetensors"]
        identity = {entry["field"]: entry["confidence"] for entry in main["evidence"]["identity"]}
        assert identity == {"purl": 0.5}


def test_a_hub_that_cannot_be_asked_writes_nothing(tmp_path) -> None:
    with Hub() as hub:
        hub.model("org/name").commit(FILES)
        hub.fault("api/", status=500)
        out = tmp_path / "bom.json"
        done = weighbridge(hub, "bom", "hf://org/name", "-o", str(out))
        assert done.returncode == 2
        assert "answered 500" in done.stderr
        assert not out.exists()


def test_a_file_that_cannot_be_had_makes_the_bill_incomplete(tmp_path) -> None:
    with Hub() as hub:
        hub.model("org/name").commit(FILES)
        hub.fault("GET .*resolve/.*safetensors", status=404)
        out = tmp_path / "bom.json"
        done = weighbridge(hub, "bom", "hf://org/name", "-o", str(out))
        assert done.returncode == 3
        assert "model.safetensors" in done.stderr
        document, main = _bill(out)
        found = {entry["name"]: entry["value"] for entry in main["properties"]}
        assert found["weighbridge:parameters:state"] == "absent"
        assert "incomplete" in {entry["aggregate"] for entry in document["compositions"]}
