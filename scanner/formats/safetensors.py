"""safetensors: a JSON header of tensor places, then their bytes and nothing else.

The reference reader is asked about every header as well: it is what loads the file. It needs the
header alone, because it judges the header before it misses the data.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from scanner.errors import FormatError
from scanner.inspection import Child, Format, Head, Note, Text
from scanner.model import Check, Claim, Claimed, Facts, Finding, Location, Rule, Severity, Tensor
from scanner.reader import Budget, Reader, Window

_SPEC = "https://github.com/safetensors/safetensors#format"
_HEADER_LIMIT = 100_000_000  # the reference reader's own limit
_FIRST = 64 << 10
_ASKED = 16 << 20  # 120,000 tensors; the library ends the process where its memory runs out
_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
_PARTS = ("dtype", "shape", "data_offsets")
_SPACE = b" \t\r\n"
_SURROGATE = re.compile("[\ud800-\udfff]")
# What `format` stands for, and the keys of Stability's ModelSpec 1.0 that say what the model is.
_LIBRARIES = {"pt": "pytorch", "tf": "tensorflow", "np": "numpy", "flax": "flax", "mlx": "mlx"}
_CLAIMED = {
    "modelspec.architecture": Claimed.ARCHITECTURE,
    "modelspec.title": Claimed.NAME,
    "modelspec.author": Claimed.AUTHOR,
    "modelspec.description": Claimed.DESCRIPTION,
    "modelspec.license": Claimed.LICENCE,
    "modelspec.date": Claimed.CREATED,
    "modelspec.merged_from": Claimed.BASE_MODEL,
    "modelspec.tags": Claimed.TAG,
}

DUPLICATE_KEY = Rule(
    id="safetensors/duplicate-key",
    title="The header names a key twice",
    severity=Severity.MEDIUM,
    check=Check.BOUNDS,
    finds="A tensor or metadata name that stands twice in the JSON header.",
    why="Readers differ in which of the two they take, so two programs load different weights.",
    remedy="Write the file again with the safetensors library.",
    example='`{"w": {…}, "w": {…}}`',
    references=(_SPEC,),
)
LAYOUT = Rule(
    id="safetensors/layout",
    title="The tensors do not cover the data exactly",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Tensors that overlap, bytes between or behind them that no tensor owns, wrong lengths.",
    why="The reference reader refuses such files; bytes that nobody owns can carry anything.",
    remedy="Refuse the file, or write it again with the safetensors library.",
    example="A zip archive appended behind the last tensor. What lies there is inspected as well.",
    references=(_SPEC,),
)
HEADER = Rule(
    id="safetensors/header",
    title="The header is not written as the format demands",
    severity=Severity.MEDIUM,
    check=Check.EVASION,
    finds="White space in front of the header, entries with other fields than dtype, shape and data_offsets, "
    "entries that are lists.",
    why="Some readers accept this and some do not; fields that nobody reads can carry anything.",
    remedy="Write the file again with the safetensors library.",
    example='`{"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], "note": "…"}}`',
    references=(_SPEC,),
)
DISAGREES = Rule(
    id="safetensors/reference-disagrees",
    title="The reference reader sees another file than we do",
    severity=Severity.MEDIUM,
    check=Check.EVASION,
    finds="A header that the safetensors library accepts and our reader does not, or the reverse.",
    why="What loads the file is the library: where it reads something else, the report is on another file.",
    remedy="Refuse the file, or write it again with the safetensors library.",
    example="A header in which the dtype of a tensor stands twice.",
    limits="The library is asked about the header alone, so that a file of any size costs nothing more, and "
    "not where the header is longer than 16 MiB.",
    references=(_SPEC,),
)


def _matches(head: Head) -> bool:
    data = head.data
    if len(data) < 10 or data[8] not in b"{ \t\r\n":
        return False
    if not 2 <= int.from_bytes(data[:8], "little") <= _HEADER_LIMIT:
        return False
    return data[8:].lstrip(_SPACE)[:1] == b"{"


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    data = _header(reader, budget)
    start, raw = len(data), data[8:]
    refusal = _refusal(data)
    findings: list[Finding] = []
    try:
        header, metadata = _parse(raw, where, findings)
        budget.spend_items(len(header))
        budget.spend_bytes(256 * len(header))
        tensors = tuple(_tensor(name, entry, start, where, findings) for name, entry in header.items())
    except FormatError as error:
        yield from findings
        if refusal == "":
            yield _disagreement(f"the reference reader accepts what we do not: {error.reason}", where)
        raise
    for value in metadata.values():
        yield Text(value, where.at(8, len(raw)), "metadata")
    yield from findings
    shown = tuple((key, value[:200]) for key, value in metadata.items())
    yield Facts("safetensors", tensors=tensors, claims=_claims(metadata), metadata=shown)
    for note in _layout(tensors, start, reader, where):
        yield note
        if isinstance(note, Finding):
            findings.append(note)
    if refusal and not findings:
        yield _disagreement(f"the reference reader refuses what we accept: {refusal}", where)


def _header(reader: Reader, budget: Budget) -> bytes:
    """The length and the header behind it."""
    first = reader.read_at(0, _FIRST)
    length = int.from_bytes(first[:8], "little")
    if len(first) < 8 or length > _HEADER_LIMIT or length > reader.size - 8:
        raise FormatError(f"a header of {length} bytes is declared, the file has {reader.size}", 0)
    budget.spend_bytes(length)
    # What is at hand is not asked for again: over HTTP these are the bytes that identified the file.
    data = first[: 8 + length]
    if len(data) < 8 + length:
        data += reader.read_at(len(data), 8 + length - len(data))
    if len(data) < 8 + length:
        raise FormatError("the data ends early", len(data))
    return data


@cache
def _missing_data() -> str:
    """What the reference reader says of a header that it accepts, where the data behind it is missing."""
    raw = b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
    return _answer(len(raw).to_bytes(8, "little") + raw)


def _answer(data: bytes) -> str:
    from safetensors import SafetensorError, deserialize  # noqa: PLC0415 - only for such files

    read: Callable[[bytes], object] = deserialize
    try:
        read(data)
    except SafetensorError as error:
        return str(error)
    return ""


def _refusal(data: bytes) -> str | None:
    """Why the reference reader refuses this header; empty where it accepts it, ``None`` if not asked."""
    if len(data) > _ASKED:
        return None
    answer = _answer(data)
    return "" if answer in {"", _missing_data()} else answer.rpartition("deserializing: ")[2][:200]


def _disagreement(message: str, where: Location) -> Finding:
    return Finding(DISAGREES, where.at(8), message, evidence=(("reason", message[:80]),))


def _parse(raw: bytes, where: Location, findings: list[Finding]) -> tuple[dict[str, Any], dict[str, str]]:
    """The entries and the metadata; what is odd about the header is added to the findings."""
    twice: dict[str, None] = {}

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(items)
        if len(table) != len(items):
            counts = Counter(key for key, _ in items)
            twice.update((key, None) for key, count in counts.items() if count > 1)
        return table

    def constant(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    try:
        text = raw.decode("utf-8")
        header = json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
    except (ValueError, RecursionError) as error:
        raise FormatError("the header is no valid JSON in UTF-8", 8) from error
    if not isinstance(header, dict):
        raise FormatError("the header is no JSON object", 8)
    if "\\u" in text and any(map(_SURROGATE.search, (*header, *twice))):
        raise FormatError("a name is no valid Unicode", 8)
    for name in sorted(twice)[:20]:
        message = f"the header names {name[:200]!r} twice"
        findings.append(Finding(DUPLICATE_KEY, where.at(8), message, evidence=(("key", name[:200]),)))
    if not raw.startswith(b"{"):
        evidence = (("oddity", "leading space"),)
        findings.append(
            Finding(HEADER, where.at(8), "white space stands before the header", evidence=evidence)
        )
    metadata = header.pop("__metadata__", None)
    metadata = {} if metadata is None else metadata
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise FormatError("__metadata__ is not a table of texts", 8)
    return header, {_clean(key): _clean(value) for key, value in metadata.items()}


def _clean(text: str) -> str:
    """The text with lone surrogates escaped, so that it can be written down."""
    return text.encode("utf-8", "backslashreplace").decode()


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 64


def _tensor(name: str, entry: Any, start: int, where: Location, findings: list[Finding]) -> Tensor:
    if isinstance(entry, list) and len(entry) == len(_PARTS):
        _odd(f"the entry of {name[:80]!r} is a list", "list", where, findings)
        entry = dict(zip(_PARTS, entry, strict=True))
    if not isinstance(entry, dict) or not entry.keys() >= set(_PARTS):
        raise FormatError(f"the entry of {name[:80]!r} is not dtype, shape and data_offsets", 8)
    if len(entry) != len(_PARTS):
        _odd(f"the entry of {name[:80]!r} has other fields as well", "fields", where, findings)
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    bits = _BITS.get(dtype) if isinstance(dtype, str) else None
    if bits is None:
        raise FormatError(f"{name[:80]!r} has the unknown dtype {str(dtype)[:20]!r}", 8)
    if not isinstance(shape, list) or not all(map(_whole, shape)):
        raise FormatError(f"{name[:80]!r} has no valid shape", 8)
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_whole, offsets)):
        raise FormatError(f"{name[:80]!r} has no valid data_offsets", 8)
    first, last = offsets
    elements = 1
    for extent in shape:
        elements *= extent
        if elements >= 1 << 64:  # the reference reader multiplies from the left in 64 bits
            raise FormatError(f"{name[:80]!r} has more elements than can be counted", 8)
    if last < first or elements * bits != (last - first) * 8:
        raise FormatError(f"{name[:80]!r} is longer or shorter than its shape", 8)
    return Tensor(name, dtype.lower(), tuple(shape), start + first, last - first)


def _odd(message: str, oddity: str, where: Location, findings: list[Finding]) -> None:
    """Note the first of its kind: a header of a million odd entries needs no million findings."""
    evidence = (("oddity", oddity),)
    if all(finding.evidence != evidence for finding in findings):
        findings.append(Finding(HEADER, where.at(8), message, evidence=evidence))


def _claims(metadata: dict[str, str]) -> tuple[Claim, ...]:
    claims = [Claim(what, metadata[key], key) for key, what in _CLAIMED.items() if metadata.get(key)]
    library = metadata.get("format")
    if library:
        claims.append(Claim(Claimed.LIBRARY, _LIBRARIES.get(library, library), "format"))
    return tuple(claims)


def _layout(tensors: tuple[Tensor, ...], start: int, reader: Reader, where: Location) -> Iterator[Note]:
    at, size = start, reader.size
    last = max(
        (tensor.offset + tensor.length for tensor in tensors if tensor.offset and tensor.length), default=0
    )
    if last > size:
        raise FormatError(f"the tensors reach {last - size} bytes past the end of the file", 8)
    for tensor in sorted(tensors, key=lambda t: (t.offset or 0, t.length or 0)):
        offset = tensor.offset or 0
        if offset != at:
            what = "overlap" if offset < at else "leave bytes that no tensor owns"
            evidence = (("tensor", tensor.name[:200]), ("offset", str(offset)))
            place = where.at(min(at, offset), abs(offset - at))
            yield Finding(LAYOUT, place, f"tensors {what}", evidence=evidence)
            return
        at += tensor.length or 0
    if at != size:
        message = f"{size - at} bytes lie behind the last tensor"
        yield Finding(LAYOUT, where.at(at, size - at), message, evidence=(("trailing", str(size - at)),))
        yield Child(f"bytes at {at}", Window(reader, at, size - at))


FORMAT = Format(
    name="safetensors",
    title="safetensors",
    matches=_matches,
    inspect=_inspect,
    rules=(DUPLICATE_KEY, LAYOUT, HEADER, DISAGREES),
    suffixes=(".safetensors",),
    spec=_SPEC,
)
