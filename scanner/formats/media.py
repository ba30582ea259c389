"""Sound and film: WAV, AVI, FLAC, Ogg, MP3, MP4 and its kin, WebM; recognised, walked where they say how."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from scanner.errors import FormatError
from scanner.inspection import Child, Format, Head, Note, Read, Text
from scanner.model import Check, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Cursor, Reader, Window

TRAILING = Rule(
    id="media/trailing-bytes",
    title="Something lies behind the recording",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes behind the end that a WAV, AVI, MP4 or WebM file gives itself.",
    why="A player plays the recording, another program finds an archive, a script or a pickle in the file.",
    remedy="Save the recording again without the rest, or refuse it. What lies there is inspected as well.",
    example="A zip archive appended to a WAV file.",
    limits="FLAC, Ogg and MP3 do not say where they end: their headers are read, what follows is not.",
    references=("CWE-646",),
)

_RIFF = {b"WAVE": "wav", b"AVI ": "avi"}
_CONTAINERS = frozenset({b"RIFF", b"RIFX", b"RF64"})
_SUFFIXES = (
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".mka"),
    *(".avi", ".mp4", ".m4v", ".mov", ".3gp", ".webm", ".mkv", ".ogv"),
    *(".heic", ".avif"),  # pictures in the boxes of MP4
)
_EBML = b"\x1a\x45\xdf\xa3"
_STRAY = 16  # old writers leave a few bytes; nothing that runs fits in
_PADDING = 64 << 10
_BLOCK_LIMIT = 16 << 20


def _kind(data: bytes) -> str:
    """Which recording begins with these bytes, or an empty string."""
    first = data[:4]
    if first in _CONTAINERS:
        return _RIFF.get(data[8:12], "")
    if data[4:8] == b"ftyp" and 16 <= int.from_bytes(first, "big") <= 4096:
        return "mp4"
    if first in {b"fLaC", b"OggS", _EBML}:
        return {b"fLaC": "flac", b"OggS": "ogg", _EBML: "webm"}[first]
    if first[:3] == b"ID3" and data[3:4] in {b"\2", b"\3", b"\4"} and data[6:10].isascii():
        return "mp3"
    # Two bytes of magic are weak: the frame behind the first one has to begin like it.
    if _is_frame(first) and data.find(first[:2], 24, 2048) > 0:
        return "mp3"
    return ""


def _is_frame(first: bytes) -> bool:
    """MPEG audio (ISO/IEC 11172-3 2.4.1.3): sync, a version, layer II or III, rates that exist."""
    if len(first) < 4 or first[0] != 0xFF or first[1] & 0xE0 != 0xE0:
        return False
    version, layer, bits, rate = first[1] >> 3 & 3, first[1] >> 1 & 3, first[2] >> 4, first[2] >> 2 & 3
    return version != 1 and layer in {1, 2} and bits not in {0, 15} and rate != 3


def _matches(head: Head) -> bool:
    return head.data[:1] in {b"R", b"\0", b"f", b"O", b"\x1a", b"I", b"\xff"} and _kind(head.data) != ""


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    kind = _kind(reader.read_at(0, 4096))
    if not kind:
        raise FormatError("is no recording that is known", 0)
    yield Facts("media", kind)
    if kind == "flac":
        yield from _flac(reader, budget, where)
    walk = _WALKS.get(kind)
    yield Read(Coverage.STRUCTURE if walk else Coverage.SAMPLED)
    end = walk(reader, budget) if walk else reader.size
    rest = Window(reader, end, reader.size - end)
    if rest.size <= _STRAY or (rest.size <= _PADDING and not rest.read_at(0, rest.size).strip(b"\0\r\n ")):
        return
    evidence = (("trailing", str(rest.size)),)
    yield Finding(TRAILING, where.at(end), f"{rest.size} bytes lie behind the recording", evidence=evidence)
    yield Child(f"bytes at {end}", rest)


def _riff(reader: Reader, budget: Budget) -> int:
    """End of the last RIFF chunk: an AVI over 1 GiB has several (OpenDML 2.0), RF64 has 64-bit sizes."""
    at = 0
    while at + 12 <= reader.size:
        budget.spend_items()
        head = reader.read_at(at, 28)
        if head[:4] not in _CONTAINERS:
            break
        length = int.from_bytes(head[4:8], "big" if head[:4] == b"RIFX" else "little")
        if head[:4] == b"RF64" and head[12:16] == b"ds64":  # EBU Tech 3306
            length = int.from_bytes(head[20:28], "little")
        elif length in {0, 0xFFFFFFFF}:  # written to a pipe: the writer did not know
            return reader.size
        if at + 8 + length > reader.size:
            raise FormatError("the container reaches past the end of the file", at)
        at += 8 + length + (length & 1)
    return min(at, reader.size)


def _boxes(reader: Reader, budget: Budget) -> int:
    """End of the last top-level box (ISO/IEC 14496-12 section 4.2)."""
    cursor = Cursor(reader, budget)
    while cursor.left >= 8:
        budget.spend_items()
        place = cursor.position
        size, kind = cursor.u32(big=True), cursor.read(4)
        if not re.fullmatch(rb"[\x20-\x7e\xa9]{4}", kind):
            return place
        if size == 0:  # up to the end of the file
            return reader.size
        if size == 1:
            size = cursor.u64(big=True)
        if size < cursor.position - place:
            return place
        if size > reader.size - place:
            raise FormatError("a box reaches past the end of the file", place)
        cursor.position = place + size
    return cursor.position


def _elements(reader: Reader, budget: Budget) -> int:
    """End of the last top-level element (RFC 8794)."""
    cursor = Cursor(reader, budget)
    while cursor.left >= 2:
        budget.spend_items()
        place = cursor.position
        first = cursor.u8()
        if not first & 0xF0:  # identifiers have one to four bytes
            return place
        cursor.skip(7 - (first.bit_length() - 1))
        first = cursor.u8()
        if not first:
            return place
        extra = 8 - first.bit_length()
        size = int.from_bytes(bytes([first ^ 1 << (7 - extra)]) + cursor.read(extra), "big")
        if size == (1 << 7 * (extra + 1)) - 1:  # unknown: a stream, up to the end
            return reader.size
        cursor.skip(size)
    return cursor.position


def _flac(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    """Metadata blocks in front of the sound (RFC 9639 section 8); comments are surfaced."""
    cursor = Cursor(reader, budget, 4)
    last = False
    while not last:
        budget.spend_items()
        place = cursor.position
        kind = cursor.u8()
        length = int.from_bytes(cursor.read(3), "big")
        last = bool(kind & 0x80)
        if kind & 0x7F == 4 and length <= _BLOCK_LIMIT:
            budget.spend_bytes(length)
            yield Text(cursor.read(length).decode("utf-8", "replace"), where.at(place), "metadata")
        else:
            cursor.skip(length)


_WALKS: dict[str, Callable[[Reader, Budget], int]] = {
    "wav": _riff,
    "avi": _riff,
    "mp4": _boxes,
    "webm": _elements,
}

FORMAT = Format(
    name="media",
    title="recording",
    matches=_matches,
    inspect=_inspect,
    rules=(TRAILING,),
    suffixes=_SUFFIXES,
)
