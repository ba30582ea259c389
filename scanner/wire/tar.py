"""Tar archives as bytes: ustar, GNU and PAX headers. POSIX.1-2017 pax, "ustar Interchange Format".

Where readers differ, the members come out as CPython's ``tarfile`` reads them, and each one says what
the other reading would be (:attr:`Member.other_size`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from scanner.errors import FormatError
from scanner.reader import Budget, Reader, Window, read_whole

BLOCK = 512
_LONG_LIMIT = 1 << 20
_PAX_LIMIT = 16 << 20
_OCTAL = re.compile(rb"[0-7]*\Z")
_RECORD = re.compile(rb"([0-9]{1,20}) ([^=]+)=")

FILE, LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, FOLDER, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"
SPARSE = b"S"
_LONG_NAME, _LONG_LINK, _PAX, _SOLARIS, _GLOBAL = b"L", b"K", b"x", b"X", b"g"
_WITHOUT_DATA = frozenset({LINK, SYMLINK, CHARACTER, BLOCK_DEVICE, FOLDER, FIFO})
DEVICES = frozenset({CHARACTER, BLOCK_DEVICE, FIFO})


@dataclass(frozen=True, slots=True)
class Member:
    """One member, with its long names and PAX records applied."""

    name: str
    kind: bytes
    """The type flag; ``b"0"`` for every regular file."""
    size: int
    """Bytes of data that stand in the archive; 0 for links, folders and devices."""
    header: int
    """Offset of its first header, extensions included."""
    data: int
    """Offset of its data."""
    target: str = ""
    """What a link points to."""
    sparse: bool = False
    """The data is a map and the parts of a larger file."""
    other_size: int | None = None
    """Size by which a reader would step on that does not know what we know (PAX); ``None``: the same."""

    @property
    def end(self) -> int:
        """Offset of the next header."""
        return _padded(self.data + self.size, self.data)

    @property
    def other_end(self) -> int:
        """Offset of the next header to a reader that goes by the other size."""
        return _padded(self.data + (self.size if self.other_size is None else self.other_size), self.data)


@dataclass(frozen=True, slots=True)
class Stop:
    """Where the members end and why."""

    offset: int
    """The first byte that is not part of a member."""
    problem: str = ""
    """Empty at an end block."""


@dataclass(slots=True)
class _Extensions:
    """What precedes a header and changes it."""

    start: int
    shared: dict[str, str] = field(default_factory=dict)
    own: dict[str, str] = field(default_factory=dict)

    def get(self, key: str) -> str | None:
        return self.own.get(key, self.shared.get(key))


def _padded(end: int, start: int) -> int:
    return end + -(end - start) % BLOCK


def is_tar(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a tar archive: a named header whose checksum holds."""
    if head[257:262] != b"ustar" and (len(head) < BLOCK or any(head[257:345])):
        return False  # before ustar, nothing stood between the link name and the prefix
    return head[0] != 0 and is_header(head[:BLOCK])


def is_header(block: bytes) -> bool:
    """Whether the checksum of these 512 bytes is that of a header, with signed or unsigned bytes."""
    stated = _number(block[148:156]) if len(block) == BLOCK else None
    if stated is None or not any(block):
        return False
    summed = block[:148] + b" " * 8 + block[156:]
    total = sum(summed)
    return stated == total or stated == total - 256 * sum(byte > 127 for byte in summed)


def _number(raw: bytes) -> int | None:
    """An octal or base-256 number; ``None`` where it is neither or negative."""
    if raw[0] == 0x80:
        return int.from_bytes(raw[1:], "big")
    digits = raw.partition(b"\0")[0].strip(b" ")
    return int(digits or b"0", 8) if _OCTAL.match(digits) else None


def _text(raw: bytes) -> str:
    """Text up to a NUL; where it is not UTF-8, each byte is a character, so that no separator appears."""
    raw = raw.partition(b"\0")[0]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def members(reader: Reader, budget: Budget) -> Iterator[Member | Stop]:
    """Every member, then one :class:`Stop`.

    Raises:
        FormatError: An extension header is damaged.
        BudgetExceeded: The archive needs more steps or longer names than allowed.
    """
    at = 0
    extensions = _Extensions(0)
    while at + BLOCK <= reader.size:
        budget.spend_items()
        block = reader.read_at(at, BLOCK)
        if not block.strip(b"\0"):
            yield Stop(at)
            return
        if not is_header(block):
            yield Stop(at, "a header is damaged")
            return
        size = _number(block[124:136])
        if size is None:
            yield Stop(at, "a size is no number")
            return
        kind = block[156:157]
        if kind in {_LONG_NAME, _LONG_LINK, _PAX, _SOLARIS, _GLOBAL}:
            body = Window(reader, at + BLOCK, size)
            _extend(extensions, kind, read_whole(body, budget, _PAX_LIMIT), budget)
            at = _padded(at + BLOCK + size, at)
            continue
        member = _member(reader, block, at, size, extensions)
        yield member
        at = member.end
        extensions = _Extensions(at, extensions.shared)
    whole = at == reader.size
    yield Stop(min(at, reader.size), "there is no end mark" if whole else "the archive ends in the middle")


def _extend(extensions: _Extensions, kind: bytes, body: bytes, budget: Budget) -> None:
    if kind in {_LONG_NAME, _LONG_LINK}:
        if len(body) > _LONG_LIMIT:
            raise FormatError("a long name is longer than a megabyte", extensions.start)
        extensions.own.setdefault("path" if kind == _LONG_NAME else "linkpath", _text(body))
        return
    table = extensions.shared if kind == _GLOBAL else extensions.own
    at = 0
    while at < len(body) and body[at]:
        budget.spend_items()
        match = _RECORD.match(body, at)
        length = int(match[1]) if match else 0
        if not match or not match.end() < at + length <= len(body):
            raise FormatError("a PAX record is damaged", extensions.start)
        value = body[match.end() : at + length - 1]
        table[_text(match[2])] = _text(value)
        at += length


def _member(reader: Reader, block: bytes, at: int, size: int, extensions: _Extensions) -> Member:
    name, prefix = _text(block[:100]), _text(block[345:500])
    if prefix and block[257:263] == b"ustar\0":
        name = f"{prefix}/{name}"
    name = extensions.own.get("GNU.sparse.name") or extensions.get("path") or name
    target = extensions.get("linkpath") or _text(block[157:257])
    kind = block[156:157]
    if kind in {b"\0", b"7"}:
        kind = FOLDER if kind == b"\0" and name.endswith("/") else FILE
    data = at + BLOCK
    sparse = kind == SPARSE or any(key.startswith("GNU.sparse.") for key in extensions.own)
    if kind == SPARSE:
        data = _behind_sparse_maps(reader, block, data)
    actual, other = size, None
    stated = extensions.get("size")
    if stated is not None:
        if not stated.isdecimal() or len(stated) > 20:
            raise FormatError("a PAX size is no number", at)
        actual = int(stated)
    if kind in _WITHOUT_DATA:
        actual = 0
    if actual != size:
        other = size
    member = Member(name, kind, actual, extensions.start, data, target, sparse, other)
    return member if kind in {LINK, SYMLINK} else replace(member, target="")


def _behind_sparse_maps(reader: Reader, block: bytes, at: int) -> int:
    """Old GNU sparse files continue their map in further blocks (tar.h, struct sparse_header)."""
    more = block[482]
    while more and at + BLOCK <= reader.size:
        more = reader.read_at(at, BLOCK)[504]
        at += BLOCK
    return at
