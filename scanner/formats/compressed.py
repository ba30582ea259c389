"""Files that are one compressed stream: gzip, bzip2, xz, lzma, zlib, lz4 frames, zstd."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Child, Format, Head, Note, Read
from scanner.model import Coverage, Facts, Location
from scanner.reader import Budget, Reader
from scanner.wire.compression import codec_of

_ENDINGS = {
    ".gz": "", ".tgz": ".tar", ".bz2": "", ".tbz2": ".tar", ".xz": "", ".txz": ".tar", ".lzma": "",
    ".gzip": "", ".z": "", ".zlib": "", ".lz4": "", ".zst": "", ".zstd": "",
}  # fmt: skip
_HEAD = 4096


def _matches(head: Head) -> bool:
    return bool(codec_of(head.data))


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    budget.spend_items()
    codec = codec_of(reader.read_at(0, _HEAD))
    if not codec:
        raise FormatError("this is no stream of a known compression", 0)
    yield Facts("compressed", codec)
    yield Child(_inner_name((where.members or (where.path,))[-1]), reader, codec)
    yield Read(Coverage.WHOLE)


def _inner_name(name: str) -> str:
    """``a.json`` of ``dir/a.json.gz``; a name without such an ending stays what it is."""
    last = name.replace("\\", "/").rpartition("/")[2]
    stem, dot, ending = last.rpartition(".")
    new = _ENDINGS.get(f".{ending.lower()}")
    return f"{stem}{new}" if stem and dot and new is not None else last


FORMAT = Format(
    name="compressed",
    title="compressed stream",
    matches=_matches,
    inspect=_inspect,
    # joblib compresses into files that keep the ending of a pickle.
    suffixes=(*_ENDINGS, ".joblib", ".pkl", ".pickle"),
    spec="RFC 1950, RFC 1952, RFC 8878; the xz and LZ4 frame formats",
)
