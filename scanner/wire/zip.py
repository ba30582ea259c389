"""Zip archives as bytes: end record, central directory, local headers. APPNOTE 6.3.10; no opinions."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from scanner.errors import FormatError, ReadFailed
from scanner.reader import Budget, Reader, Window

END = struct.Struct("<4s4H2LH")  # APPNOTE 4.3.16
_END64_LOCATOR = struct.Struct("<4sLQL")  # 4.3.15
_END64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_CENTRAL = struct.Struct("<4s6H3L5H2L")  # 4.3.12
LOCAL = struct.Struct("<4s5H3L2H")  # 4.3.7
_END_MAGIC = b"PK\x05\x06"
_NAMES_LIMIT = 1 << 20
_COMMENT_LIMIT = 65535

METHODS = {0: "", 8: "deflate", 12: "bzip2", 93: "zstd"}


@dataclass(frozen=True, slots=True)
class End:
    """Where the central directory is, as the end record says."""

    position: int
    """Offset of the end record."""
    directory: int
    """Offset of the central directory in the reader (already shifted by ``prefix``)."""
    length: int
    count: int
    prefix: int
    """Bytes in front of the archive that its own offsets do not count."""
    comment: bytes
    end: int
    """Offset just behind the end record and its comment."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the central directory, or one local header."""

    raw_name: bytes
    method: int
    flags: int
    crc: int
    compressed: int
    size: int
    header: int
    """Offset of the local header in the reader."""
    attributes: int = 0
    creator: int = 0

    @property
    def name(self) -> str:
        """Name as text: UTF-8 where that decodes, code page 437 otherwise."""
        try:
            return self.raw_name.decode("utf-8")
        except UnicodeDecodeError:
            return self.raw_name.decode("cp437")

    @property
    def is_folder(self) -> bool:
        """Whether the entry is a folder."""
        return self.raw_name.endswith(b"/")

    @property
    def is_symlink(self) -> bool:
        """Whether a Unix extractor makes a symbolic link of it."""
        return self.creator in {3, 19} and (self.attributes >> 16) & 0o170000 == 0o120000


@dataclass(frozen=True, slots=True)
class Local:
    """A local header and where its data starts."""

    entry: Entry
    data: int
    deferred: bool
    """Sizes and CRC follow the data (flag bit 3), so the header's own say nothing."""


def find_end(reader: Reader, tail: bytes, start: int) -> End | None:
    """The end record nearest to the end, or ``None``. ``tail`` are the bytes from ``start`` on."""
    at = len(tail)
    for _ in range(64):
        at = tail.rfind(_END_MAGIC, 0, at)
        if at < 0 or len(tail) - at < END.size:
            if at < 0:
                return None
            continue
        _, _, _, _, count, length, offset, comment = END.unpack_from(tail, at)
        position = start + at
        directory_end = position
        if count == 0xFFFF or 0xFFFFFFFF in {length, offset}:
            big = _end64(reader, position)
            if big is not None:
                directory_end, count, length, offset = big
        prefix = directory_end - length - offset
        if length > directory_end or prefix < 0:
            continue
        end = min(position + END.size + comment, reader.size)
        text = tail[at + END.size : at + END.size + comment]
        return End(position, offset + prefix, length, count, prefix, text, end)
    return None


def _end64(reader: Reader, position: int) -> tuple[int, int, int, int] | None:
    """(offset of the zip64 end record, count, length, offset of the directory)."""
    if position < _END64_LOCATOR.size:
        return None
    raw = reader.read_at(position - _END64_LOCATOR.size, _END64_LOCATOR.size)
    if not raw.startswith(b"PK\x06\x07"):
        return None
    for where in (_END64_LOCATOR.unpack(raw)[2], position - _END64_LOCATOR.size - _END64.size):
        if not 0 <= where <= reader.size - _END64.size:
            continue
        record = reader.read_at(where, _END64.size)
        if len(record) == _END64.size and record.startswith(b"PK\x06\x06"):
            values = _END64.unpack(record)
            return where, values[7], values[8], values[9]
    return None


