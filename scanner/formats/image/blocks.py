"""The simpler pictures: GIF blocks, the RIFF of WebP, bitmaps, TIFF directories, tables of icons."""

from __future__ import annotations

import struct
from collections.abc import Generator

from scanner.errors import FormatError
from scanner.inspection import Note, Text
from scanner.model import Location
from scanner.reader import Budget, Cursor, Reader

_COMMENT = 0xFE
_DIRECTORIES = 4096


def gif(reader: Reader, budget: Budget, where: Location) -> Generator[Note, None, int | None]:
    """Walk the blocks up to the trailer (GIF89a specification); returns where the picture ends.

    Raises:
        FormatError: The blocks break off or are of an unknown kind.
    """
    cursor = Cursor(reader, budget, 10)
    flags = cursor.u8()
    cursor.skip(2 + _colours(flags))
    while True:
        budget.spend_items()
        place = cursor.position
        if not cursor.left:  # some writers leave the trailer out, and decoders do not miss it
            return place
        kind = cursor.u8()
        if kind == 0x3B:
            return cursor.position
        if kind == 0x21:
            label = cursor.u8()
            data = _sub_blocks(cursor, keep=label == _COMMENT)
            if label == _COMMENT:
                yield Text(data.decode("utf-8", "replace"), where.at(place), "metadata")
        elif kind == 0x2C:
            cursor.skip(8)
            cursor.skip(_colours(cursor.u8()) + 1)  # and the code size of LZW
            _sub_blocks(cursor, keep=False)
        else:
            raise FormatError(f"a block has the unknown kind {kind:#x}", place)


def _colours(flags: int) -> int:
    """Bytes of the colour table that the flags announce."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _sub_blocks(cursor: Cursor, *, keep: bool) -> bytes:
    kept = bytearray()
    while length := cursor.u8():
        cursor.budget.spend_items()
        if keep:
            cursor.budget.spend_bytes(length)
            kept += cursor.read(length)
        else:
            cursor.skip(length)
    return bytes(kept)


def webp(reader: Reader, budget: Budget, where: Location) -> Generator[Note, None, int | None]:
    """Walk the chunks of the RIFF container; returns where the picture ends.

    Raises:
        FormatError: A chunk reaches past the end.
    """
    cursor = Cursor(reader, budget, 4)
    end = 8 + cursor.u32()
    cursor.skip(4)
    if end > reader.size:
        raise FormatError("the container reaches past the end of the file", 4)
    while cursor.position + 8 <= end:
        budget.spend_items()
        place = cursor.position
        kind, length = cursor.read(4), cursor.u32()
        if cursor.position + length > end:
            raise FormatError("a chunk reaches past its container", place)
        if kind == b"XMP ":
            budget.spend_bytes(length)
            yield Text(cursor.read(length).decode("utf-8", "replace"), where.at(place), "metadata")
        else:
            cursor.skip(length)
        cursor.skip(min(length & 1, end - cursor.position))
    return min(end + (end & 1), reader.size)


def bmp(reader: Reader, budget: Budget, where: Location) -> Generator[Note, None, int | None]:
    """Where a bitmap ends by its own account; some writers leave that zero.

    Raises:
        FormatError: It reaches past the end of the file.
    """
    del budget, where
    yield from ()
    size, _, pixels = struct.unpack("<III", reader.read_at(2, 12))
    if pixels > reader.size or size > reader.size:
        raise FormatError("the bitmap reaches past the end of the file", 2)
    return size if size >= pixels > 0 else None


def ico(reader: Reader, budget: Budget, where: Location) -> Generator[Note, None, int | None]:
    """Where the last picture of an icon ends.

    Raises:
        FormatError: A picture reaches past the end of the file.
    """
    del where
    yield from ()
    cursor = Cursor(reader, budget, 4)
    end = 0
    for _ in range(cursor.u16()):
        budget.spend_items()
        length, offset = struct.unpack("<8xII", cursor.read(16))
        end = max(end, offset + length)
    if end > reader.size:
        raise FormatError("a picture reaches past the end of the file", 6)
    return end


def tiff(reader: Reader, budget: Budget, where: Location) -> Generator[Note, None, int | None]:
    """Follow the chain of directories (TIFF 6.0 section 2, BigTIFF); the format has no end of its own.

    Raises:
        FormatError: A directory reaches past the end, or the chain is a circle.
    """
    del where
    yield from ()
    magic = reader.read_at(0, 4)
    order, big = ("<" if magic[:1] == b"I" else ">"), b"+" in magic
    number, width, entry = (order + "Q", 8, 20) if big else (order + "I", 4, 12)
    at = _unpack(reader, budget, number, 8 if big else 4)
    seen: set[int] = set()
    while at:
        budget.spend_items()
        if at in seen or len(seen) >= _DIRECTORIES:
            raise FormatError("the chain of directories is a circle or has no end", at)
        seen.add(at)
        count = _unpack(reader, budget, order + ("Q" if big else "H"), at)
        after = at + (8 if big else 2) + count * entry
        if after + width > reader.size:
            raise FormatError("a directory reaches past the end of the file", at)
        at = _unpack(reader, budget, number, after)
    return None


def _unpack(reader: Reader, budget: Budget, code: str, at: int) -> int:
    raw = Cursor(reader, budget, at, read_ahead=16).read(struct.calcsize(code))
    number: int = struct.unpack(code, raw)[0]
    return number
