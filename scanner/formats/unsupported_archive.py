"""Archives that are recognised and refused: what is in them stays unread, and the result says so."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.inspection import Format, Head, Note, Read
from scanner.model import Coverage, Facts, Gap, Location
from scanner.reader import Budget, Reader

_KINDS = {
    b"7z\xbc\xaf\x27\x1c": "7z archive",
    b"Rar!\x1a\x07": "RAR archive",
    b"MSCF\0\0\0\0": "cabinet archive",
    b"LZIP\x01": "lzip stream",
    b"\x1f\x9d\x90": "compress (.Z) stream",
    b"\x02\x21\x4c\x18": "lz4 stream of the old format",
}
_MAGIC = tuple(_KINDS)


def _matches(head: Head) -> bool:
    return head.data.startswith(_MAGIC)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    budget.spend_items()
    head = reader.read_at(0, 8)
    kind = next((name for magic, name in _KINDS.items() if head.startswith(magic)), "archive")
    yield Facts("unsupported-archive", kind)
    # nullifAI (2025) hid a pickle in a 7z container: not looked at is not clean.
    yield Gap(where, f"a {kind} is not unpacked: unpack it and scan the folder")
    yield Read(Coverage.NONE)


FORMAT = Format(
    name="unsupported-archive",
    title="archive of an unsupported kind",
    matches=_matches,
    inspect=_inspect,
    suffixes=(".7z", ".rar", ".cab", ".lz"),
)
