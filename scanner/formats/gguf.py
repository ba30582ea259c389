"""GGUF: what a llama.cpp model says about itself, its chat templates, and where its tensors lie."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.errors import FormatError
from scanner.inspection import Child, Format, Head, Note, Text
from scanner.model import Check, Claim, Claimed, Facts, Finding, Gap, Location, Rule, Severity, Tensor
from scanner.reader import Budget, BytesReader, Reader, Window
from scanner.wire.gguf import (
    FILE_TYPES,
    STRING,
    STRING_LIMIT,
    TYPES,
    Array,
    Feed,
    Info,
    Pair,
    Value,
    infos,
    pairs,
)

_SPEC = "https://github.com/ggml-org/ggml/blob/master/docs/gguf.md"
DUPLICATE_KEY = Rule(
    id="gguf/duplicate-key",
    title="A key or a tensor name stands twice",
    severity=Severity.MEDIUM,
    check=Check.BOUNDS,
    finds="Two key/value pairs, or two tensors, of one name.",
    why="Some readers refuse such a file, some take the first, some the last: they run different models or "
    "different chat templates.",
    remedy="Refuse the file, or have its publisher convert it again.",
    example="`tokenizer.chat_template` twice, the second one hostile.",
    references=(_SPEC,),
)
LAYOUT = Rule(
    id="gguf/layout",
    title="The tensors do not cover the data exactly",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Tensors that overlap or are not aligned, bytes between or behind them that no tensor owns, an "
    "alignment so large that the padding can hold anything.",
    why="Bytes that nobody owns can carry anything, and tensors that share bytes are no work of a converter.",
    remedy="Refuse the file, or have its publisher convert it again.",
    example="A zip archive appended behind the last tensor. What lies there is inspected as well.",
    limits="Padding up to the alignment (32 bytes as a rule) is not looked at.",
    references=(_SPEC, "CWE-646"),
)

_GUESSED = 1024  # added to the file type where the converter guessed
_CLAIMED = {
    "general.architecture": Claimed.ARCHITECTURE,
    "general.name": Claimed.NAME,
    "general.version": Claimed.VERSION,
    "general.author": Claimed.AUTHOR,
    "general.organization": Claimed.AUTHOR,
    "general.description": Claimed.DESCRIPTION,
    "general.license": Claimed.LICENCE,
    "general.license.link": Claimed.LICENCE_LINK,
    "general.languages": Claimed.LANGUAGE,
    "general.tags": Claimed.TAG,
    "general.datasets": Claimed.DATASET,
    "general.parameter_count": Claimed.PARAMETERS,
}
_SUFFIXED = {
    "context_length": Claimed.CONTEXT_LENGTH,
    "embedding_length": Claimed.HIDDEN_SIZE,
    "block_count": Claimed.LAYERS,
    "vocab_size": Claimed.VOCABULARY,
}
_SOURCE = re.compile(r"general\.(base_model|dataset)\.(\d+)\.(name|organization|repo_url)\Z")
_TEMPLATE = "tokenizer.chat_template"
_VOCABULARY = "tokenizer.ggml."
_TOKENS = "tokenizer.ggml.tokens"
_ALIGNMENT = "general.alignment"
_PADDING_LIMIT = 64 << 10
_SHOWN = 256
_NAMED = 20


def _matches(head: Head) -> bool:
    return head.data.startswith(b"GGUF") and head.size >= 8 and any(head.data[4:8])


@dataclass(slots=True)
class _Model:
    """What has been read so far; it becomes the facts even where the rest is broken."""

    version: str = ""
    alignment: int = 32
    claims: list[Claim] = field(default_factory=list)
    metadata: list[tuple[str, str]] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    sources: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def facts(self) -> Facts:
        claims = [*self.claims]
        for (what, number), parts in self.sources.items():
            pointer = f"general.{what}.{number}"
            kind = Claimed.BASE_MODEL if what == "base_model" else Claimed.DATASET
            named = "/".join(parts[part] for part in ("organization", "name") if part in parts)
            claims.append(Claim(kind, parts.get("repo_url") or named, pointer))
        return Facts("gguf", self.version, tuple(self.tensors), tuple(claims), metadata=tuple(self.metadata))


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    feed = Feed(reader, budget)
    version = feed.version()
    model = _Model(f"{version} big-endian" if feed.big else str(version))
    if version not in {2, 3}:
        yield model.facts()
        yield Gap(where.at(4), f"GGUF version {version} is not read; have the file converted to version 3")
        return
    try:
        tensors = feed.count("tensors", 24)
        yield from _pairs(feed, feed.count("key/value pairs", 13), model, budget, where)
        listed = list(_infos(feed, tensors, budget))
        yield from _twice([info.name for info in listed], "tensor", where)
        start = feed.position + -feed.position % model.alignment
        unknown = [info for info in listed if info.kind not in TYPES]
        model.tensors += (_tensor(info, start, reader.size) for info in listed if info.kind in TYPES)
    except FormatError:
        yield model.facts()
        raise
    yield model.facts()
    for info in unknown[:_NAMED]:
        reason = f"{info.name[:80]!r} has the unknown ggml type {info.kind}: how long it is cannot be told"
        yield Gap(where.at(info.place), reason)
    if not unknown:
        yield from _layout(model, start, reader, where)


def _pairs(feed: Feed, count: int, model: _Model, budget: Budget, where: Location) -> Iterator[Note]:
    seen: list[str] = []
    for pair in pairs(feed, count, _VOCABULARY):
        budget.spend_bytes(128 + len(pair.key))
        seen.append(pair.key)
        place = where.at(pair.offset, pair.length)
        if pair.kind == STRING and pair.value is None:
            yield Gap(place, f"the text of {pair.key[:80]!r} is longer than {STRING_LIMIT} bytes")
        yield from _text(pair, place)
        _note(model, pair)
    yield from _twice(seen, "key", where)


def _text(pair: Pair, place: Location) -> Iterator[Note]:
    value = pair.value
    if isinstance(value, str):
        if pair.key == _TEMPLATE or pair.key.startswith(_TEMPLATE + "."):
            yield Child(pair.key, BytesReader(value.encode()), read_as="jinja")
        else:
            yield Text(value, place, "metadata")
    elif isinstance(value, Array) and value.strings:
        yield Text("\n".join(value.strings), place, "metadata")
        if value.cut:
            yield Gap(place, f"only the first texts of {pair.key[:80]!r} were read: it has {value.count}")


def _note(model: _Model, pair: Pair) -> None:
    """Turn a pair into claims and metadata."""
    key, value = pair.key, pair.value
    if key == _ALIGNMENT:
        # ggml's own reader: an uint32 that is a power of two, anything else is refused.
        if pair.kind != 4 or not isinstance(value, int) or value == 0 or value & (value - 1):
            raise FormatError(f"the alignment {_shown(value)} is no power of two", pair.offset)
        model.alignment = value
    what = _CLAIMED.get(key) or _SUFFIXED.get(key.rpartition(".")[2])
    source = _SOURCE.match(key)
    if source and isinstance(value, str):
        model.sources.setdefault((source[1], source[2]), {})[source[3]] = value
    elif key == "general.file_type" and isinstance(value, int):
        kind = value & ~_GUESSED
        name = FILE_TYPES[kind] if 0 <= kind < len(FILE_TYPES) else f"file type {value}"
        model.claims.append(Claim(Claimed.QUANTISATION, name, key))
    elif key == _TOKENS and isinstance(value, Array):
        model.claims.append(Claim(Claimed.TOKENIZER, f"sha256:{value.sha256}", key))
        model.claims.append(Claim(Claimed.VOCABULARY, str(value.count), key))
    elif isinstance(value, str) and (key == _TEMPLATE or key.startswith(_TEMPLATE + ".")):
        digest = hashlib.sha256(value.encode()).hexdigest()
        model.claims.append(Claim(Claimed.CHAT_TEMPLATE, f"sha256:{digest}", key))
        return
    elif what is not None:
        texts = value.strings if isinstance(value, Array) else (_shown(value),)
        model.claims += (Claim(what, text, key) for text in texts[:_NAMED])
    if len(model.metadata) < _SHOWN:
        model.metadata.append((key, _shown(value)[:200]))


def _shown(value: Value) -> str:
    if isinstance(value, Array):
        texts = ", ".join(value.strings[:_NAMED])
        return texts or f"{value.count} items" + (f", sha256:{value.sha256}" if value.sha256 else "")
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _twice(names: list[str], what: str, where: Location) -> Iterator[Finding]:
    if len(set(names)) == len(names):
        return
    again = sorted((name, count) for name, count in Counter(names).items() if count > 1)
    for name, count in again[:_NAMED]:
        message = f"the {what} {name[:200]!r} stands {count} times"
        yield Finding(DUPLICATE_KEY, where, message, evidence=((what, name[:200]),))


def _infos(feed: Feed, count: int, budget: Budget) -> Iterator[Info]:
    for info in infos(feed, count):
        budget.spend_bytes(256)
        yield info


def _tensor(info: Info, start: int, size: int) -> Tensor:
    """The tensor of an info; its shape is turned round, outermost first as everywhere else."""
    name, block, width = TYPES[info.kind]
    elements = 1
    for extent in info.dimensions:
        elements *= extent
    row = info.dimensions[0] if info.dimensions else 1
    if row % block:
        raise FormatError(f"{info.name[:80]!r} has rows of {row}, {name} has blocks of {block}", info.place)
    length = elements // block * width
    offset = start + info.offset
    if offset + length > size:
        raise FormatError(f"{info.name[:80]!r} reaches past the end of the file", info.place)
    return Tensor(info.name, name, tuple(reversed(info.dimensions)), offset, length)


def _layout(model: _Model, start: int, reader: Reader, where: Location) -> Iterator[Note]:
    alignment = model.alignment
    if alignment > _PADDING_LIMIT:
        message = f"the alignment of {alignment} bytes leaves room for anything between the tensors"
        yield Finding(LAYOUT, where, message, evidence=(("alignment", str(alignment)),))
        alignment = _PADDING_LIMIT
    at = start
    for tensor in sorted(model.tensors, key=lambda t: (t.offset or 0, t.length or 0)):
        offset, length = tensor.offset or 0, tensor.length or 0
        if offset < at or offset - at >= alignment or (offset - start) % alignment:
            what = "overlap" if offset < at else "leave bytes that no tensor owns"
            what = what if (offset - start) % alignment == 0 else "are not aligned"
            evidence = (("tensor", tensor.name[:200]), ("offset", str(offset)))
            yield Finding(LAYOUT, where.at(min(at, offset)), f"tensors {what}", evidence=evidence)
            return
        at = offset + length
    if reader.size - at > -(at - start) % alignment:  # the last tensor may be padded like any other
        message = f"{reader.size - at} bytes lie behind the last tensor"
        yield Finding(LAYOUT, where.at(at), message, evidence=(("trailing", str(reader.size - at)),))
        yield Child(f"bytes at {at}", Window(reader, at, reader.size - at))


FORMAT = Format(
    name="gguf",
    title="GGUF",
    matches=_matches,
    inspect=_inspect,
    rules=(DUPLICATE_KEY, LAYOUT),
    suffixes=(".gguf",),
    spec=_SPEC,
)
