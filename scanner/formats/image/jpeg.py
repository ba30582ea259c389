"""JPEG: marker segments and scans up to the end of the image (ITU-T T.81 annex B)."""

from __future__ import annotations

import re
from collections.abc import Generator

from scanner.errors import FormatError
from scanner.inspection import Note, Text
from scanner.model import Location
from scanner.reader import Budget, Cursor, Reader

_STEP = 256 << 10
# Inside a scan, FF is followed by 00, by a restart marker or by another FF; anything else ends it.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_START, _END, _SCAN, _COMMENT, _EXIF, _MULTI = 0xD8, 0xD9, 0xDA, 0xFE, 0xE1, 0xE2
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_PRINTABLE = re.compile(rb"[\x20-\x7e]{6,}")


def jpeg(reader: Reader, budget: Budget, where: Location) -> Generator[Note, None, int | None]:
    """Walk segments and scans; returns where the picture ends, ``None`` where it says that more follows.

    A scan that breaks off is read to the end of the file as decoders do: nothing lies behind it.

    Raises:
        FormatError: A segment reaches past the end, or there is no marker where one has to be.
    """
    cursor = Cursor(reader, budget, 2)
    more = False
    while True:
        budget.spend_items()
        marker = _marker(cursor)
        if marker == _END:
            return None if more else cursor.position
        if marker in _STANDALONE or marker == _START:
            continue
        place = cursor.position
        length = cursor.u16(big=True)
        if length < 2:
            raise FormatError("a segment is shorter than its length field", place)
        if marker in {_COMMENT, _EXIF, _MULTI}:
            data = cursor.read(length - 2)
            more = more or (marker == _MULTI and data.startswith(b"MPF\0"))
            yield from _texts(marker, data, where.at(place))
        else:
            cursor.skip(length - 2)
        if marker == _SCAN:
            end = _scan(reader, budget, cursor.position)
            if end is None:
                return reader.size
            cursor.position = end


def _marker(cursor: Cursor) -> int:
    place = cursor.position
    if cursor.u8() != 0xFF:
        raise FormatError("there is no marker where one has to be", place)
    marker = cursor.u8()
    while marker == 0xFF:  # fill bytes, B.1.1.2
        cursor.budget.spend_items()
        marker = cursor.u8()
    return marker


def _scan(reader: Reader, budget: Budget, position: int) -> int | None:
    """Where the marker stands that ends the scan; ``None`` where the data ends before."""
    while True:
        budget.spend_items()
        block = reader.read_at(position, _STEP)
        found = _MARKER.search(block)
        if found:
            return position + found.start()
        if len(block) < 2:
            return None
        position += len(block) - 1  # FF may stand at the end of a block


def _texts(marker: int, data: bytes, place: Location) -> Generator[Note, None, None]:
    if marker == _COMMENT:
        yield Text(data.decode("utf-8", "replace"), place, "metadata")
    elif marker == _EXIF and data.startswith(_XMP):
        yield Text(data[len(_XMP) :].decode("utf-8", "replace"), place, "metadata")
    elif marker == _EXIF:
        text = b"\n".join(_PRINTABLE.findall(data))
        if text:
            yield Text(text.decode("ascii"), place, "metadata")
