"""JSON as its readers take it: duplicate keys kept, encodings and odd numbers named, nesting bounded.

The text is read by the standard library's parser, which differs from other readers in what it lets
through: duplicate keys (RFC 8259 section 4), NaN and Infinity (section 6), byte order marks and UTF-16
(section 8.1). All of that is kept, so that whoever judges a document can judge every reading of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from scanner.errors import FormatError

DEPTH = 200
"""Deepest nesting that is read; the usual libraries stop between 128 and 1000."""
WHOLE_LIMIT = 64 << 20
"""Largest document that is parsed in one piece, in bytes."""

Route = tuple[Any, ...]
"""Linked list of keys from the innermost out: ``("b", ("a", ()))`` is ``/a/b``."""

_SPACE = b" \t\r\n"
_TOKENS = re.compile(
    rb'(?:[ \t\r\n]++|"(?:[^"\\\x00-\x1f]++|\\.)*+"|-?\d[\d.eE+-]*+|[\[\]{},:]|true|false|null|NaN|'
    rb"-?Infinity)*+"
)
_TORN = re.compile(rb'"|-?[A-Za-z]{1,8}\Z|-\Z')
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"')
_WORTH_READING = re.compile("[\u200b-\u200f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]|.{20}", re.DOTALL)
_SKIP = re.compile(r"[ \t\r\n]*+")
_SCANNER = json.JSONDecoder(object_pairs_hook=lambda _: None)


class Doubled(dict[str, Any]):
    """An object in which a key stands more than once; as a dict it holds the last of each."""

    __slots__ = ("earlier",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        last = {key: index for index, (key, _) in enumerate(pairs)}
        self.earlier = tuple(pair for index, pair in enumerate(pairs) if last[pair[0]] != index)
        """What readers that take another occurrence see, in file order."""


@dataclass(slots=True)
class Document:
    """One JSON document and what is unusual about it."""

    value: Any
    text: str
    encoding: str
    doubled: tuple[str, ...] = ()
    """Keys that stand more than once in one object."""
    constants: tuple[str, ...] = ()
    """``NaN``, ``Infinity`` and ``-Infinity``, which the grammar does not have."""
    tables: tuple[dict[str, Any], ...] = ()
    """Every object in the document, also below repeated keys, innermost first."""


def plain_head(data: bytes) -> bytes:
    """The head of a file in UTF-8 without byte order mark, if it can be JSON; otherwise nothing."""
    if len(data) > 3 and (data[0] in b"\x00\xef\xfe\xff" or not data[1]):
        data = data.decode(json.detect_encoding(data), "ignore").encode("utf-8", "ignore")
    start = data[:1]
    if start in _SPACE:
        start = data.lstrip(_SPACE)[:1]
    return data if start in {b"{", b"["} else b""


def looks_like_json(data: bytes, *, complete: bool) -> bool:
    """Whether the head of a file is JSON, or JSON Lines, as far as it goes.

    What is cut in the middle and complete is not: only its name could say that it should have been.
    """
    head = plain_head(data)
    matched = _TOKENS.match(head)
    if not head or not matched:
        return False
    if not complete:
        return matched.end() == len(head) or _TORN.match(head, matched.end()) is not None
    return matched.end() == len(head) and any(_parses(part) for part in (head, head.strip().split(b"\n")[0]))


def _parses(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def decode(raw: bytes) -> tuple[str, str]:
    """Text and encoding (``utf-8``, ``utf-8-sig``, ``utf-16`` …) of a JSON file.

    Raises:
        FormatError: The bytes are not text in the encoding that they begin with.
    """
    encoding = json.detect_encoding(raw)
    try:
        return raw.decode(encoding), encoding
    except UnicodeDecodeError as error:
        raise FormatError(f"is not valid {encoding.upper()}", error.start) from error


@dataclass(slots=True)
class _Reading:
    tables: list[dict[str, Any]] = field(default_factory=list)
    doubled: dict[str, None] = field(default_factory=dict)
    constants: dict[str, None] = field(default_factory=dict)

    def table(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            table = kept = Doubled(pairs)
            self.doubled.update(dict.fromkeys(key for key, _ in kept.earlier))
        self.tables.append(table)
        return table

    def constant(self, name: str) -> float:
        self.constants[name] = None
        return float(name.replace("Infinity", "inf"))

    def parse(self, text: str) -> Any:
        try:
            return json.loads(text, object_pairs_hook=self.table, parse_constant=self.constant)
        except json.JSONDecodeError as error:
            offset = len(text[: error.pos].encode("utf-8", "surrogatepass"))
            raise FormatError(f"{error.msg} in line {error.lineno}", offset) from error
        except ValueError as error:
            raise FormatError("a number has thousands of digits") from error
        except RecursionError as error:
            raise FormatError(f"nested more than {DEPTH} deep") from error


def parse(raw: bytes) -> Document:
    """Read one document.

    Raises:
        FormatError: It is not JSON, is nested more than :data:`DEPTH` deep, or has a number of more than
            4300 digits.
    """
    text, encoding = decode(raw)
    reading = _Reading()
    value = reading.parse(text.removeprefix("\ufeff"))
    _check_depth(value)
    doubled, constants = tuple(reading.doubled), tuple(reading.constants)
    return Document(value, text, encoding, doubled, constants, tuple(reading.tables))


def parse_lines(text: str) -> Document:
    """Read JSON Lines, one document a line; the values are dropped as soon as they are read.

    Raises:
        FormatError: A line is no JSON document.
    """
    reading = _Reading()
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if line and not line.isspace():
            try:
                _check_depth(reading.parse(line))
            except FormatError as error:
                raise FormatError(f"line {number} of JSON Lines: {error.reason}") from error
            reading.tables.clear()
    return Document(None, text, "utf-8", tuple(reading.doubled), tuple(reading.constants))


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEPTH:
            raise FormatError(f"nested more than {DEPTH} deep")
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (members(outer) if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]


def members(table: dict[str, Any]) -> Iterator[Any]:
    """Every value of an object, those of repeated keys included."""
    yield from table.values()
    if isinstance(table, Doubled):
        yield from (value for _, value in table.earlier)


def every(table: dict[str, Any], key: str) -> list[Any]:
    """Every value that some reader finds under a key: none, one, or more where the key is repeated."""
    found = [table[key]] if key in table else []
    if isinstance(table, Doubled):
        found += [value for name, value in table.earlier if name == key]
    return found


def route_to(document: Document, table: dict[str, Any]) -> Route:
    """Where one of the document's tables stands; the walk that only findings need."""
    pending: list[tuple[Route, Any]] = [((), document.value)]
    while pending:
        route, found = pending.pop()
        if found is table:
            return route
        if isinstance(found, dict):
            pairs = [*found.items(), *(found.earlier if isinstance(found, Doubled) else ())]
            pending += [((k, route), v) for k, v in pairs if isinstance(v, dict | list)]
        else:
            pending += [((k, route), v) for k, v in enumerate(found) if isinstance(v, dict | list)]
    return ()


