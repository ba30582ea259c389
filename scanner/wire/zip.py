"""Zip archives as bytes: end records, central directories, local headers. APPNOTE 6.3.10; no opinions.

Readers of one file can find different directories in it. :func:`find_ends` gives all that a common
reader would use: CPython's ``zipfile`` and Info-ZIP take the last end record and a directory that
touches it, miniz (PyTorch) takes the offset as it is written, strict readers want the comment to reach
the end of the file, and some look at the zip64 record only where the old fields are saturated.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.errors import BudgetExceeded, FormatError, ReadFailed
from scanner.reader import Budget, BytesReader, Cursor, Joined, Reader, Window

END = struct.Struct("<4s4H2LH")  # APPNOTE 4.3.16
_END64_LOCATOR = struct.Struct("<4sLQL")  # 4.3.15
_END64 = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_CENTRAL = struct.Struct("<4s6H3L5H2L")  # 4.3.12
LOCAL = struct.Struct("<4s5H3L2H")  # 4.3.7
LOCAL_MAGIC = b"PK\x03\x04"
CENTRAL_MAGIC = b"PK\x01\x02"
END_MAGIC = b"PK\x05\x06"
DESCRIPTOR_MAGIC = b"PK\x07\x08"
_COMMENT_LIMIT = 65535
TAIL_BYTES = _COMMENT_LIMIT + END.size
"""How many last bytes hold the end record, whatever its comment."""
NAMES_LIMIT = 16 << 20
"""Longest directory whose names are told to identification."""
_CANDIDATES = 64
_SEARCH_LIMIT = 64 << 20

ENCRYPTED = 0x1
DEFERRED = 0x8
_UTF8 = 0x800

# Methods of 4.4.5 that can be expanded, and the codec of scanner.wire.compression that does it.
METHODS = {0: "", 8: "deflate", 12: "bzip2", 14: "lzma", 93: "zstd", 95: "xz"}


@dataclass(frozen=True, slots=True)
class End:
    """Where a central directory is, as one reading of an end record says."""

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
    record64: int | None = None
    """Offset of the zip64 end record that this reading uses."""


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
    extra: bytes = b""

    @property
    def name(self) -> str:
        """Name as text: UTF-8 where that decodes, code page 437 otherwise."""
        try:
            return self.raw_name.decode("utf-8")
        except UnicodeDecodeError:
            return self.raw_name.decode("cp437")

    @property
    def unicode_name(self) -> str:
        """The name of the Unicode path field (4.6.9), where there is one that holds; else empty."""
        body = extra_field(self.extra, 0x7075)
        if len(body) < 6 or int.from_bytes(body[1:5], "little") != zlib.crc32(self.raw_name):
            return ""
        return body[5:].decode("utf-8", "replace")

    @property
    def is_broken_utf8(self) -> bool:
        """Whether the name says that it is UTF-8 and is not: CPython refuses the whole archive."""
        try:
            self.raw_name.decode("utf-8")
        except UnicodeDecodeError:
            return bool(self.flags & _UTF8)
        return False

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
    """Sizes and CRC may follow the data (flag bit 3); then the header's own are usually zero."""


def find_ends(reader: Reader, tail: bytes, start: int) -> list[End]:
    """Every directory that a common reader would use, the one of CPython's ``zipfile`` first.

    Args:
        reader: The whole file.
        tail: Its last bytes.
        start: Offset of ``tail``.

    Raises:
        ReadFailed: From the reader.
    """
    positions: list[int] = []
    at = len(tail)
    while len(positions) < _CANDIDATES and (at := tail.rfind(END_MAGIC, 0, at)) >= 0:
        if len(tail) - at >= END.size:
            positions.append(at)
    # Readers take the last record or the one whose comment ends the file; an earlier one belongs to a
    # nested archive, unless the later ones lead nowhere.
    exact = [at for at in positions if at + END.size + END.unpack_from(tail, at)[7] == len(tail)]
    chosen = list(dict.fromkeys([*positions[:1], *exact]))
    ends = [end for at in chosen for end in _readings(reader, tail, start, at)]
    for at in positions[1:] if not ends else ():
        ends = list(_readings(reader, tail, start, at))
        if ends:
            break
    found: dict[tuple[int, int, int], End] = {}
    for end in ends:
        found.setdefault((end.directory, end.length, end.prefix), end)
    return list(found.values())


def find_end(reader: Reader, tail: bytes, start: int) -> End | None:
    """The directory that CPython's ``zipfile`` would use, or ``None``; see :func:`find_ends`."""
    return next(iter(find_ends(reader, tail, start)), None)


