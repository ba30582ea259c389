"""Keras' own archives (``.keras`` since version 3): which Keras wrote it, and what Keras will not look at.

The zip format hands on the members: ``config.json`` is read as a Keras configuration, the weights as what
they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

from scanner.errors import BudgetExceeded, FormatError
from scanner.inspection import Format, Head, Note
from scanner.model import Check, Claim, Claimed, Facts, Finding, Gap, Location, Rule, Severity
from scanner.reader import Budget, Reader, read_whole
from scanner.wire import json
from scanner.wire import zip as wire
from scanner.wire.compression import expanded
from scanner.wire.zip import Entry

OTHER = Rule(
    id="keras-zip/other-member",
    title="The archive holds what Keras does not write",
    severity=Severity.LOW,
    check=Check.HIDDEN_PAYLOAD,
    finds="Members beside `config.json`, `metadata.json`, the weights and `assets/`.",
    why="Keras ignores them; whoever unpacks the archive does not.",
    remedy="Ask the publisher what they are for. They were inspected as well.",
    example="A `setup.py` in a `.keras` file.",
    references=("keras/src/saving/saving_lib.py", "CWE-646"),
)
_CONFIG, _METADATA = "config.json", "metadata.json"
_WEIGHTS = ("model.weights.h5", "model.weights.npz")
_OWN = frozenset((_CONFIG, _METADATA, *_WEIGHTS))
_TAIL = 64 << 10
_LIMIT = 64 << 10
_TOLD = 20


def _matches(head: Head) -> bool:
    members = head.members
    return _CONFIG in members and any(name in members for name in (*_WEIGHTS, _METADATA))


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    start = max(reader.size - _TAIL, 0)
    end = wire.find_end(reader, reader.read_at(start, _TAIL), start)
    if end is None:
        raise FormatError("there is no end of a zip archive", reader.size)
    entries = wire.central_directory(reader, end, budget)
    others = [entry for entry in entries if entry.name not in _OWN and not entry.name.startswith("assets/")]
    for entry in others[:_TOLD]:
        shown = json.shown(entry.name)
        message = f"Keras does not look at {shown}"
        yield Finding(OTHER, where.inside(entry.name), message, evidence=(("member", shown),))
    for entry in entries:
        if entry.name == _CONFIG and entry.size > json.WHOLE_LIMIT:
            yield Gap(where.inside(_CONFIG), f"a configuration of {entry.size} bytes is not read")
    metadata = _metadata(reader, budget, entries)
    assets = sum(entry.name.startswith("assets/") and not entry.is_folder for entry in entries)
    weights = next((name for name in _WEIGHTS if any(entry.name == name for entry in entries)), "none")
    version = metadata.get("keras_version", "")
    claims = [(Claimed.LIBRARY, f"keras {version}" if version else "", "keras_version")]
    claims.append((Claimed.CREATED, metadata.get("date_saved", ""), "date_saved"))
    yield Facts(
        "keras-zip",
        version,
        claims=tuple(Claim(what, value, f"{_METADATA}#/{key}") for what, value, key in claims if value),
        metadata=(("weights", weights), ("assets", str(assets))),
    )


def _metadata(reader: Reader, budget: Budget, entries: list[Entry]) -> dict[str, str]:
    """Texts of ``metadata.json``; none where it cannot be read, which the zip format reports."""
    entry = next((entry for entry in entries if entry.name == _METADATA), None)
    if entry is None or entry.size > _LIMIT or entry.method not in wire.METHODS:
        return {}
    try:
        stored = wire.payload(reader, wire.local_header(reader, entry.header), entry.compressed)
        codec = wire.METHODS[entry.method]
        with expanded(stored, codec, budget, entry.size) if codec else nullcontext(stored) as content:
            value = json.parse(read_whole(content, budget, _LIMIT)).value
    except (FormatError, BudgetExceeded):
        return {}
    if not isinstance(value, dict):
        return {}
    return {key: json.shown(text, 80) for key, text in value.items() if isinstance(text, str)}


FORMAT = Format(
    name="keras-zip",
    title="Keras archive",
    matches=_matches,
    inspect=_inspect,
    rules=(OTHER,),
    suffixes=(".keras",),
    within=("zip",),
    spec="keras/src/saving/saving_lib.py",
)
