from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model import Claimed
from tests.support import FIXTURES, assert_survives, fixture, inspect_bytes, names_of, rules_of

HERE = FIXTURES / "hub-config"
KEYS = [
    *("auto_map", "chat_template", "model", "vocab", "added_tokens", "type", "path", "idx", "x"),
    *("quantization_config", "__version__", "_diffusers_version", "custom_pipelines", "kernel_config"),
]


def inspect(value: object, name: str = "config.json"):
    return inspect_bytes("hub-config", json.dumps(value).encode(), name)


@pytest.mark.parametrize("path", sorted((HERE / "clean").iterdir()), ids=lambda p: p.name)
def test_ordinary_configurations_have_no_finding_and_no_gap(path) -> None:
    found = inspect_bytes("hub-config", path.read_bytes(), path.name)
    assert not found.findings
    assert not found.gaps
    assert "hub-config" in names_of(path.read_bytes(), path.name)


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("auto-map", {"remote-code"}),
        ("auto-map-nested", {"foreign-code"}),
        ("custom-pipeline", {"remote-code"}),
        ("kernel", {"kernel-repository"}),
        ("switch", {"trust-remote-code"}),
        ("hydra", {"dangerous-callable"}),
        ("hydra-unknown", {"unknown-callable"}),
        ("hydra-named", {"named-class"}),
        ("adapter", {"unknown-callable"}),
        ("model_index", {"remote-code", "unknown-callable"}),
        ("template-name", {"path-escape"}),
        ("local-path", {"local-path"}),
        ("modules", {"unknown-callable", "path-escape"}),
        ("shadowed", {"remote-code"}),
    ],
)
def test_what_a_loader_would_run_is_found(name: str, rules: set[str]) -> None:
    data = fixture(f"hub-config/unsafe/{name}.json")
    assert rules_of(inspect_bytes("hub-config", data, f"{name}.json")) == {f"hub-config/{r}" for r in rules}
    assert "hub-config" in names_of(data, f"{name}.json")


def test_each_entry_point_is_a_fact_and_has_its_line() -> None:
    found = inspect_bytes("hub-config", fixture("hub-config/unsafe/auto-map.json"), "config.json")
    assert found.facts[0].entry_points == ("custom_x.XModel", "tokenization_x.XTokenizer")
    assert {finding.location.line for finding in found.findings} == {13}


def test_claims_of_a_model_configuration() -> None:
    found = inspect_bytes("hub-config", fixture("hub-config/clean/config.json"), "config.json")
    assert {(c.what.value, c.value, c.pointer) for c in found.facts[0].claims} == {
        ("architecture", "BertModel", "/architectures"),
        ("model-type", "bert", "/model_type"),
        ("dtype", "float32", "/torch_dtype"),
        ("vocabulary", "30522", "/vocab_size"),
        ("hidden-size", "384", "/hidden_size"),
        ("layers", "6", "/num_hidden_layers"),
        ("context-length", "512", "/max_position_embeddings"),
        ("base-model", "nreimers/MiniLM-L6-H384-uncased", "/_name_or_path"),
        ("library", "transformers 4.8.2", "/transformers_version"),
    }


def test_a_tokenizer_claims_its_algorithm_and_size() -> None:
    found = inspect_bytes("hub-config", fixture("hub-config/clean/tokenizer.json"), "tokenizer.json")
    claims = {c.what: c.value for c in found.facts[0].claims}
    assert claims == {Claimed.TOKENIZER: "WordPiece", Claimed.VOCABULARY: "4"}


def test_quantisation_and_nested_text_configuration() -> None:
    found = inspect(
        {
            "quantization_config": {"quant_method": "gptq", "bits": 4},
            "text_config": {"num_hidden_layers": 3, "hidden_size": True},
        }
    )
    assert [(c.what.value, c.value) for c in found.facts[0].claims] == [
        ("layers", "3"),
        ("quantisation", "gptq 4 bit"),
    ]


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("{{ x }}", ["chat_template"]),
        ([{"name": "default", "template": "{{ x }}"}], ["chat_template:default"]),
        ({"tool_use": "{{ x }}", "rag": "{{ x }}"}, ["chat_template:tool_use", "chat_template:rag"]),
    ],
)
def test_chat_templates_in_every_form_are_read_as_jinja(value, names: list[str]) -> None:
    found = inspect({"chat_template": value}, "tokenizer_config.json")
    assert [(child.name, child.read_as) for child in found.children] == [(n, "jinja") for n in names]
    digest = hashlib.sha256(b"{{ x }}").hexdigest()
    assert {c.value for c in found.facts[0].claims} == {f"sha256:{digest}"}


@pytest.mark.parametrize(
    "value",
    [
        {"attn_implementation": "flash_attention_2", "_attn_implementation": "sdpa"},
        {"auto_map": None, "trust_remote_code": False, "_target_": "torch.nn.Linear"},
        {"model": {"vocab": {"auto_map": 1, "_target_": 2, "trust_remote_code": 3, "a/b": 4}}},
        {"megatron_core": "planted", "megatron_config": None},
        {"_name_or_path": "org/model", "type": "anything.at.all", "path": "../x"},
    ],
)
def test_what_no_loader_acts_on_is_no_finding(value) -> None:
    assert not inspect(value).findings


@pytest.mark.parametrize(
    "value", ["a/b", "a/b@main", "a/b:function", "paged|a/b", {"text_config": "a/b"}, ["a/b"]]
)
def test_every_spelling_of_a_kernel_repository_is_found(value) -> None:
    assert rules_of(inspect({"text_config": {"_attn_implementation_internal": value}})) == {
        "hub-config/kernel-repository"
    }


def test_a_lone_surrogate_breaks_nothing() -> None:
    found = inspect_bytes("hub-config", b'{"auto_map": {"AutoModel": "m\\ud800.X"}}', "config.json")
    assert found.findings[0].evidence[0] == ("reference", "m\\ud800.X")
    assert found.findings[0].fingerprint


def test_a_broken_configuration_is_a_gap() -> None:
    data = fixture("hub-config/broken/config.json")
    assert "json" in names_of(data, "config.json")
    assert inspect_bytes("hub-config", data).gaps


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(KEYS),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_any_shape_is_survived(value) -> None:
    assert not inspect(value).gaps


def test_it_survives_mutation() -> None:
    for path in sorted(HERE.rglob("*.json")):
        assert_survives("hub-config", path.read_bytes(), 40)


@pytest.mark.parametrize("version", [{}, {"_diffusers_version": "0.30.0"}])
def test_the_index_of_a_pipeline_goes_by_its_name(version: dict[str, str]) -> None:
    index = {
        "_class_name": ["pipe", "X"],
        **{f"part{n}": ["diffusers", "UNet"] for n in range(300)},
        **version,
    }
    index["last"] = ["planted", "Unet"]
    found = rules_of(inspect(index, "model_index.json"))
    assert found == {"hub-config/remote-code", "hub-config/unknown-callable"}


def test_kinds_of_blocks_are_no_components() -> None:
    blocks = {"down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"], "mid": ["A", "B", "C"]}
    assert not inspect({"_class_name": "AutoencoderKL", "_diffusers_version": "0.30.0", **blocks}).findings
