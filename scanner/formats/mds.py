"""MosaicML streaming shards (MDS): a table of places, the columns' encodings, then samples.

Source: streaming 0.13, ``format/mds/writer.py`` and ``reader.py``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from scanner.errors import FormatError
from scanner.inspection import Child, Format, Head, Note, Text
from scanner.model import Check, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Cursor, Reader, Window

_SPEC = "https://docs.mosaicml.com/projects/streaming/en/stable/preparing_datasets/dataset_format.html"
_CONFIG = 1 << 20
_COLUMNS = 10_000

PICKLED = Rule(
    id="mds/pickled-column",
    title="A column of the shard is pickles",
    severity=Severity.MEDIUM,
    check=Check.CODE_EXECUTION,
    finds="A column with the encoding `pkl`.",
    why="The streaming library gives each value to `pickle.loads`, where unsafe types are allowed.",
    remedy="Leave `allow_unsafe_types` off, or have the publisher write `json`. Each value was inspected.",
    example='`"column_encodings": ["pkl"]`',
    references=(_SPEC, "CWE-502"),
)


@dataclass(frozen=True, slots=True)
class _Columns:
    """What a shard says of its samples."""

    names: tuple[str, ...]
    encodings: tuple[str, ...]
    sizes: tuple[int | None, ...]


def _matches(head: Head) -> bool:
    data = head.data
    if len(data) < 16:
        return False
    samples = int.from_bytes(data[:4], "little")
    config = 8 + 4 * samples
    first = int.from_bytes(data[4:8], "little")
    if not samples or not config + 2 < first <= min(config + _CONFIG, head.size):
        return False
    if config < len(data):
        return data[config : config + 2] == b'{"'
    places = [int.from_bytes(data[at : at + 4], "little") for at in range(4, len(data) - 3, 4)]
    return places == sorted(places) and head.suffix == ".mds"


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    cursor = Cursor(reader, budget)
    samples = cursor.u32()
    budget.spend_items(samples)
    raw = cursor.read(4 * (samples + 1))
    places = [int.from_bytes(raw[at : at + 4], "little") for at in range(0, len(raw), 4)]
    start = cursor.position
    if places[0] < start or places[0] > start + _CONFIG or places[-1] != reader.size:
        raise FormatError("the places of the samples are not those of this file", 4)
    text = cursor.read(places[0] - start)
    columns = _columns(text, start)
    yield Text(text.decode("utf-8", "replace"), where.at(start), "metadata")
    named = ", ".join(f"{name}: {kind}" for name, kind in zip(columns.names, columns.encodings, strict=True))
    yield Facts("mds", metadata=(("samples", str(samples)), ("columns", named[:2000])))
    pickled = [index for index, kind in enumerate(columns.encodings) if kind == "pkl"]
    for index in pickled:
        name = columns.names[index][:80]
        yield Finding(
            PICKLED, where.at(start), f"the column {name!r} is pickles", evidence=(("column", name),)
        )
    for number, (first, last) in enumerate(pairwise(places)) if pickled else ():
        if last < first:
            raise FormatError(f"sample {number} ends before it begins", first)
        yield from _values(Window(reader, first, last - first), columns, budget, number)


def _columns(text: bytes, start: int) -> _Columns:
    try:
        config: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError("the description of the columns is no JSON", start) from error
    config = config if isinstance(config, dict) else {}
    lists = [config.get(key) for key in ("column_names", "column_encodings", "column_sizes")]
    lengths = {len(found) if isinstance(found, list) else -1 for found in lists}
    if len(lengths) != 1 or not lengths <= set(range(_COLUMNS)):
        raise FormatError("the shard does not say what its columns are", start)
    names, kinds, sizes = (tuple(found) for found in lists if found is not None)
    if not all(isinstance(text, str) for text in (*names, *kinds)):
        raise FormatError("a column has no name or encoding", start)
    if not all(size is None or (type(size) is int and 0 <= size < 1 << 32) for size in sizes):
        raise FormatError("a column has no valid size", start)
    return _Columns(names, kinds, sizes)


def _values(sample: Window, columns: _Columns, budget: Budget, number: int) -> Iterator[Child]:
    """The values of a sample that are pickles."""
    cursor = Cursor(sample, budget)
    # A size of 0 counts as none, as in the library.
    sizes = [size or cursor.u32() for size in columns.sizes]
    for name, kind, size in zip(columns.names, columns.encodings, sizes, strict=True):
        budget.spend_items()
        at = cursor.position
        cursor.skip(size)
        if kind == "pkl":
            yield Child(f"sample {number} {name[:80]}", Window(sample, at, size), read_as="pickle")


FORMAT = Format(
    name="mds",
    title="MDS shard",
    matches=_matches,
    inspect=_inspect,
    rules=(PICKLED,),
    suffixes=(".mds",),
    spec=_SPEC,
)