def routes(document: Document) -> dict[int, Route]:
    """Where each of the document's tables stands, by ``id``; one walk for whoever asks for many."""
    found: dict[int, Route] = {}
    pending: list[tuple[Route, Any]] = [((), document.value)]
    while pending:
        route, value = pending.pop()
        pairs: Any = enumerate(value) if isinstance(value, list) else ()
        if isinstance(value, dict):
            found[id(value)] = route
            pairs = [*value.items(), *(value.earlier if isinstance(value, Doubled) else ())]
        pending += [((key, route), inner) for key, inner in pairs if isinstance(inner, dict | list)]
    return found


def keys_of(route: Route) -> list[str | int]:
    """The keys of a route, outermost first."""
    keys = []
    while route:
        keys.append(route[0])
        route = route[1]
    return keys[::-1]


def pointer(route: Route) -> str:
    """The route as a JSON pointer (RFC 6901)."""
    return "".join(f"/{str(key).replace('~', '~0').replace('/', '~1')}" for key in keys_of(route))


def line_of(document: Document, route: Route) -> int | None:
    """1-based line of the first value at a route; ``None`` where it is not found."""
    text, at = document.text, _skip(document.text, 1 if document.text[:1] == "\ufeff" else 0)
    for wanted in keys_of(route):
        entered = _enter(text, at, wanted)
        if entered is None:
            return None
        at = entered
    return text.count("\n", 0, at) + 1


def _skip(text: str, at: int) -> int:
    matched = _SKIP.match(text, at)
    return matched.end() if matched else at


def _enter(text: str, at: int, wanted: str | int) -> int | None:
    """Where the value under a key or an index begins, in an object or array that begins at ``at``."""
    index = 0
    at = _skip(text, at + 1)
    while text[at : at + 1] not in {"}", "]", ""}:
        key: str | int = index
        if isinstance(wanted, str):
            key, at = _SCANNER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        if key == wanted:
            return at
        _, at = _SCANNER.raw_decode(text, at)
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        index += 1
    return None


def escaped_strings(text: str) -> Iterator[tuple[str, int]]:
    """Strings that look different once their escapes of code points are read, with their lines.

    Only those in which something can hide: 20 characters or more, or invisible ones.
    """
    if "\\u" not in text:
        return
    line, counted = 1, 0
    for match in _STRING.finditer(text):
        if "\\u" in match[0]:
            value = json.loads(match[0], strict=False)
            if _WORTH_READING.search(value):
                line += text.count("\n", counted, match.start())
                counted = match.start()
                yield value, line


def shown(value: object, limit: int = 200) -> str:
    """A value for messages, evidence and claims: lone surrogates escaped, cut at ``limit`` characters."""
    return str(value)[:limit].encode("utf-8", "backslashreplace").decode()
