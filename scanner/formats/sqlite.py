"""SQLite databases: the header and the schema, row by row; what opening or reading one would run.

Tables and indexes are pages of numbers and texts that no reader interprets; they are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.errors import FormatError
from scanner.inspection import Child, Format, Head, Note, Text
from scanner.model import Check, Facts, Finding, Gap, Location, Rule, Severity
from scanner.reader import Budget, Reader, Window

_MAGIC = b"SQLite format 3\0"
_SPEC = "https://www.sqlite.org/fileformat2.html"

FUNCTION = Rule(
    id="sqlite/dangerous-function",
    title="The schema calls a function that loads code or touches files",
    severity=Severity.HIGH,
    check=Check.CODE_EXECUTION,
    finds="A view, trigger, index, default or check that calls `load_extension`, `fts3_tokenizer`, "
    "`readfile`, `writefile` or `fsdir`.",
    why="It runs as soon as a program reads the view or writes to the table, where the function is there.",
    remedy="Do not query the database, or open it with `trusted_schema` off; export the tables as Parquet.",
    example="`CREATE VIEW rows AS SELECT load_extension('x')`",
    limits="Functions of extensions that are not in this list are not known.",
    references=("CVE-2015-7036", "CWE-829", "https://www.sqlite.org/security.html"),
)
MODULE = Rule(
    id="sqlite/virtual-table",
    title="A table is answered by code of an extension",
    severity=Severity.MEDIUM,
    check=Check.CODE_EXECUTION,
    finds="A virtual table of a module that SQLite and the usual search extensions do not bring.",
    why="Reading the table needs foreign native code; some such modules open files of the machine.",
    remedy="Ask what the module is for, or export the tables as Parquet.",
    example="`CREATE VIRTUAL TABLE t USING csv(filename='…')`",
    references=("CWE-829", "https://www.sqlite.org/vtab.html"),
)
LAYOUT = Rule(
    id="sqlite/trailing-bytes",
    title="Something lies behind the last page",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes behind the pages that the header counts.",
    why="SQLite ignores them; another program may find an archive or a script there.",
    remedy="Write the database again with `VACUUM INTO`. What lies there was inspected as well.",
    example="A zip archive appended to a database.",
    references=(_SPEC, "CWE-646"),
)

_FUNCTIONS = frozenset(("load_extension", "fts3_tokenizer", "readfile", "writefile", "fsdir"))
_MODULES = frozenset(
    (
        *("fts1", "fts2", "fts3", "fts4", "fts5", "fts3tokenize", "fts4aux", "fts5vocab", "rtree"),
        *("rtree_i32", "geopoly", "dbstat", "vec0", "vss0", "spellfix1", "virtualspatialindex"),
    )
)
_TOKEN = re.compile(
    r"""--[^\n]*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?|'(?:[^']|'')*+'?|"(?P<double>(?:[^"]|"")*+)"?|\[(?P<bracket>[^\]]*+)\]?|"""
    r"""`(?P<back>[^`]*+)`?|(?P<word>[^\W\d]\w*+)|\d[\w.]*+|[ \t\r\n\f]++|(?P<other>.)""",
    re.DOTALL,
)
_ENCODINGS = {1: "utf-8", 2: "utf-16-le", 3: "utf-16-be"}
_SQL = 16 << 20
_PAGES = 200_000
_SHOWN = 40
_INTEGERS = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One row of the schema."""

    kind: str
    name: str
    sql: str
    page: int


def _matches(head: Head) -> bool:
    return head.data.startswith(_MAGIC)


class _Database:
    """Pages and the rows of a table's tree."""

    def __init__(self, reader: Reader, budget: Budget) -> None:
        head = reader.read_at(0, 100)
        if len(head) < 100 or not head.startswith(_MAGIC):
            raise FormatError("the header is cut", len(head))
        size = int.from_bytes(head[16:18], "big")
        self.size = 65536 if size == 1 else size
        if self.size < 512 or self.size & (self.size - 1):
            raise FormatError(f"{size} is no page size", 16)
        self.usable = self.size - head[20]
        if self.usable < 480 or head[21:24] != b"\x40\x20\x20":
            raise FormatError("the payload fractions or the reserved space are not SQLite's", 20)
        self.encoding = _ENCODINGS.get(int.from_bytes(head[56:60], "big"), "utf-8")
        counted = int.from_bytes(head[28:32], "big") if head[24:28] == head[92:96] else 0
        self.pages = counted or reader.size // self.size
        self.head = head
        self._reader = reader
        self._budget = budget
        if self.pages * self.size > reader.size:
            raise FormatError(f"{self.pages} pages are declared, the file has {reader.size} bytes", 28)

    def number(self, at: int) -> int:
        """A number of the header."""
        return int.from_bytes(self.head[at : at + 4], "big")

    def page(self, number: int) -> bytes:
        """The bytes of a page, counted from 1."""
        if not 0 < number <= self.pages:
            raise FormatError(f"page {number} is not in the file")
        self._budget.spend_bytes(self.size)
        self._budget.spend_items()
        return self._reader.read_at((number - 1) * self.size, self.size)

    def rows(self) -> Iterator[tuple[bytes, int]]:
        """Every record of the schema's tree, and the page that holds it."""
        pending, seen = [1], set[int]()
        while pending:
            number = pending.pop()
            if number in seen or len(seen) > _PAGES:
                raise FormatError(f"the schema's tree comes back to page {number}", (number - 1) * self.size)
            seen.add(number)
            page, base = self.page(number), 100 if number == 1 else 0
            kind, count = page[base], int.from_bytes(page[base + 3 : base + 5], "big")
            first = base + (12 if kind == 5 else 8)
            if kind not in {5, 13} or first + 2 * count > len(page):
                raise FormatError(f"page {number} is no part of a table", (number - 1) * self.size)
            cells = [int.from_bytes(page[at : at + 2], "big") for at in range(first, first + 2 * count, 2)]
            if kind == 13:
                for cell in cells:
                    yield self._record(page, cell), number
            else:
                children = [int.from_bytes(page[cell : cell + 4], "big") for cell in cells]
                children.append(int.from_bytes(page[base + 8 : base + 12], "big"))
                pending += children[::-1]

    def _record(self, page: bytes, at: int) -> bytes:
        length, at = _varint(page, at)
        _, at = _varint(page, at)
        if length > _SQL:
            raise FormatError(f"a row of the schema has {length} bytes")
        self._budget.spend_bytes(length)
        least = (self.usable - 12) * 32 // 255 - 23
        local = least + (length - least) % (self.usable - 4)
        local = length if length <= self.usable - 35 else local if local <= self.usable - 35 else least
        found = bytearray(page[at : at + local])
        following = int.from_bytes(page[at + local : at + local + 4], "big") if local < length else 0
        while len(found) < length:
            content = self.page(following)
            following = int.from_bytes(content[:4], "big")
            found += content[4 : self.usable][: length - len(found)]
        return bytes(found)

    def entries(self) -> Iterator[_Entry]:
        """The schema."""
        for record, number in self.rows():
            values = _values(record)
            texts = [
                value.decode(self.encoding, "replace") if isinstance(value, bytes) else "" for value in values
            ]
            if len(texts) >= 5:
                yield _Entry(texts[0], texts[1], texts[4], number)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(9):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        if index == 8:
            return value << 8 | byte, at
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at
    raise FormatError("a number is cut")