def member_names(reader: Reader, tail: bytes, start: int) -> tuple[str, ...]:
    """Names in the central directory, cheaply; never raises, empty where there is none."""
    try:
        end = find_end(reader, tail, start)
        if end is None or end.length > _NAMES_LIMIT:
            return ()
        data = directory_bytes(reader, end, tail, start)
        return tuple(entry.name for entry in _entries(data, end.prefix, None))
    except (FormatError, ReadFailed, struct.error):
        return ()


def directory_bytes(reader: Reader, end: End, tail: bytes = b"", start: int = 0) -> bytes:
    """The central directory, from the tail at hand where it holds it."""
    if tail and end.directory >= start:
        return tail[end.directory - start : end.directory - start + end.length]
    return reader.read_at(end.directory, end.length)


def central_directory(reader: Reader, end: End, budget: Budget) -> list[Entry]:
    """Every entry of the central directory.

    Raises:
        FormatError: It does not parse.
        BudgetExceeded: It is larger than the budget allows.
    """
    budget.spend_bytes(end.length)
    return list(_entries(directory_bytes(reader, end), end.prefix, budget))


def _entries(data: bytes, prefix: int, budget: Budget | None) -> list[Entry]:
    entries = []
    at = 0
    while at < len(data):
        if budget is not None:
            budget.spend_items()
        if len(data) - at < _CENTRAL.size or data[at : at + 4] != b"PK\x01\x02":
            if data[at : at + 4] == b"PK\x05\x05":  # digital signature, 4.3.13
                break
            raise FormatError("the central directory is damaged", at)
        values = _CENTRAL.unpack_from(data, at)
        (_, creator, _, flags, method, _, _, crc, compressed, size, names, extras, comments) = values[:13]
        attributes, header = values[15], values[16]
        at += _CENTRAL.size
        name = data[at : at + names]
        extra = data[at + names : at + names + extras]
        if len(name) < names or len(extra) < extras:
            raise FormatError("a name reaches past the central directory", at)
        size, compressed, header = _zip64(extra, size, compressed, header)
        entries.append(
            Entry(
                name,
                method,
                flags,
                crc,
                compressed,
                size,
                header + prefix,
                attributes,
                creator >> 8,
            )
        )
        at += names + extras + comments
    return entries


def _zip64(extra: bytes, size: int, compressed: int, header: int) -> tuple[int, int, int]:
    """Values of the zip64 extended information (4.5.3) in place of the 32-bit ones."""
    values = [size, compressed, header]
    at = 0
    while at + 4 <= len(extra):
        ident, length = struct.unpack_from("<HH", extra, at)
        if ident == 1:
            body = extra[at + 4 : at + 4 + length]
            for index, value in enumerate(values):
                if value == 0xFFFFFFFF and len(body) >= 8:
                    values[index] = int.from_bytes(body[:8], "little")
                    body = body[8:]
            break
        at += 4 + length
    return values[0], values[1], values[2]


def local_header(reader: Reader, offset: int) -> Local:
    """The local header at ``offset``.

    Raises:
        FormatError: There is none.
    """
    raw = reader.read_at(offset, LOCAL.size)
    if len(raw) < LOCAL.size or not raw.startswith(b"PK\x03\x04"):
        raise FormatError("there is no local header where one is promised", offset)
    _, _, flags, method, _, _, crc, compressed, size, names, extras = LOCAL.unpack(raw)
    rest = reader.read_at(offset + LOCAL.size, names + extras)
    if len(rest) < names + extras:
        raise FormatError("a local header reaches past the end", offset)
    size, compressed, _ = _zip64(rest[names:], size, compressed, 0)
    entry = Entry(rest[:names], method, flags, crc, compressed, size, offset)
    return Local(entry, offset + LOCAL.size + names + extras, bool(flags & 8))


def payload(reader: Reader, local: Local, compressed: int) -> Window:
    """The member's stored bytes.

    Raises:
        FormatError: They reach past the end.
    """
    return Window(reader, local.data, compressed)
