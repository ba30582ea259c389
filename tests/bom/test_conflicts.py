from __future__ import annotations

import pytest

from scanner.bom.conflicts import find_conflicts
from scanner.bom.lineage import repository
from scanner.model import Claim, Claimed, Confidence
from tests.bom.made import artefact, claims, file, tensors

WEIGHTS = file("model.safetensors", "safetensors", tensors=tensors((1000, 100)))


def _found(*files, said=()) -> list[str]:
    return [f.rule.id for f in find_conflicts(artefact(*files, said=said), files)]


def test_card_header_and_text_are_held_against_each_other() -> None:
    files = (
        file("LICENSE", claims=claims(licence="Apache-2.0")),
        file("README.md", claims=claims(licence="mit")),
    )
    (finding,) = find_conflicts(artefact(*files), files)
    assert finding.rule.id == "inventory/licence-conflict"
    assert finding.message == "the licence differs: LICENSE says Apache-2.0 and README.md says mit"
    header = file("model.gguf", "gguf", claims=claims(licence="llama3"))
    assert _found(files[1], header) == ["inventory/licence-conflict"]
    assert _found(files[0], said=(Claim(Claimed.LICENCE, "mit", "hub:tags"),)) == [
        "inventory/licence-conflict"
    ]


@pytest.mark.parametrize(
    ("card", "text"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("Apache License 2.0", "Apache-2.0"),
        ("other", "MIT"),
        ("see the file", "MIT"),
        ("gpl-3.0-or-later", "GPL-3.0"),
        ("bsd", "BSD-3-Clause"),
        ("MIT OR Apache-2.0", "MIT"),
    ],
)
def test_spelling_is_no_licence_conflict(card: str, text: str) -> None:
    readme, licence = (
        file("README.md", claims=claims(licence=card)),
        file("LICENSE", claims=claims(licence=text)),
    )
    assert not _found(licence, readme)


def test_two_licence_texts_side_by_side_are_one_statement() -> None:
    files = (
        file("LICENSE-APACHE", claims=claims(licence="Apache-2.0")),
        file("LICENSE-MIT", claims=claims(licence="MIT")),
        file("README.md", claims=claims(licence="mit")),
    )
    assert not _found(*files)


def test_a_notice_about_the_work_of_others_is_no_licence_of_this_one() -> None:
    card = file("README.md", claims=claims(licence="mit"))
    for name in ("NOTICE", "THIRD_PARTY_LICENSES.txt", "vendor-LICENSE"):
        assert not _found(card, file(name, claims=claims(licence="Apache-2.0"))), name


def test_licences_of_another_folder_are_not_compared() -> None:
    files = (
        file("README.md", claims=claims(licence="mit")),
        file("vendor/LICENSE", claims=claims(licence="Apache-2.0")),
    )
    assert not _found(*files)


@pytest.mark.parametrize("declared", ["100000", "100,000", "0.1M", "100K", "7M-ish", "120K", "100500"])
def test_a_fitting_number_of_parameters_is_no_conflict(declared: str) -> None:
    assert not _found(file("README.md", claims=claims(parameters=declared)), WEIGHTS)


@pytest.mark.parametrize("declared", ["7B", "103000", "1000000", "50K"])
def test_another_number_of_parameters_is_a_conflict(declared: str) -> None:
    card = file("README.md", claims=claims(parameters=declared))
    assert _found(card, WEIGHTS) == ["inventory/parameters-mismatch"]


def test_what_cannot_be_counted_contradicts_nothing() -> None:
    card = file("README.md", claims=claims(parameters="7B"))
    packed = file("model.safetensors", "safetensors", tensors=tensors((9,), dtype="i32"))
    part = file("m-00001-of-00009.safetensors", "safetensors", tensors=tensors((9,)))
    pickled = file("pytorch_model.bin", "pytorch-legacy", tensors=tensors((9,)))
    for weights in (packed, part, pickled):
        assert not _found(card, weights)


def test_the_configured_dtype_is_held_against_the_tensors() -> None:
    config = file("config.json", claims=claims(dtype="torch.bfloat16"))
    half = file("model.safetensors", "safetensors", tensors=tensors((9,), dtype="bf16"))
    quantised = file("model.safetensors", "safetensors", tensors=tensors((9,), dtype="f8_e4m3"))
    assert _found(config, WEIGHTS) == ["inventory/dtype-mismatch"]
    assert not _found(config, half)
    assert not _found(config, quantised)
    assert not _found(file("config.json", claims=claims(dtype="float32")), WEIGHTS)


def test_base_models_are_held_against_each_other() -> None:
    card = file("README.md", claims=claims(base_model="meta-llama/Llama-3.1-8B"))

    def adapter(name: str):
        pointer = "/base_model_name_or_path"
        return file("adapter_config.json", claims=(Claim(Claimed.BASE_MODEL, name, pointer),))

    assert _found(adapter("mistralai/Mistral-7B-v0.1"), card) == ["inventory/base-model-conflict"]
    for same in (
        "Meta-Llama/llama-3.1-8b",
        "https://huggingface.co/meta-llama/Llama-3.1-8B",
        "./out",
        "outputs/x",
    ):
        assert not _found(adapter(same), card), same
    files = (adapter("unsloth/Llama-3.1-8B-bnb-4bit"), card)
    (finding,) = find_conflicts(artefact(*files), files)
    assert finding.confidence is Confidence.LOW


def test_the_last_checkpoint_of_a_config_is_no_base_model() -> None:
    card = file("README.md", claims=claims(base_model="org/one"))
    config = file("config.json", claims=(Claim(Claimed.BASE_MODEL, "org/two", "/_name_or_path"),))
    assert not _found(card, config)


def test_a_converted_file_names_the_base_of_its_input() -> None:
    card = file("README.md", claims=claims(base_model="org/finetune"))
    assert not _found(card, file("model.gguf", "gguf", claims=claims(base_model="org/foundation")))


def test_only_repositories_are_compared() -> None:
    assert repository("/home/me/llama") == ""
    assert repository("gpt2") == ""
    assert repository("runs/checkpoint-500") == ""
    assert repository("Org/Name@main") == "org/name"