def _values(record: bytes) -> list[bytes | int | None]:
    """Values of a record; numbers are not read."""
    end, at = _varint(record, 0)
    place, found = end, list[bytes | int | None]()
    while at < min(end, len(record)):
        kind, at = _varint(record, at)
        length = _INTEGERS[kind] if kind < len(_INTEGERS) else (kind - 12) // 2
        if length < 0 or place + length > len(record):
            raise FormatError("a value reaches past its row")
        found.append(record[place : place + length] if kind >= 12 else None)
        place += length
    return found


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    database = _Database(reader, budget)
    names: list[str] = []
    kinds = {"table": 0, "index": 0, "view": 0, "trigger": 0}
    for entry in database.entries():
        place = where.at((entry.page - 1) * database.size)
        kinds[entry.kind] = kinds.get(entry.kind, 0) + 1 if entry.kind in kinds else 0
        if entry.kind == "table":
            names.append(_clean(entry.name))
        if entry.sql:
            yield Text(entry.sql, place, "code")
            yield from _judge(entry, budget, place)
    counted = tuple((f"{kind} entries", str(count)) for kind, count in kinds.items() if count)
    told = (
        ("tables", ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")),
        ("pages", f"{database.pages} of {database.size} bytes, {database.number(36)} free"),
        ("encoding", database.encoding),
        ("application id", f"{database.number(68):#x}" if database.number(68) else ""),
    )
    version = database.number(96)
    written = f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}" if version else ""
    yield Facts("sqlite", written, metadata=(*counted, *((key, value) for key, value in told if value)))
    yield from _trailing(database, reader, where)


def _trailing(database: _Database, reader: Reader, where: Location) -> Iterator[Note]:
    end = database.pages * database.size
    if reader.size > end:
        message = f"{reader.size - end} bytes lie behind the last page"
        evidence = (("trailing", str(reader.size - end)),)
        yield Finding(LAYOUT, where.at(end, reader.size - end), message, evidence=evidence)
        yield Child(f"bytes at {end}", Window(reader, end, reader.size - end))


def _judge(entry: _Entry, budget: Budget, place: Location) -> Iterator[Note]:
    called, module = _calls(entry.sql, budget)
    shown = _clean(entry.name)
    for name in sorted(called & _FUNCTIONS):
        evidence = (("function", name), ("entry", shown))
        yield Finding(FUNCTION, place, f"the {entry.kind[:20]} {shown!r} calls {name}", evidence=evidence)
    if module and module not in _MODULES:
        evidence = (("module", _clean(module)), ("entry", shown))
        yield Finding(
            MODULE, place, f"{shown!r} is a table of the module {_clean(module)}", evidence=evidence
        )
    if len(entry.sql) >= _SQL:
        yield Gap(place, "a row of the schema is too long to be judged")


def _calls(sql: str, budget: Budget) -> tuple[set[str], str]:
    """Names in front of a parenthesis, and the module of a virtual table; quotes and comments do not hide."""
    called: set[str] = set()
    words: list[str] = []
    for match in _TOKEN.finditer(sql):
        budget.spend_items()
        name = match["word"] or match["double"] or match["bracket"] or match["back"]
        if name:
            words = [*words[-12:], name.lower()]
            if len(words) > 1 and words[-2] == "using" and "virtual" in words:
                return called, words[-1]
        elif match["other"]:
            if match["other"] == "(" and words:
                called.add(words[-1])
            words = words if match["other"] == "." else [*words[-12:], ""]
    return called, ""


def _clean(text: str) -> str:
    return text[:80].encode("utf-8", "backslashreplace").decode()


FORMAT = Format(
    name="sqlite",
    title="SQLite database",
    matches=_matches,
    inspect=_inspect,
    rules=(FUNCTION, LAYOUT, MODULE),
    suffixes=(".sqlite", ".sqlite3", ".db3", ".gpkg"),
    spec=_SPEC,
)