def _readings(reader: Reader, tail: bytes, start: int, at: int) -> Iterator[End]:
    _, _, _, _, count, length, offset, comment = END.unpack_from(tail, at)
    position = start + at
    stop = min(position + END.size + comment, reader.size)
    text = tail[at + END.size : at + END.size + comment]
    records: list[tuple[int | None, int, int, int]] = []
    records += _records64(reader, position)
    if not (records and (count == 0xFFFF or 0xFFFFFFFF in {length, offset})):
        records.append((None, count, length, offset))
    for record, number, size, place in records:
        adjacent = (position if record is None else record) - size
        for directory in dict.fromkeys((adjacent, place)):
            if directory < 0 or directory + size > position or (size and not _begins(reader, directory)):
                continue
            if size == 0 and (number or directory != adjacent):
                continue
            prefix = directory - place
            yield End(position, directory, size, number, prefix, text, stop, record)


def _begins(reader: Reader, offset: int) -> bool:
    return reader.read_at(offset, 4) == CENTRAL_MAGIC


def _records64(reader: Reader, position: int) -> list[tuple[int | None, int, int, int]]:
    """(offset of a zip64 end record, count, length, offset of the directory), for each place it may have."""
    if position < _END64_LOCATOR.size:
        return []
    raw = reader.read_at(position - _END64_LOCATOR.size, _END64_LOCATOR.size)
    if not raw.startswith(b"PK\x06\x07"):
        return []
    found: list[tuple[int | None, int, int, int]] = []
    # CPython looks in front of the locator, others where the locator points.
    for where in dict.fromkeys((position - _END64_LOCATOR.size - _END64.size, _END64_LOCATOR.unpack(raw)[2])):
        record = reader.read_at(where, _END64.size) if 0 <= where <= reader.size - _END64.size else b""
        if len(record) == _END64.size and record.startswith(b"PK\x06\x06"):
            values = _END64.unpack(record)
            found.append((where, values[7], values[8], values[9]))
    return found


def member_names(reader: Reader, tail: bytes, start: int) -> tuple[str, ...]:
    """Names in all central directories, cheaply; never raises, empty where there is none."""
    names: dict[str, None] = {}
    try:
        for end in find_ends(reader, tail, start):
            if end.length <= NAMES_LIMIT:
                for entry in directory(reader, end, Budget(items=1_000_000)):
                    names[entry.name] = None
    except (FormatError, ReadFailed, BudgetExceeded):
        pass  # what was read up to here still helps; inspection reports the damage
    return tuple(names)


def central_directory(reader: Reader, end: End, budget: Budget) -> list[Entry]:
    """Every entry of the central directory; see :func:`directory`."""
    return list(directory(reader, end, budget))


def directory(reader: Reader, end: End, budget: Budget) -> Iterator[Entry]:
    """The entries of a central directory; its length counts, not the number that the end record gives.

    Raises:
        FormatError: It does not parse; the entries in front of the damage have been yielded.
        BudgetExceeded: It is larger than the budget allows.
    """
    cursor = Cursor(Window(reader, end.directory, end.length), budget)
    while cursor.left:
        budget.spend_items()
        at = end.directory + cursor.position
        if cursor.left < _CENTRAL.size:
            raise FormatError("the central directory is damaged", at)
        raw = cursor.read(_CENTRAL.size)
        if not raw.startswith(CENTRAL_MAGIC):
            if raw.startswith(b"PK\x05\x05"):  # digital signature, 4.3.13
                return
            raise FormatError("the central directory is damaged", at)
        values = _CENTRAL.unpack(raw)
        (_, creator, _, flags, method, _, _, crc, compressed, size, names, extras, comments) = values[:13]
        if names + extras + comments > cursor.left:
            raise FormatError("a name reaches past the central directory", at)
        name, extra = cursor.read(names), cursor.read(extras)
        cursor.skip(comments)
        size, compressed, header = _zip64(extra, size, compressed, values[16])
        header += end.prefix
        yield Entry(name, method, flags, crc, compressed, size, header, values[15], creator >> 8, extra)


def extra_field(extra: bytes, ident: int) -> bytes:
    """Body of the first extra field with this number (4.5.1); empty without one."""
    at = 0
    while at + 4 <= len(extra):
        found, length = struct.unpack_from("<HH", extra, at)
        if found == ident:
            return extra[at + 4 : at + 4 + length]
        at += 4 + length
    return b""


