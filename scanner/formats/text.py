"""Plain text: the least that can be said of bytes which people read; surfaced for exposure rules."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Read, Text
from scanner.model import Coverage, Facts, Gap, Location
from scanner.reader import Budget, Reader

_CONTROL = frozenset(range(32)) - {7, 8, 9, 10, 11, 12, 13, 27}
_CONTROLS = bytes(sorted(_CONTROL))
_CHUNK = 1 << 20
_WINDOW = 4096
# Texts that were gathered from anywhere have a stray control character; of packed bytes, every tenth is one.
_TOLERATED = 40
_BOMS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
# Fewer bytes than these in an 8-bit encoding could be anything.
_SHORTEST = 64


def _matches(head: Head) -> bool:
    data = head.data
    if data[:2] in _BOMS:
        return not _is_garbled(data[: len(data) & ~1].decode(_BOMS[data[:2]], "replace"))
    if not data:
        return head.size == 0
    if not _CONTROL.isdisjoint(data):
        return False
    return _is_utf8(data, complete=len(data) >= head.size) or len(data) >= _SHORTEST


def _is_utf8(data: bytes, *, complete: bool) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        # The data may end in the middle of a character.
        return error.start >= len(data) - 3 and not complete
    return True


def _is_garbled(text: str) -> bool:
    """Whether bytes that claim to be UTF-16 are none: halves of surrogate pairs stand alone."""
    return text.count("\ufffd") * 100 > len(text)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    yield Facts("text")
    encoding = _encoding(reader)
    offset, line, carry = 0, 1, b""
    packed: int | None = None
    while offset < reader.size:
        budget.spend_bytes(min(_CHUNK, reader.size - offset))
        block = reader.read_at(offset, _CHUNK)
        if not block:
            raise FormatError("the data ends early", offset)
        if packed is None and not encoding.startswith("utf-16"):
            packed = _packed(block, offset)
        offset += len(block)
        data = carry + block
        if offset < reader.size and not encoding.startswith("utf-16"):
            cut = data.rfind(b"\n") + 1 or len(data)
            data, carry = data[:cut], data[cut:]
        else:
            carry = b""
        text = data.decode(encoding, "replace")
        if packed is None and encoding.startswith("utf-16") and _is_garbled(text):
            packed = offset - len(block)
        yield Text(text, where.at(line=line))
        line += text.count("\n")
    if packed is not None:
        yield Gap(where.at(packed), "begins as a text and goes on as bytes that are none")
    yield Read(Coverage.WHOLE)


def _encoding(reader: Reader) -> str:
    first = reader.read_at(0, _WINDOW)
    if first[:2] in _BOMS:
        return _BOMS[first[:2]]
    return "utf-8" if _is_utf8(first, complete=len(first) >= reader.size) else "cp1252"


def _packed(block: bytes, offset: int) -> int | None:
    """Where in a block bytes begin that are no text, if they do."""
    if len(block) - len(block.translate(None, _CONTROLS)) < _TOLERATED:
        return None
    for at in range(0, len(block), _WINDOW):
        window = block[at : at + _WINDOW]
        if len(window) - len(window.translate(None, _CONTROLS)) >= _TOLERATED:
            return offset + at
    return None


FORMAT = Format(
    name="text",
    title="text",
    matches=_matches,
    inspect=_inspect,
    suffixes=(".txt", ".md", ".rst", ".log", ".cfg", ".ini", ".gitattributes", ".gitignore"),
)
