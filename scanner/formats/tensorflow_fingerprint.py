"""The fingerprint of a SavedModel (``fingerprint.pb``): hashes of its parts, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import BudgetExceeded, FormatError
from scanner.inspection import Format, Head, Note, Read
from scanner.model import Coverage, Facts, Location
from scanner.reader import Budget, Reader, read_whole
from scanner.wire.protobuf import LENGTH, VARINT, fields

_LIMIT = 1024
_NAMES = {1: "checksum", 2: "graph", 3: "signatures", 4: "objects", 5: "checkpoint"}
_VERSION, _UUID = 6, 7


def _matches(head: Head) -> bool:
    """Up to five hashes of 64 bits in order, then the version."""
    data = head.data
    if data[:1] not in {b"\x08", b"\x10"} or not 8 < head.size <= _LIMIT:
        return False
    try:
        found = [(part.number, part.kind) for part in fields(data, Budget(items=16))]
    except (FormatError, BudgetExceeded):
        return False
    kinds = {**dict.fromkeys(_NAMES, VARINT), _VERSION: LENGTH, _UUID: LENGTH}
    known = all(kinds.get(number) == kind for number, kind in found)
    numbers = [number for number, _ in found]
    return known and numbers == sorted(set(numbers)) and len(numbers) >= 5 and _VERSION in numbers


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    del where
    data = read_whole(reader, budget, _LIMIT)
    pairs = []
    for part in fields(data, budget):
        if part.number in _NAMES and part.kind == VARINT:
            pairs.append((_NAMES[part.number], f"{part.value:016x}"))
        elif part.number not in {_VERSION, _UUID}:
            raise FormatError(f"a field {part.number} that no fingerprint has", part.start)
    yield Facts("tensorflow-fingerprint", metadata=tuple(pairs))
    yield Read(Coverage.WHOLE)


FORMAT = Format(
    name="tensorflow-fingerprint",
    title="SavedModel fingerprint",
    matches=_matches,
    inspect=_inspect,
    spec="https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/fingerprint.proto",
)
