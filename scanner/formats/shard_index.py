"""Shard indices: which file holds which tensor (``model.safetensors.index.json`` and its kin)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Read
from scanner.model import Check, Claim, Claimed, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader, read_whole
from scanner.wire import json
from scanner.wire.paths import escape

PATH_ESCAPE = Rule(
    id="shard-index/path-escape",
    title="The shard index leads out of the model's folder",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="A shard whose path is absolute or climbs out with `..`.",
    why="Loaders join the path to the model's folder and open whatever lies there, as a pickle if its name "
    "says so.",
    remedy="Refuse the model.",
    example='`{"weight_map": {"w": "../../other/pytorch_model.bin"}}`',
    references=("CWE-22",),
)
OTHER_FORMAT = Rule(
    id="shard-index/other-format",
    title="An index of safetensors leads to other files",
    severity=Severity.MEDIUM,
    check=Check.FORMAT_MISMATCH,
    finds="A shard in `*.safetensors.index.json` that is not called `*.safetensors`.",
    why="Loaders choose how to read a shard by its ending: who expects safetensors gets a pickle.",
    remedy="Refuse the model, or ask its publisher for safetensors.",
    example='`{"weight_map": {"w": "pytorch_model.bin"}}` in `model.safetensors.index.json`',
    references=("CWE-646", "CWE-502"),
)

# Loaders go by these names: transformers, diffusers, Keras; a variant may stand before the ending.
_NAME = re.compile(r".*\.(?:safetensors|bin|h5|msgpack|pt|pth)\.index(?:\.[\w-]+)?\.json")
_KEY = re.compile(rb'"weight_map"\s*:')
_SHOWN = 20


def _matches(head: Head) -> bool:
    if _NAME.fullmatch(head.name) is None and _KEY.search(head.data) is None:
        return False
    return json.looks_like_json(head.data, complete=head.size <= len(head.data))


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    raw = read_whole(reader, budget, json.WHOLE_LIMIT)
    try:
        document = json.parse(raw).value
    except FormatError:
        return  # the json format reads the same bytes and reports what is wrong with them
    budget.spend_items(len(raw) // 16)
    maps = json.every(document, "weight_map") if isinstance(document, dict) else []
    if not maps or not all(isinstance(table, dict) for table in maps):
        raise FormatError("the shard index has no weight_map, or one that is no object", 0)
    pairs = [pair for table in maps for pair in _pairs(table)]
    shards = list(dict.fromkeys(name for _, name in pairs))
    yield from _judge(shards, where)
    total, claims = _metadata(document)
    yield Facts(
        "shard-index",
        claims=claims,
        external_files=tuple(map(json.shown, shards)),
        metadata=(("total_size", total),) if total else (),
        shards=tuple(pairs),
    )
    yield Read(Coverage.WHOLE)


def _pairs(table: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Tensor and shard, in every reading of repeated keys."""
    earlier = table.earlier if isinstance(table, json.Doubled) else ()
    for tensor, name in (*table.items(), *earlier):
        if not isinstance(name, str):
            raise FormatError(f"the shard of {json.shown(tensor, 80)!r} is no text", 0)
        yield json.shown(tensor, 1000), json.shown(name, 1000)


def _judge(shards: list[str], where: Location) -> Iterator[Finding]:
    escaping = [(name, how) for name in shards if (how := escape(name))]
    for name, how in escaping[:_SHOWN]:
        message = f"the path of the shard {name[:200]!r} {how}"
        yield Finding(PATH_ESCAPE, where, message, evidence=(("shard", name[:200]),))
    own = (where.members or (where.path,))[-1].lower()
    if ".safetensors.index" in own:
        for name in [name for name in shards if not name.endswith(".safetensors")][:_SHOWN]:
            message = f"the index of safetensors names {name[:200]!r}"
            yield Finding(OTHER_FORMAT, where, message, evidence=(("shard", name[:200]),))


def _metadata(document: dict[str, Any]) -> tuple[str, tuple[Claim, ...]]:
    """The declared number of bytes, and the declared number of parameters as a claim."""
    metadata = document.get("metadata")
    table = metadata if isinstance(metadata, dict) else {}
    total, count = table.get("total_size"), table.get("total_parameters")
    # Old writers counted in floating point.
    whole = isinstance(total, int) or (isinstance(total, float) and total.is_integer())
    size = str(int(total)) if whole and total is not None else ""
    claims = (Claim(Claimed.PARAMETERS, str(count), "/metadata/total_parameters"),)
    return size, claims if isinstance(count, int) else ()


FORMAT = Format(
    name="shard-index",
    title="shard index",
    matches=_matches,
    inspect=_inspect,
    rules=(PATH_ESCAPE, OTHER_FORMAT),
    within=("json", "text", "hub-config"),
    spec="https://huggingface.co/docs/safetensors/index",
)
