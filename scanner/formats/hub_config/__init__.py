"""Configurations of Hub repositories: what loaders import, call and open because of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from scanner.formats.hub_config.claims import claims
from scanner.formats.hub_config.judgement import Judgement
from scanner.formats.hub_config.rules import RULES
from scanner.inspection import Child, Format, Head, Note, Read
from scanner.model import Claim, Claimed, Coverage, Facts, Location
from scanner.reader import Budget, BytesReader, Reader, read_whole
from scanner.wire import json

# Loaders go by these names, whatever stands in the first 4 KiB.
_NAMES = re.compile(
    r"(?:config(?:[._-].*)?|.*_config|tokenizer|added_tokens|special_tokens_map|generation_config|model_index|"
    r"modular_model_index|modules|chat_template|processor|feature_extractor|vocab|params|"
    r"config_sentence_transformers|preprocessor|adapter|quant(?:ize)?_config|hparams|model_config)\.json"
)
_KEYS = re.compile(
    rb'"(?:auto_map|architectures|model_type|tokenizer_class|processor_class|image_processor_type|'
    rb"feature_extractor_type|_class_name|_diffusers_version|peft_type|base_model_name_or_path|chat_template|"
    rb"transformers_version|added_tokens|added_tokens_decoder|trust_remote_code|_target_|custom_pipelines|"
    rb'quantization_config|_name_or_path|_?attn_implementation(?:_internal)?)"\s*:|"type"\s*:\s*"sentence_trans'
)


def _matches(head: Head) -> bool:
    data = json.plain_head(head.data)
    if not data or not json.looks_like_json(head.data, complete=head.size <= len(head.data)):
        return False
    return _NAMES.fullmatch(head.name) is not None or _KEYS.search(data) is not None


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    raw = read_whole(reader, budget, json.WHOLE_LIMIT)
    document = json.parse(raw)
    budget.spend_items(len(raw) // 16)
    name = (where.members or (where.path,))[-1].rpartition("/")[2].lower()
    judgement = Judgement(document, where, name)
    yield from judgement.judge()
    claimed = list(claims(document.value))
    for pointer, label, text in _templates(document.value):
        yield from judgement.template_name(label)
        data = text.encode("utf-8", "replace")
        claimed.append(Claim(Claimed.CHAT_TEMPLATE, f"sha256:{hashlib.sha256(data).hexdigest()}", pointer))
        member = f"chat_template:{json.shown(label, 80)}" if label else "chat_template"
        yield Child(member, BytesReader(data), read_as="jinja")
    yield Facts(
        "hub-config",
        claims=tuple(dict.fromkeys(claimed)),
        entry_points=tuple(judgement.entry_points),
        metadata=_metadata(document.value),
    )
    yield Read(Coverage.WHOLE)


def _templates(value: Any) -> Iterator[tuple[str, str, str]]:
    """(pointer, name, template) of every chat template: a text, a list of named ones, a table."""
    if not isinstance(value, dict):
        return
    for key in ("chat_template", "default_chat_template", "chat_templates"):
        for found in json.every(value, key):
            named: list[tuple[str | int, str, Any]] = []
            if isinstance(found, str):
                yield f"/{key}", "", found
            elif isinstance(found, dict):
                named = [(name, name, text) for name in found for text in json.every(found, name)]
            elif isinstance(found, list):
                named = [entry for index, item in enumerate(found) for entry in _listed(index, item)]
            for place, name, text in named:
                if isinstance(text, str):
                    yield f"/{key}/{json.shown(place)}", name, text


def _listed(index: int, entry: Any) -> Iterator[tuple[int, str, Any]]:
    if isinstance(entry, dict):
        names = [name for name in json.every(entry, "name") if isinstance(name, str)] or [str(index)]
        for text in json.every(entry, "template"):
            yield from ((index, name, text) for name in names)


def _metadata(value: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        return ()
    found = [(key, json.shown(value[key])) for key in ("peft_type",) if isinstance(value.get(key), str)]
    added = value.get("added_tokens") or value.get("added_tokens_decoder")
    if isinstance(added, list | dict):
        found.append(("added tokens", str(len(added))))
    return tuple(found)


FORMAT = Format(
    name="hub-config",
    title="Hub configuration",
    matches=_matches,
    inspect=_inspect,
    rules=RULES,
    within=("json", "text"),
    spec="https://huggingface.co/docs/transformers/main_classes/configuration",
)
