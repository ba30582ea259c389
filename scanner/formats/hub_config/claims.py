"""What a Hub configuration says about its model: statements, kept apart from what the bytes show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from scanner.model import Claim, Claimed
from scanner.wire import json

_FIELDS: dict[Claimed, tuple[str, ...]] = {
    Claimed.ARCHITECTURE: ("architectures", "_class_name"),
    Claimed.MODEL_TYPE: ("model_type",),
    Claimed.DTYPE: ("torch_dtype", "dtype"),
    Claimed.VOCABULARY: ("vocab_size", "n_vocab", "padded_vocab_size"),
    Claimed.HIDDEN_SIZE: ("hidden_size", "d_model", "n_embd", "dim", "word_embedding_dimension"),
    Claimed.LAYERS: ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    Claimed.CONTEXT_LENGTH: (
        "max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "max_seq_len", "seq_length",
        "model_max_length", "max_seq_length",
    ),
    Claimed.TOKENIZER: ("tokenizer_class",),
    Claimed.TASK: ("task_type",),
    Claimed.LICENCE: ("license", "licence"),
}  # fmt: skip
_NUMBERS = {Claimed.VOCABULARY, Claimed.HIDDEN_SIZE, Claimed.LAYERS, Claimed.CONTEXT_LENGTH}
_VERSIONS = {
    "transformers_version": "transformers",
    "_diffusers_version": "diffusers",
    "peft_version": "peft",
}
_NESTED = ("text_config", "llm_config", "language_config")
_REPOSITORY = re.compile(r"[\w.-]{1,96}(?:/[\w.-]{1,96})?")
# "very large integer": what tokenizers write where there is no limit (1e30).
_ENDLESS = 1 << 40


def claims(value: Any) -> Iterator[Claim]:
    """Every statement of a configuration, of all readings of repeated keys."""
    if not isinstance(value, dict):
        return
    yield from _fields(value, "")
    for key in _NESTED:
        for nested in json.every(value, key):
            if isinstance(nested, dict):
                yield from _fields(nested, f"/{key}")
    yield from _base(value)
    yield from _libraries(value)
    yield from _quantisation(value)
    yield from _tokenizer(value)


def _fields(table: dict[str, Any], prefix: str) -> Iterator[Claim]:
    for what, keys in _FIELDS.items():
        for key in keys:
            for value in json.every(table, key):
                for found in value if isinstance(value, list) else [value]:
                    text = _text(found, number=what in _NUMBERS)
                    if text:
                        yield Claim(what, text, f"{prefix}/{key}")


def _text(value: Any, *, number: bool) -> str:
    if number:
        whole = isinstance(value, int) and not isinstance(value, bool) and 0 < value < _ENDLESS
        return str(value) if whole else ""
    return json.shown(value) if isinstance(value, str) else ""


def _base(table: dict[str, Any]) -> Iterator[Claim]:
    for key in ("base_model_name_or_path", "_name_or_path", "name_or_path"):
        for value in json.every(table, key):
            if isinstance(value, str) and _REPOSITORY.fullmatch(value):
                yield Claim(Claimed.BASE_MODEL, value, f"/{key}")
                if key == "base_model_name_or_path":
                    yield Claim(Claimed.BASE_MODEL_RELATION, "adapter", f"/{key}")


def _libraries(table: dict[str, Any]) -> Iterator[Claim]:
    for key, library in _VERSIONS.items():
        for value in json.every(table, key):
            if isinstance(value, str):
                yield Claim(Claimed.LIBRARY, json.shown(f"{library} {value}"), f"/{key}")
    for versions in json.every(table, "__version__"):
        if isinstance(versions, dict):
            for name, version in list(versions.items())[:20]:
                if isinstance(version, str):
                    library = name.replace("_", "-")
                    yield Claim(
                        Claimed.LIBRARY,
                        json.shown(f"{library} {version}"),
                        f"/__version__/{json.shown(name)}",
                    )
    if isinstance(table.get("peft_type"), str) and "peft_version" not in table:
        yield Claim(Claimed.LIBRARY, "peft", "/peft_type")


def _quantisation(table: dict[str, Any]) -> Iterator[Claim]:
    for value in json.every(table, "quantization_config"):
        if not isinstance(value, dict):
            continue
        method = value.get("quant_method") or value.get("quant_type")
        bits = value.get("bits") or next(
            (n for n in (4, 8) if value.get(f"load_in_{n}bit") is True), value.get("w_bit")
        )
        parts = [json.shown(method)] if isinstance(method, str) else []
        if isinstance(bits, int) and not isinstance(bits, bool):
            parts.append(f"{bits} bit")
        if parts:
            yield Claim(Claimed.QUANTISATION, " ".join(parts), "/quantization_config")


def _tokenizer(table: dict[str, Any]) -> Iterator[Claim]:
    """Read a tokenizer.json of the tokenizers library: its algorithm and how many entries it has."""
    model = table.get("model")
    if not isinstance(model, dict) or "vocab" not in model:
        return
    if isinstance(model.get("type"), str):
        yield Claim(Claimed.TOKENIZER, json.shown(model["type"]), "/model/type")
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict | list):
        added = table.get("added_tokens")
        extra = sum(
            isinstance(token, dict) and _missing(token.get("content"), vocabulary)
            for token in (added if isinstance(added, list) else [])
        )
        yield Claim(Claimed.VOCABULARY, str(len(vocabulary) + extra), "/model/vocab")


def _missing(token: Any, vocabulary: Any) -> bool:
    # A unigram vocabulary is a list of pairs that holds its special tokens itself.
    return isinstance(token, str) and isinstance(vocabulary, dict) and token not in vocabulary
