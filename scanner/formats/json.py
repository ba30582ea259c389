"""JSON and JSON Lines: inert data in which readers may still see different things."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import HEAD_BYTES, Child, Format, Head, Note, Read, Text
from scanner.model import Check, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, BytesReader, Reader, read_whole
from scanner.wire import json, keras_config

DUPLICATE_KEY = Rule(
    id="json/duplicate-key",
    title="An object has the same key twice",
    severity=Severity.MEDIUM,
    check=Check.EVASION,
    finds="A key that stands more than once in one JSON object.",
    why="Readers differ in which of the two they take: what a reviewer sees need not be what loads.",
    remedy="Keep one of the two, or ask the publisher which one is meant. Every reading was judged.",
    example='`{"model_type": "bert", "model_type": "other"}`',
    references=("RFC 8259 section 4", "CWE-436"),
)
NOT_A_NUMBER = Rule(
    id="json/not-a-number",
    title="NaN or Infinity stands in JSON",
    severity=Severity.INFO,
    check=Check.BOUNDS,
    finds="`NaN`, `Infinity` or `-Infinity`, which Python writes and JSON does not have.",
    why="Readers other than Python's refuse the file or read another number.",
    remedy="Write `null` or a finite number.",
    example='`{"time_step_limit": [0.0, Infinity]}`',
    references=("RFC 8259 section 6",),
)
ENCODING = Rule(
    id="json/encoding",
    title="The JSON is not plain UTF-8",
    severity=Severity.LOW,
    check=Check.EVASION,
    finds="A byte order mark, or text in UTF-16 or UTF-32.",
    why="Some loaders refuse it, others read it: they do not see the same file.",
    remedy="Save the file as UTF-8 without byte order mark.",
    example="A `config.json` saved as UTF-16.",
    references=("RFC 8259 section 8.1",),
)
_SUFFIXES = (".json", ".jsonl", ".ndjson", ".geojson", ".webmanifest")
_LINES = (".jsonl", ".ndjson")
_SHOWN = b'{"": {"class_name": "__ellipsis__", "config": null},'
_CONTROL = frozenset(range(32)) - {9, 10, 13}


def _matches(head: Head) -> bool:
    if json.looks_like_json(head.data, complete=head.size <= len(head.data)):
        return True
    # What is called JSON and is text has to be read as JSON: where it is not, that is a gap.
    named = head.name.endswith(_SUFFIXES) and head.size > 0
    return named and (json.plain_head(head.data) != b"" or _CONTROL.isdisjoint(head.data))


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    name = (where.members or (where.path,))[-1].lower()
    if reader.size > json.WHOLE_LIMIT:
        # Bulk data: what a person could have hidden in it is read as text by the text format.
        yield from _beginning(reader, budget)
        return
    raw = read_whole(reader, budget, json.WHOLE_LIMIT)
    document = _parse(raw, lines=name.endswith(_LINES))
    budget.spend_items(len(raw) // 16)
    yield from _oddities(document, where)
    for value, line in json.escaped_strings(document.text):
        yield Text(value, where.at(line=line), "string")
    late = _late_object(document)
    if late:
        yield Child("configuration", BytesReader(late), read_as="keras-config")
    yield Facts("json")
    yield Read(Coverage.WHOLE)


def _late_object(document: json.Document) -> bytes:
    """A serialised Keras object whose keys do not show in its beginning, with an object that shows them.

    Keras goes by the keys, wherever they stand; identification sees the first 4 KiB.
    """
    value = document.value
    if not isinstance(value, dict) or not {"class_name", "config"} <= value.keys():
        return b""
    text = document.text.removeprefix("\ufeff").lstrip()
    raw = text.encode("utf-8", "surrogatepass")
    return b"" if keras_config.shows(raw[:HEAD_BYTES]) else _SHOWN + raw[1:]


def _parse(raw: bytes, *, lines: bool) -> json.Document:
    if not lines:
        try:
            return json.parse(raw)
        except FormatError as error:
            if not error.reason.startswith("Extra data"):
                raise
            text, _ = json.decode(raw)
            try:
                return json.parse_lines(text)
            except FormatError:
                raise error from None
    text, _ = json.decode(raw)
    return json.parse_lines(text)


def _beginning(reader: Reader, budget: Budget) -> Iterator[Note]:
    budget.spend_bytes(1 << 20)
    first = reader.read_at(0, 1 << 20)
    if not json.looks_like_json(first, complete=False):
        raise FormatError("does not consist of JSON tokens", 0)
    yield Facts("json")
    yield Read(Coverage.SAMPLED)


def _oddities(document: json.Document, where: Location) -> Iterator[Finding]:
    for key in document.doubled[:20]:
        shown = json.shown(key)
        yield Finding(DUPLICATE_KEY, where, f"an object names {shown!r} twice", evidence=(("key", shown),))
    if document.constants:
        names = ", ".join(sorted(document.constants))
        yield Finding(NOT_A_NUMBER, where, f"has {names}", evidence=(("numbers", names),))
    if document.encoding != "utf-8":
        name = {"utf-8-sig": "UTF-8 with a byte order mark"}.get(document.encoding, document.encoding.upper())
        yield Finding(ENCODING, where, f"is {name}", evidence=(("encoding", document.encoding),))


FORMAT = Format(
    name="json",
    title="JSON",
    matches=_matches,
    inspect=_inspect,
    rules=(DUPLICATE_KEY, NOT_A_NUMBER, ENCODING),
    suffixes=_SUFFIXES,
    within=("text",),
    spec="RFC 8259",
)
