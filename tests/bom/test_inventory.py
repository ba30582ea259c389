from __future__ import annotations

import hashlib

from scanner.bom.inventory import take_inventory
from scanner.model import Claim, Claimed, Digest, FileResult, Kind, Origin
from scanner.result import State
from tests.bom.made import artefact, claims, file, tensors


def _states(inventory, name: str) -> list[tuple[str, State, str, str]]:
    return [(f.value, f.state, f.path, f.pointer) for f in inventory.all(name)]


def test_every_field_says_how_it_is_known_and_from_where() -> None:
    files = (
        file("README.md", claims=claims(licence="apache-2.0", task="fill-mask")),
        file("config.json", claims=claims(architecture="BertModel", dtype="float32")),
        file("model.safetensors", "safetensors", tensors=tensors((4, 2))),
    )
    found = take_inventory(artefact(*files), files)
    assert _states(found, "parameters") == [("8", State.OBSERVED, "model.safetensors", "tensors")]
    assert _states(found, "architecture") == [("BertModel", State.DECLARED, "config.json", "/architecture")]
    assert _states(found, "licence-spdx") == [("Apache-2.0", State.INFERRED, "README.md", "/licence")]
    assert _states(found, "input") == [("text", State.INFERRED, "README.md", "/task")]
    assert _states(found, "base-model") == [("", State.ABSENT, "", "")]
    assert [f.state for f in found.all("dtypes")] == [State.OBSERVED, State.DECLARED]


def test_three_licences_stay_three_fields() -> None:
    files = (
        file("LICENSE", claims=claims(licence="MIT")),
        file("README.md", claims=claims(licence="mit")),
        file("model.gguf", "gguf", claims=claims(licence="my own")),
    )
    found = take_inventory(artefact(*files), files)
    assert [f.value for f in found.all("licence")] == ["MIT", "mit", "my own"]
    assert [f.value for f in found.all("licence-spdx")] == ["MIT", "MIT"]


def test_the_best_known_set_of_weights_comes_first() -> None:
    files = (
        file("model.gguf", "gguf", tensors=tensors((7,), dtype="q8_0")),
        file("model.safetensors", "safetensors", tensors=tensors((8,))),
    )
    found = take_inventory(artefact(*files), files)
    assert [f.value for f in found.all("parameters")] == ["8", "7"]
    assert found.first("dtypes").value == "f32"


def test_packed_weights_leave_the_number_of_parameters_unknown() -> None:
    files = (file("model.safetensors", "safetensors", tensors=tensors((8,), dtype="u8")),)
    found = take_inventory(artefact(*files), files)
    assert found.first("parameters").state is State.ABSENT
    assert found.first("stored-elements").value == "8"


def test_digests_of_tokenizer_and_template_from_every_place() -> None:
    template = "sha256:" + "a" * 64
    files = (
        file("chat_template.jinja", "jinja"),
        file("model.gguf", "gguf", claims=claims(chat_template=template, tokenizer="sha256:" + "b" * 64)),
        file("tokenizer.json"),
        file("tokenizer_config.json", claims=claims(chat_template=template, tokenizer="BertTokenizer")),
    )
    found = take_inventory(artefact(*files), files)
    own = "sha256:" + hashlib.sha256(b"chat_template.jinja").hexdigest()
    assert [(f.value, f.path) for f in found.all("chat-template-digest")] == [
        (own, "chat_template.jinja"),
        (template, "model.gguf"),
        (template, "tokenizer_config.json"),
    ]
    assert {f.path for f in found.all("tokenizer-digest")} == {"model.gguf", "tokenizer.json"}
    assert _states(found, "tokenizer") == [
        ("BertTokenizer", State.DECLARED, "tokenizer_config.json", "/tokenizer")
    ]


def test_a_digest_that_only_the_hub_claims_stays_declared() -> None:
    remote = FileResult(
        "tokenizer.json", 9, digests=(Digest("sha256", "c" * 64, Origin.DECLARED, "hub-lfs"),)
    )
    found = take_inventory(artefact(remote), (remote,))
    assert _states(found, "tokenizer-digest") == [
        ("sha256:" + "c" * 64, State.DECLARED, "tokenizer.json", "hub-lfs")
    ]


def test_switches_that_load_more_are_fields() -> None:
    files = (file("config.json", entry_points=("model.py::Net",), requirements=("torch>=2",)),)
    found = take_inventory(artefact(*files), files)
    assert found.first("entry-point").value == "model.py::Net"
    assert found.first("requirement").value == "torch>=2"


def test_a_source_may_claim_and_a_data_set_has_no_parameters() -> None:
    files = (file("x.npz", "npy", tensors=tensors((3,)), members=("a.npy",)),)
    said = (Claim(Claimed.LICENCE, "cc0", "hub:tags"),)
    found = take_inventory(artefact(*files, kind=Kind.DATASET, said=said), files)
    assert not found.all("parameters")
    assert _states(found, "licence") == [("cc0", State.DECLARED, "", "hub:tags")]
