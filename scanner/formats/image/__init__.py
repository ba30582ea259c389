"""Pictures: PNG, JPEG, GIF, WebP, BMP, TIFF and icons, walked to their end; what follows is looked at."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.formats.image.blocks import bmp, gif, ico, tiff, webp
from scanner.formats.image.jpeg import jpeg
from scanner.formats.image.png import png
from scanner.inspection import Child, Format, Head, Note, Read
from scanner.model import Check, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader, Window

TRAILING = Rule(
    id="image/trailing-bytes",
    title="Something lies behind the picture",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes behind the end of a picture, other than padding.",
    why="A viewer shows the picture, another program finds an archive, a script or a pickle in the file.",
    remedy="Save the picture again without the rest, or refuse it. What lies there is inspected as well.",
    example="A zip archive appended to a PNG.",
    limits="TIFF says nowhere where it ends. Pictures that a camera appended to a JPEG and declared in it "
    "(multi-picture format) are not reported. Unknown chunks inside a picture are not looked at.",
    references=("CWE-646",),
)

_WALKS = {"png": png, "jpeg": jpeg, "gif": gif, "webp": webp, "bmp": bmp, "tiff": tiff, "ico": ico}
_STRAY = 16  # old writers leave a few bytes; nothing that runs fits in
_PADDING = 64 << 10
_BMP_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})
_FIRST = frozenset({b"\x89P", b"\xff\xd8", b"GI", b"RI", b"BM", b"II", b"MM", b"\0\0"})


def _kind(data: bytes, size: int) -> str:
    """Which picture begins with these bytes, or an empty string."""
    if data[:2] not in _FIRST:
        return ""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[:6] in {b"GIF87a", b"GIF89a"}:
        return "gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS and not any(data[6:10]):
        return "bmp"
    if data[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
        return "tiff"
    return "ico" if _is_icon(data, size) else ""


def _is_icon(data: bytes, size: int) -> bool:
    """ICO and CUR: a table of pictures, each of which has to lie inside the file."""
    count = int.from_bytes(data[4:6], "little")
    if data[:4] not in {b"\0\0\1\0", b"\0\0\2\0"} or not 1 <= count <= 256 or len(data) < 22:
        return False
    length, offset = int.from_bytes(data[14:18], "little"), int.from_bytes(data[18:22], "little")
    return data[9] == 0 and offset >= 6 + 16 * count and 0 < length <= size - offset


def _matches(head: Head) -> bool:
    return _kind(head.data, head.size) != ""


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    kind = _kind(reader.read_at(0, 64), reader.size)
    if not kind:
        raise FormatError("is no picture that is known", 0)
    yield Facts("image", kind)
    end = yield from _WALKS[kind](reader, budget, where)
    yield Read(Coverage.STRUCTURE)
    if end is None or end >= reader.size:
        return
    rest = Window(reader, end, reader.size - end)
    if rest.size <= _STRAY or (rest.size <= _PADDING and not rest.read_at(0, rest.size).strip(b"\0\r\n ")):
        return
    evidence = (("trailing", str(rest.size)),)
    yield Finding(TRAILING, where.at(end), f"{rest.size} bytes lie behind the picture", evidence=evidence)
    yield Child(f"bytes at {end}", rest)


FORMAT = Format(
    name="image",
    title="picture",
    matches=_matches,
    inspect=_inspect,
    rules=(TRAILING,),
    suffixes=(".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ico", ".cur"),
)