def _zip64(extra: bytes, size: int, compressed: int, header: int) -> tuple[int, int, int]:
    """Values of the zip64 extended information (4.5.3) in place of the saturated 32-bit ones."""
    values = [size, compressed, header]
    body = extra_field(extra, 1) if 0xFFFFFFFF in values else b""
    for index, value in enumerate(values):
        if value == 0xFFFFFFFF and len(body) >= 8:
            values[index] = int.from_bytes(body[:8], "little")
            body = body[8:]
    return values[0], values[1], values[2]


def local_header(reader: Reader, offset: int) -> Local:
    """The local header at ``offset``.

    Raises:
        FormatError: There is none.
    """
    raw = reader.read_at(offset, LOCAL.size + 256)  # nearly always name and extra fields as well
    if len(raw) < LOCAL.size or not raw.startswith(LOCAL_MAGIC):
        raise FormatError("there is no local header where one is promised", offset)
    _, _, flags, method, _, _, crc, compressed, size, names, extras = LOCAL.unpack_from(raw)
    data = LOCAL.size + names + extras
    raw = raw if len(raw) >= data else reader.read_at(offset, data)
    if len(raw) < data:
        raise FormatError("a local header reaches past the end", offset)
    name, extra = raw[LOCAL.size : LOCAL.size + names], raw[LOCAL.size + names : data]
    size, compressed, _ = _zip64(extra, size, compressed, 0)
    entry = Entry(name, method, flags, crc, compressed, size, offset, extra=extra)
    return Local(entry, offset + data, bool(flags & DEFERRED))


def payload(reader: Reader, local: Local, compressed: int) -> Window:
    """The member's stored bytes.

    Raises:
        FormatError: They reach past the end.
    """
    return Window(reader, local.data, compressed)


def lzma_stream(stored: Reader, flags: int, size: int) -> Reader:
    """Method 14 (5.8) as an ``.lzma`` file, which has the same data behind another header.

    Raises:
        FormatError: The properties are not those of LZMA.
    """
    head = stored.read_at(0, 9)
    if len(head) < 9 or int.from_bytes(head[2:4], "little") != 5:
        raise FormatError("the properties of the LZMA data are damaged", 0)
    length = b"\xff" * 8 if flags & 2 else size.to_bytes(8, "little")  # bit 1: an end marker is there
    return Joined(BytesReader(head[4:9] + length), Window(stored, 9, stored.size - 9))


class LateMember:
    """Stored bytes of a member whose local header is looked up when they are first read."""

    __slots__ = ("_entry", "_reader", "_window")

    def __init__(self, reader: Reader, entry: Entry) -> None:
        self._reader = reader
        self._entry = entry
        self._window: Window | None = None

    @property
    def size(self) -> int:
        """Number of bytes, as the directory says."""
        return self._entry.compressed

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from ``offset``.

        Raises:
            FormatError: There is no local header, or the bytes reach past the end.
        """
        if self._window is None:
            local = local_header(self._reader, self._entry.header)
            self._window = payload(self._reader, local, self._entry.compressed)
        return self._window.read_at(offset, length)


def extent(reader: Reader, local: Local, stop: int, budget: Budget) -> tuple[int, int]:
    """(end of the data, start of what follows) of a member that only its local header describes.

    Where the sizes are deferred, the data ends at the next signature.

    Raises:
        BudgetExceeded: No signature within 64 MiB, or no budget left to look for one.
    """
    if not local.deferred or local.entry.compressed:
        end = min(local.data + local.entry.compressed, stop)
        return end, end + (_descriptor(reader, end, stop) if local.deferred else 0)
    at, carry, step = local.data, b"", 4096
    while at < stop:
        if at - local.data > _SEARCH_LIMIT:
            raise BudgetExceeded("bytes", _SEARCH_LIMIT)
        block = reader.read_at(at, min(step, stop - at))
        step = min(2 * step, 1 << 20)
        budget.spend_bytes(len(block))
        data = carry + block
        marks = (DESCRIPTOR_MAGIC, LOCAL_MAGIC, CENTRAL_MAGIC)
        found = [place for mark in marks if (place := data.find(mark)) >= 0]
        if found or not block:
            end = at - len(carry) + min(found, default=0)
            return end, end + _descriptor(reader, end, stop)
        at += len(block)
        carry = data[-3:]
    return stop, stop


def _descriptor(reader: Reader, at: int, stop: int) -> int:
    """Length of the data descriptor (4.3.9) at ``at``: what follows it shows whether it is a long one."""
    raw = reader.read_at(at, min(28, stop - at))
    lengths = (16, 24) if raw.startswith(DESCRIPTOR_MAGIC) else (12, 20)
    for length in lengths:
        if raw[length : length + 2] == b"PK" or at + length == stop:
            return length
    return min(16, len(raw)) if raw.startswith(DESCRIPTOR_MAGIC) else 0
