"""safetensors: a JSON header of tensor places, then their bytes and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Text
from scanner.model import Check, Facts, Finding, Location, Rule, Severity, Tensor
from scanner.reader import Budget, Cursor, Reader

_HEADER_LIMIT = 100_000_000  # the reference reader's own limit
_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
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
    references=("https://github.com/safetensors/safetensors#format",),
)
LAYOUT = Rule(
    id="safetensors/layout",
    title="The tensors do not cover the data exactly",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Tensors that overlap, bytes between or behind them that no tensor owns, wrong lengths.",
    why="The reference reader refuses such files; bytes that nobody owns can carry anything.",
    remedy="Refuse the file, or write it again with the safetensors library.",
    example="A zip archive appended behind the last tensor.",
    references=("https://github.com/safetensors/safetensors#format",),
)


def _matches(head: Head) -> bool:
    data = head.data
    if len(data) < 10 or data[8:9] != b"{":
        return False
    return 2 <= int.from_bytes(data[:8], "little") <= _HEADER_LIMIT


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    cursor = Cursor(reader, budget)
    length = cursor.u64()
    if length > _HEADER_LIMIT:
        raise FormatError(f"a header of {length} bytes is declared", 0)
    raw = cursor.read(length)
    start = cursor.position
    twice: list[str] = []
    header = _parse(raw, twice)
    for name in sorted(set(twice))[:20]:
        message = f"the header names {name!r} twice"
        yield Finding(DUPLICATE_KEY, where.at(8, length), message, evidence=(("key", name),))
    metadata = header.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise FormatError("__metadata__ is not a table of texts", 8)
    for value in metadata.values():
        yield Text(value, where.at(8, length), "metadata")
    budget.spend_items(len(header))
    tensors = tuple(_tensor(name, entry, start, reader.size) for name, entry in header.items())
    yield Facts("safetensors", tensors=tensors, metadata=tuple((k, v[:200]) for k, v in metadata.items()))
    yield from _layout(tensors, start, reader.size, where)


def _parse(raw: bytes, twice: list[str]) -> dict[str, Any]:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(items)
        if len(table) != len(items):
            counts = Counter(key for key, _ in items)
            twice.extend(key for key, count in counts.items() if count > 1)
        return table

    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise FormatError("the header is no valid JSON in UTF-8", 8) from error
    if not isinstance(header, dict):
        raise FormatError("the header is no JSON object", 8)
    return header


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _tensor(name: str, entry: Any, start: int, size: int) -> Tensor:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise FormatError(f"the entry of {name[:80]!r} is not dtype, shape and data_offsets", 8)
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise FormatError(f"{name[:80]!r} has the unknown dtype {str(dtype)[:20]!r}", 8)
    if not isinstance(shape, list) or len(shape) > 64 or not all(map(_whole, shape)):
        raise FormatError(f"{name[:80]!r} has no valid shape", 8)
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_whole, offsets)):
        raise FormatError(f"{name[:80]!r} has no valid data_offsets", 8)
    first, last = offsets
    if last < first or start + last > size:
        raise FormatError(f"{name[:80]!r} reaches past the end of the file", 8)
    tensor = Tensor(name, dtype.lower(), tuple(shape), start + first, last - first)
    if tensor.elements * _BITS[dtype] != (last - first) * 8:
        raise FormatError(f"{name[:80]!r} is longer or shorter than its shape", 8)
    return tensor


def _layout(tensors: tuple[Tensor, ...], start: int, size: int, where: Location) -> Iterator[Finding]:
    at = start
    for tensor in sorted(tensors, key=lambda t: (t.offset or 0, t.length or 0)):
        offset = tensor.offset or 0
        if offset != at:
            what = "overlap" if offset < at else "leave bytes that no tensor owns"
            evidence = (("tensor", tensor.name[:200]), ("offset", str(offset)))
            yield Finding(
                LAYOUT, where.at(min(at, offset), abs(offset - at)), f"tensors {what}", evidence=evidence
            )
            return
        at += tensor.length or 0
    if at != size:
        yield Finding(
            LAYOUT,
            where.at(at, size - at),
            f"{size - at} bytes lie behind the last tensor",
            evidence=(("trailing", str(size - at)),),
        )


FORMAT = Format(
    name="safetensors",
    title="safetensors",
    matches=_matches,
    inspect=_inspect,
    rules=(DUPLICATE_KEY, LAYOUT),
    suffixes=(".safetensors",),
    spec="https://github.com/safetensors/safetensors#format",
)
