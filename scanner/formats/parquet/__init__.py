"""Parquet: tables by column. The footer says what lies where; the pages themselves are not expanded.

Read from its end, in two or three ranges whatever its size: the pages are skipped by their declared length.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

from scanner.errors import FormatError
from scanner.formats.parquet.footer import Column, Footer, read
from scanner.formats.parquet.layout import Layout
from scanner.formats.parquet.rules import COUNTS, PATH_ESCAPE, RULES, SPEC
from scanner.inspection import Child, Format, Head, Note, Text
from scanner.model import Claim, Claimed, Facts, Finding, Gap, Location
from scanner.reader import Budget, BytesReader, Reader
from scanner.wire.paths import escape

_MAGICS = frozenset((b"PAR1", b"PARE"))
_TAIL = 64 << 10
_FOOTER_LIMIT = 256 << 20
_FILES = 1000
_COLUMNS = 40
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CONTROL = re.compile("[\0-\x08\x0e-\x1f]")


def _matches(head: Head) -> bool:
    if head.data[:4] in _MAGICS:
        return True
    # Readers go by the end alone: a file with something in front of its columns is a table as well.
    tail = head.tail
    if tail[-4:] not in _MAGICS or head.size < 12:
        return False
    length = int.from_bytes(tail[-8:-4], "little")
    return 0 < length <= head.size - 8


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    data, start, magic = _footer(reader, budget)
    if magic == b"PARE":
        yield Facts("parquet", metadata=(("encrypted", "footer and columns"),))
        yield Gap(where.at(start), "the footer is encrypted")
        return
    footer = Footer()
    layout = Layout(reader, budget, 4 if reader.read_at(0, 4) in _MAGICS else 0, start)
    codecs: dict[str, None] = {}
    files: dict[str, None] = {}
    packed, encrypted = 0, 0
    for chunk in read(data, budget, start, footer):
        packed += max(chunk.length, 0)
        encrypted += chunk.encrypted
        codecs.setdefault(chunk.codec)
        if chunk.path:
            files.setdefault(chunk.path)
        elif not chunk.encrypted:
            layout.add(chunk)
    yield from _external(tuple(files)[:_FILES], where)
    yield from _texts(footer, where.at(start, len(data)))
    yield _facts(footer, packed, tuple(codecs), tuple(files)[:_FILES])
    if footer.rows != footer.group_rows and footer.groups:
        message = f"{footer.rows} rows are declared, the row groups have {footer.group_rows}"
        evidence = (("rows", str(footer.rows)), ("groups", str(footer.group_rows)))
        yield Finding(COUNTS, where.at(start), message, evidence=evidence)
    if encrypted or footer.encrypted:
        yield Gap(where.at(start), f"{encrypted or 'all'} column chunks are encrypted")
    else:
        yield from layout.judge(where)


def _footer(reader: Reader, budget: Budget) -> tuple[bytes, int, bytes]:
    """The footer's bytes, where they begin, and the magic behind them."""
    first = max(reader.size - _TAIL, 0)
    tail = reader.read_at(first, reader.size - first)
    magic, length = tail[-4:], int.from_bytes(tail[-8:-4], "little")
    if len(tail) < min(_TAIL, reader.size) or reader.size < 12 or magic not in _MAGICS:
        raise FormatError("does not end with the footer's length and PAR1", max(reader.size - 4, 0))
    start = reader.size - 8 - length
    if start < 0 or length > _FOOTER_LIMIT:
        message = f"a footer of {length} bytes is declared, the file has {reader.size}"
        raise FormatError(message, reader.size - 8)
    budget.spend_bytes(length)
    # What is at hand is not asked for again: over HTTP these are the bytes that identified the file.
    front = reader.read_at(start, first - start) if start < first else b""
    data = front + tail[max(start - first, 0) : -8]
    if len(data) < length:
        raise FormatError("the data ends early", start + len(data))
    return data, start, magic


def _external(files: tuple[str, ...], where: Location) -> Iterator[Finding]:
    for path in files:
        how = "is an address" if _ADDRESS.match(path) else escape(path)
        if how:
            shown = _clean(path, 200)
            message = f"a column lies in {shown!r}, which {how}"
            yield Finding(PATH_ESCAPE, where, message, evidence=(("path", shown),))


def _texts(footer: Footer, where: Location) -> Iterator[Note]:
    """Key-value metadata: texts are read as such, anything else is looked at on its own."""
    for key, value in footer.metadata:
        if key == "ARROW:schema":
            yield from _arrow_schema(value, where)
            continue
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            text = "\0"
        if _CONTROL.search(text):
            yield Child(f"metadata {_clean(key, 80)}", BytesReader(value))
        else:
            yield Text(text, where, "metadata")
    if footer.created_by:
        yield Text(footer.created_by, where, "metadata")


def _arrow_schema(value: bytes, where: Location) -> Iterator[Note]:
    """The schema that Arrow reads in the place of Parquet's own, extension types included."""
    try:
        message = base64.b64decode(value, validate=True)
    except ValueError:
        yield Gap(where, "the schema for Arrow is no base64")
        return
    yield Child("ARROW:schema", BytesReader(message), read_as="arrow")


def _facts(footer: Footer, packed: int, codecs: tuple[str, ...], files: tuple[str, ...]) -> Facts:
    leaves = [column for column in footer.columns[1:] if not column.children]
    shown = [
        ("rows", str(footer.rows)),
        ("columns", str(len(leaves))),
        ("row groups", str(footer.groups)),
        ("bytes", f"{packed} stored, {footer.unpacked} unpacked"),
        ("codecs", ", ".join(sorted(codecs))),
        ("schema", _schema(leaves)),
        ("features", _features(dict(footer.metadata).get("huggingface", b""))),
        ("metadata keys", ", ".join(_clean(key, 80) for key, _ in footer.metadata[:_COLUMNS])),
    ]
    claims = (Claim(Claimed.PRODUCER, _clean(footer.created_by, 200), "created_by"),)
    return Facts(
        "parquet",
        str(footer.version),
        claims=claims if footer.created_by else (),
        external_files=tuple(_clean(path, 400) for path in files),
        metadata=tuple((key, value) for key, value in shown if value),
    )


def _schema(leaves: list[Column]) -> str:
    named = ", ".join(f"{_clean(column.name, 80)}: {column.kind}" for column in leaves[:_COLUMNS])
    return named + (", …" if len(leaves) > _COLUMNS else "")


def _features(raw: bytes) -> str:
    """Column and type (``image: Image``), as the datasets library writes them into the footer."""
    try:
        found: Any = json.loads(raw)
    except (ValueError, RecursionError):
        return ""
    info = found.get("info") if isinstance(found, dict) else None
    features = info.get("features") if isinstance(info, dict) else None
    if not isinstance(features, dict):
        return ""
    pairs = [(name, kind.get("_type", "")) for name, kind in features.items() if isinstance(kind, dict)]
    return ", ".join(_clean(f"{name}: {kind}", 120) for name, kind in pairs[:_COLUMNS])


def _clean(text: str, limit: int) -> str:
    """The text cut, with lone surrogates escaped."""
    return text[:limit].encode("utf-8", "backslashreplace").decode()


FORMAT = Format(
    name="parquet",
    title="Parquet table",
    matches=_matches,
    inspect=_inspect,
    rules=RULES,
    suffixes=(".parquet", ".pq"),
    spec=SPEC,
)
