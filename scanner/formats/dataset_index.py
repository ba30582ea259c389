"""Descriptions of data sets in JSON: Zarr arrays, indices of MDS shards, what the datasets library notes.

They say which decoder a loader gives the data to, and where the data come from.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Read
from scanner.model import Check, Claim, Claimed, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Cursor, Reader, read_whole
from scanner.wire import json
from scanner.wire.paths import escape

_ZARR = "https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html"
_POISONING = "arXiv:2302.10149"

PICKLED = Rule(
    id="dataset-index/pickled-data",
    title="The data are pickles that the loader unpickles",
    severity=Severity.HIGH,
    check=Check.CODE_EXECUTION,
    finds="An array of Zarr whose filters or compressor are the codec `pickle`.",
    why="Zarr gives each chunk to `pickle.loads` as soon as it is read.",
    remedy="Do not open the array; ask for a numeric type, or for the codecs `vlen-utf8` or `json2`.",
    example='`"filters": [{"id": "pickle", "protocol": 5}]`',
    limits="What the chunks do is not known: they are not expanded here.",
    references=(_ZARR, "CWE-502"),
)
SHARDS = Rule(
    id="dataset-index/pickled-column",
    title="Columns of the shards are pickles",
    severity=Severity.MEDIUM,
    check=Check.CODE_EXECUTION,
    finds="An index of MDS shards with the encoding `pkl`.",
    why="The streaming library gives each value to `pickle.loads`, where unsafe types are allowed.",
    remedy="Leave `allow_unsafe_types` off, or have the publisher write `json`.",
    example='`"column_encodings": ["pkl"]`',
    limits="Values are inspected in shards that say the same and are not compressed.",
    references=("https://docs.mosaicml.com/projects/streaming", "CWE-502"),
)
PLAIN = Rule(
    id="dataset-index/plain-http",
    title="Data are fetched without encryption",
    severity=Severity.LOW,
    check=Check.NO_HASH,
    finds="Addresses that begin with `http://` or `ftp://`, from which a description has data fetched.",
    why="Anybody on the way can change what is trained on.",
    remedy="Fetch over https, and hold the files against a digest.",
    example='`"contentUrl": "http://host/data.zip"`',
    references=("CWE-319",),
)
UNPINNED = Rule(
    id="dataset-index/no-digest",
    title="Data are fetched without a digest",
    severity=Severity.LOW,
    check=Check.NO_HASH,
    finds="Files at an address for which a Croissant description has neither `sha256` nor `md5`.",
    why="Whoever gets hold of the host later decides what is trained on.",
    remedy="Ask the publisher for digests, or keep your own copy.",
    example="A `FileObject` with a `contentUrl` and no `sha256`",
    references=(_POISONING, "CWE-494"),
)

OUTSIDE = Rule(
    id="dataset-index/path-escape",
    title="The data set takes a file from outside its folder",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="A `file_name` in a `metadata.jsonl` that is absolute, names a drive or climbs out with `..`.",
    why="Loaders of folders with pictures or sounds open the file and make it part of the data.",
    remedy="Refuse the data set.",
    example='`{"file_name": "../../../.ssh/id_rsa"}`',
    references=("CWE-22", "https://huggingface.co/docs/datasets/image_dataset"),
)

_MARKS = (b'"zarr_format"', b'"column_encodings"', b"mlcommons.org/croissant", b'"download_checksums"')
_NAMES = frozenset(
    (".zarray", ".zmetadata", "zarr.json", "dataset_info.json", "dataset_infos.json", "metadata.jsonl")
)
_HEX = re.compile("[0-9A-Fa-f]{32,128}")
_ADDRESS = re.compile(r"[A-Za-z][\w+.-]*://(?:[^/?#\\@]*@)?\[?(?P<host>[^/?#\\@\]:]+)")
_SHOWN = 20
_LISTED = "metadata.jsonl"
_FILES = re.compile(r"(?:.*_)?file_names?")
_STEP = 1 << 20
_LINE = 16 << 20


def _matches(head: Head) -> bool:
    data = json.plain_head(head.data)
    if not data or not (head.name in _NAMES or any(mark in data for mark in _MARKS)):
        return False
    return json.looks_like_json(head.data, complete=head.size <= len(head.data))


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    if (where.members or (where.path,))[-1].lower().rpartition("/")[2] == _LISTED:
        yield from _files(reader, budget, where)
        return
    raw = read_whole(reader, budget, json.WHOLE_LIMIT)
    document = json.parse(raw)
    budget.spend_items(len(raw) // 16)
    told: dict[str, str] = {}
    claims: list[Claim] = []
    addresses: list[tuple[str, bool]] = []
    for table in document.tables:
        budget.spend_items()
        for finding in _codecs(table, where):
            line = json.line_of(document, json.route_to(document, table))
            yield Finding(finding.rule, where.at(line=line), finding.message, evidence=finding.evidence)
        addresses += _addresses(table)
        told |= _described(table)
    if isinstance(document.value, dict):
        claims += _claims(document.value)
    yield from _judge(addresses, where)
    hosts = Counter(_host(address) for address, _ in addresses)
    told["hosts"] = ", ".join(f"{host} ({count})" for host, count in hosts.most_common(_SHOWN) if host)
    metadata = tuple((key, json.shown(value, 2000)) for key, value in told.items() if value)
    yield Facts("dataset-index", _version(document.value), claims=tuple(claims), metadata=metadata)
    yield Read(Coverage.WHOLE)


def _files(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    """Names of pictures or sounds, one row of JSON a line; the format ``json`` says where a line is none."""
    cursor = Cursor(reader, budget)
    rows, shown, rest = 0, 0, b""
    while cursor.left:
        lines = (rest + cursor.read(min(_STEP, cursor.left))).split(b"\n")
        rest = lines.pop() if cursor.left else b""
        if len(rest) > _LINE:
            raise FormatError(f"a row has more than {_LINE} bytes", cursor.position)
        for line in lines:
            rows += bool(line.strip())
            budget.spend_items()
            for name in _named(line):
                how = escape(name)
                if how and shown < _SHOWN:
                    shown += 1
                    text = json.shown(name)
                    message = f"the file {text!r} {how}"
                    yield Finding(OUTSIDE, where.at(line=rows), message, evidence=(("file", text),))
    yield Facts("dataset-index", metadata=(("rows", str(rows)),))
    yield Read(Coverage.WHOLE)


def _named(line: bytes) -> list[str]:
    """The files that a row names, also below repeated keys."""
    if b"file_name" not in line and b"\\u" not in line:
        return []
    try:
        tables = json.parse(line).tables
    except FormatError:
        return []
    found = [
        value for row in tables for key in row if _FILES.fullmatch(key) for value in json.every(row, key)
    ]
    names = [name for value in found for name in (value if isinstance(value, list) else [value])]
    return [name for name in names if isinstance(name, str)]


def _version(value: Any) -> str:
    """``zarr 2`` or ``zarr 3`` for the description of an array, below which its chunks lie."""
    number = str(value.get("zarr_format")) if isinstance(value, dict) and "shape" in value else ""
    return f"zarr {number}" if number in {"2", "3"} else ""


def _host(address: str) -> str:
    """The host of an address, without user, port and brackets; empty where it has none."""
    match = _ADDRESS.match(address)
    return match["host"].lower() if match else ""


def _codecs(table: dict[str, Any], where: Location) -> Iterator[Finding]:
    """Codecs of an array (version 2), a chain of codecs (version 3), encodings of shards."""
    for key in ("filters", "codecs", "compressor", "object_codec"):
        for value in json.every(table, key):
            for codec in value if isinstance(value, list) else [value]:
                if isinstance(codec, dict) and _is_pickle(codec):
                    message = f"an array's {key} unpickle its chunks"
                    yield Finding(PICKLED, where, message, evidence=(("key", key),))
    for value in json.every(table, "column_encodings"):
        listed = table.get("column_names")
        names: list[Any] = listed if isinstance(listed, list) else []
        for index, kind in enumerate(value) if isinstance(value, list) else ():
            if kind == "pkl":
                name = json.shown(names[index] if index < len(names) else index, 80)
                yield Finding(SHARDS, where, f"the column {name} is pickles", evidence=(("column", name),))


def _is_pickle(codec: dict[str, Any]) -> bool:
    named = [*json.every(codec, "id"), *json.every(codec, "name")]
    return any(isinstance(name, str) and name.rpartition(".")[2] == "pickle" for name in named)


def _addresses(table: dict[str, Any]) -> list[tuple[str, bool]]:
    """Addresses that data are fetched from, and whether a digest stands beside them."""
    found = []
    pinned = any(_is_digest(table.get(key)) for key in ("sha256", "md5", "sc:sha256", "sc:md5"))
    if str(table.get("encodingFormat", "")).startswith("git+"):
        return []  # a repository, whose files are listed on their own
    for key in ("contentUrl", "sc:contentUrl"):
        found += [(value, pinned) for value in json.every(table, key) if isinstance(value, str)]
    for sums in json.every(table, "download_checksums"):
        entries = sums.items() if isinstance(sums, dict) else ()
        found += [
            (url, isinstance(entry, dict) and _is_digest(entry.get("checksum"))) for url, entry in entries
        ]
    return [(address, kept) for address, kept in found if "://" in address]


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _judge(addresses: list[tuple[str, bool]], where: Location) -> Iterator[Finding]:
    plain = [address for address, _ in addresses if address.lower().startswith(("http://", "ftp://"))]
    if plain:
        message = f"{len(plain)} addresses without encryption, for example {json.shown(plain[0], 120)}"
        yield Finding(PLAIN, where, message, evidence=(("first", json.shown(plain[0])),))
    unpinned = [address for address, pinned in addresses if not pinned]
    if unpinned:
        message = f"{len(unpinned)} addresses without a digest, for example {json.shown(unpinned[0], 120)}"
        yield Finding(UNPINNED, where, message, evidence=(("first", json.shown(unpinned[0])),))


def _described(table: dict[str, Any]) -> dict[str, str]:
    """What helps a person: features, splits, shape and type of an array, number of shards."""
    found: dict[str, str] = {}
    features, splits, shards = table.get("features"), table.get("splits"), table.get("shards")
    if isinstance(features, dict):
        kinds = {name: kind.get("_type", "") for name, kind in features.items() if isinstance(kind, dict)}
        found["features"] = ", ".join(
            f"{name}: {kind}" for name, kind in list(kinds.items())[:_SHOWN] if kind
        )
    if isinstance(splits, dict):
        counts = {key: value.get("num_examples") for key, value in splits.items() if isinstance(value, dict)}
        found["splits"] = ", ".join(f"{name}: {count}" for name, count in list(counts.items())[:_SHOWN])
    if isinstance(shards, list):
        found["shards"] = str(len(shards))
    if "zarr_format" in table and "shape" in table:
        found["array"] = f"{table['shape']} of {table.get('dtype', table.get('data_type'))}"
    return found


def _claims(value: dict[str, Any]) -> Iterator[Claim]:
    for key, what in (
        ("license", Claimed.LICENCE),
        ("description", Claimed.DESCRIPTION),
        ("name", Claimed.NAME),
    ):
        text = value.get(key)
        if isinstance(text, str) and text and ("@context" in value or key == "license"):
            yield Claim(what, json.shown(text, 400), f"/{key}")


FORMAT = Format(
    name="dataset-index",
    title="data set description",
    matches=_matches,
    inspect=_inspect,
    rules=(OUTSIDE, PICKLED, SHARDS, PLAIN, UNPINNED),
    within=("json", "text"),
    spec="https://docs.mlcommons.org/croissant/docs/croissant-spec.html",
)
