"""Plain text: the least that can be said of bytes which people read; surfaced for exposure rules."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Read, Text
from scanner.model import Coverage, Facts, Location
from scanner.reader import Budget, Reader

_CONTROL = frozenset(range(32)) - {7, 8, 9, 10, 11, 12, 13, 27}
_CHUNK = 1 << 20


def _matches(head: Head) -> bool:
    data = head.data
    if data[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return True
    if not data:
        return head.size == 0
    if not _CONTROL.isdisjoint(data):
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        # The head may end in the middle of a character.
        return error.start >= len(data) - 3 and len(data) < head.size
    return True


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    yield Facts("text")
    encoding = "utf-16" if reader.read_at(0, 2) in {b"\xff\xfe", b"\xfe\xff"} else "utf-8"
    offset, line, carry = 0, 1, b""
    while offset < reader.size:
        budget.spend_bytes(min(_CHUNK, reader.size - offset))
        block = reader.read_at(offset, _CHUNK)
        if not block:
            raise FormatError("the data ends early", offset)
        offset += len(block)
        data = carry + block
        if offset < reader.size and encoding == "utf-8":
            cut = data.rfind(b"\n") + 1 or len(data)
            data, carry = data[:cut], data[cut:]
        else:
            carry = b""
        text = data.decode(encoding, "replace")
        yield Text(text, where.at(line=line))
        line += text.count("\n")
    yield Read(Coverage.WHOLE)


FORMAT = Format(
    name="text",
    title="text",
    matches=_matches,
    inspect=_inspect,
    suffixes=(".txt", ".md", ".rst", ".log", ".cfg", ".ini", ".gitattributes", ".gitignore"),
)
