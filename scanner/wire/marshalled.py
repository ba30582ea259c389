"""Marshalled Python code objects: the names in them, read without unmarshalling anything.

The grammar is that of CPython's ``Python/marshal.c``. What a code object consists of changed with 3.0, 3.8
and 3.11; each layout is tried until one of them reads to the end.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scanner.errors import FormatError
from scanner.reader import Budget, BytesReader, Cursor

_DEPTH = 64
_ITEMS = 200_000
_FLAG_REF = 0x80
_WIDTHS = {**dict.fromkeys("NFTS.0", 0), "i": 4, "I": 8, "g": 8, "y": 16}
"""Bytes of values that are skipped, by type."""
_TEXTS = frozenset("sutaAzZ")
_SEQUENCES = frozenset("([<>):")


@dataclass(frozen=True, slots=True)
class _Layout:
    """What follows the type byte of a code object."""

    numbers: int
    parts: tuple[str, ...]


_OLD = ("code", "consts", "names", "varnames", "freevars", "cellvars", "filename", "name", "line", "lnotab")
_NEW = (
    "code", "consts", "names", "localsplusnames", "kinds", "filename", "name", "qualname", "line",
    "linetable", "exceptiontable",
)  # fmt: skip
_LAYOUTS = (_Layout(5, _NEW), _Layout(6, _OLD), _Layout(5, _OLD), _Layout(4, _OLD))


def names_in(data: bytes) -> list[str]:
    """Global names and attributes that a function's code uses, and its short constant texts, in file order.

    Those of functions within it are included.

    Raises:
        FormatError: This is no code object of any version of Python.
    """
    for layout in _LAYOUTS:
        reading = _Reading(Cursor(BytesReader(data), Budget()), layout)
        try:
            if not data or data[0] & 0x7F != 0x63:
                break
            reading.value()
            if not reading.cursor.left:
                return reading.names
        except FormatError:
            continue
    raise FormatError("no code object of any version of Python", 0)


@dataclass(slots=True)
class _Reading:
    cursor: Cursor
    layout: _Layout
    names: list[str] = field(default_factory=list)
    _references: list[Any] = field(default_factory=list)
    _items: int = 0

    def value(self, depth: int = 0) -> Any:
        """One value: texts and tuples as they are, ``None`` for what has no part in it."""
        self._items += 1
        if depth > _DEPTH or self._items > _ITEMS:
            raise FormatError("too many values, or nested too deep", self.cursor.position)
        code = self.cursor.u8()
        kind = chr(code & 0x7F)
        index = None
        if code & _FLAG_REF:
            index = len(self._references)
            self._references.append(None)
        found = self._read(kind, depth)
        if index is not None:
            self._references[index] = found
        if kind == "t" and index is None:
            self._references.append(found)  # Python 2: interned texts are numbered
        return found

    def _read(self, kind: str, depth: int) -> Any:
        """One value of a type; only texts, tuples and what they refer to are kept."""
        cursor = self.cursor
        if kind in _WIDTHS:
            cursor.read(_WIDTHS[kind])
        elif kind in _TEXTS:
            length = cursor.u8() if kind in "zZ" else cursor.u32()
            return cursor.read(length).decode("utf-8", "backslashreplace")
        elif kind in _SEQUENCES:
            count = cursor.u8() if kind == ")" else 3 if kind == ":" else cursor.u32()
            return tuple(self.value(depth + 1) for _ in range(count))
        elif kind in "rR":
            return self._reference(cursor.u32())
        elif kind == "c":
            self._code(depth)
        elif kind == "l":
            cursor.read(2 * abs(cursor.i32()))
        elif kind in "fx":
            for _ in range("?fx".index(kind)):
                cursor.read(cursor.u8())
        else:
            raise FormatError("a value of unknown type", cursor.position)
        return None

    def _reference(self, index: int) -> Any:
        if index >= len(self._references):
            raise FormatError("a reference to nothing", self.cursor.position)
        return self._references[index]

    def _code(self, depth: int) -> None:
        self.cursor.read(4 * self.layout.numbers)
        parts: dict[str, Any] = {}
        for part in self.layout.parts:
            parts[part] = self.cursor.i32() if part == "line" else self.value(depth + 1)
        if not isinstance(parts["names"], tuple) or not isinstance(parts["code"], str):
            raise FormatError("a code object without names", self.cursor.position)
        constants = parts["consts"] if isinstance(parts["consts"], tuple) else ()
        self.names += [name for name in (*parts["names"], *constants) if isinstance(name, str)]
