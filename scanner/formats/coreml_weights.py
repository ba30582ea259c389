"""Weights of a CoreML package (``weights/weight.bin``): blobs of numbers, each behind its header."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Child, Format, Head, Note
from scanner.model import Check, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader, Window

LAYOUT = Rule(
    id="coreml-weights/layout",
    title="Bytes that belong to no blob of weights",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes behind the last blob that the file counts.",
    why="The loader never reads them, so they can carry anything.",
    remedy="Refuse the file unless its publisher explains the bytes. They were inspected on their own.",
    example="A zip archive behind the last blob.",
    limits="Padding up to 64 bytes is not looked at.",
    references=("CWE-506",),
)
_SENTINEL = b"\xef\xbe\xad\xde"
_STEP = 64
_LIMIT = 1_000_000


def _matches(head: Head) -> bool:
    return head.data[4:8] == b"\x02\0\0\0" and head.data[64:68] == _SENTINEL and not any(head.data[8:64])


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    count = int.from_bytes(reader.read_at(0, 4), "little")
    if count > _LIMIT:
        raise FormatError(f"{count} blobs are more than are read", 0)
    at = _STEP
    for number in range(count):
        budget.spend_items()
        head = reader.read_at(at, 24)
        if len(head) < 24 or head[:4] != _SENTINEL:
            raise FormatError(f"the header of blob {number} of {count} is none", at)
        size, start = int.from_bytes(head[8:16], "little"), int.from_bytes(head[16:24], "little")
        if start < at + _STEP or start + size > reader.size:
            raise FormatError(f"blob {number} reaches outside", at)
        at = start + size + -(start + size) % _STEP
    yield Facts("coreml-weights", "2", metadata=(("blobs", str(count)),))
    if at < reader.size:
        left = reader.size - at
        message = f"{left} bytes lie behind the last blob"
        yield Finding(LAYOUT, where.at(at, left), message, evidence=(("trailing", str(left)),))
        yield Child(f"bytes at {at}", Window(reader, at, left))


FORMAT = Format(
    name="coreml-weights",
    title="CoreML weights",
    matches=_matches,
    inspect=_inspect,
    rules=(LAYOUT,),
    spec="https://github.com/apple/coremltools/blob/main/mlmodel/src/MILBlob/Blob/StorageFormat.hpp",
)
