"""Universal Binary JSON (draft 12) as bytes: values with bulk numbers skipped by their declared length.

Grammar: ubjson.org/type-reference. XGBoost writes lengths as ``L`` and arrays of numbers with ``$`` and
``#``, so that a model's numbers are never read here, only placed. No opinions.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from scanner.errors import FormatError
from scanner.reader import Cursor

DEPTH = 64
"""Deepest nesting of objects and arrays."""
_TEXT = 16 << 20
_NUMBERS = {
    b"i": struct.Struct(">b"),
    b"U": struct.Struct(">B"),
    b"I": struct.Struct(">h"),
    b"l": struct.Struct(">i"),
    b"L": struct.Struct(">q"),
    b"d": struct.Struct(">f"),
    b"D": struct.Struct(">d"),
}
_CONSTANTS = {b"Z": None, b"T": True, b"F": False}
_LENGTHS = b"iUIlL"


@dataclass(frozen=True, slots=True)
class Numbers:
    """An array of numbers of one type that was stepped over."""

    kind: str
    """Its type marker: ``i``, ``U``, ``I``, ``l``, ``L``, ``d`` or ``D``."""
    offset: int
    count: int

    @property
    def width(self) -> int:
        """Bytes of one number."""
        return _NUMBERS[self.kind.encode()].size


@dataclass(slots=True)
class Table:
    """An object's pairs in file order; repeated keys stand repeatedly."""

    pairs: list[tuple[str, Any]]

    def every(self, key: str) -> list[Any]:
        """Every value under a key."""
        return [value for name, value in self.pairs if name == key]

    def table(self, *keys: str) -> Table:
        """The first object at a path of keys; an empty one where there is none."""
        found = self
        for key in keys:
            inner = next((value for value in found.every(key) if isinstance(value, Table)), None)
            if inner is None:
                return Table([])
            found = inner
        return found

    def text(self, key: str) -> str:
        """The first text under a key; empty without one."""
        return next((value for value in self.every(key) if isinstance(value, str)), "")


def parse(cursor: Cursor, depth: int = 0) -> Any:
    """The value at the cursor: a constant, a number, a text, a list, :class:`Numbers`, a :class:`Table`.

    Raises:
        FormatError: It is no value, reaches past the end, or is nested more than :data:`DEPTH` deep.
        BudgetExceeded: More values or bytes than the budget allows.
    """
    return _value(cursor, _marker(cursor), depth)


def _marker(cursor: Cursor) -> bytes:
    cursor.budget.spend_items()
    mark = cursor.read(1)
    while mark == b"N":  # no-op
        cursor.budget.spend_items()
        mark = cursor.read(1)
    return mark


def _value(cursor: Cursor, mark: bytes, depth: int) -> Any:
    if depth > DEPTH:
        raise FormatError(f"nested more than {DEPTH} deep", cursor.position)
    if mark in _NUMBERS:
        return _number(cursor, mark)
    if mark in _CONSTANTS:
        return _CONSTANTS[mark]
    if mark == b"C":
        return chr(cursor.u8())
    if mark in {b"S", b"H"}:
        return _text(cursor, _length(cursor, _marker(cursor)))
    if mark == b"[":
        return _array(cursor, depth)
    if mark == b"{":
        return _object(cursor, depth)
    raise FormatError(f"{mark!r} begins no value", cursor.position - 1)


def _number(cursor: Cursor, mark: bytes) -> int | float:
    layout = _NUMBERS[mark]
    value: int | float = layout.unpack(cursor.read(layout.size))[0]
    return value


def _length(cursor: Cursor, mark: bytes) -> int:
    value = _number(cursor, mark) if mark in _NUMBERS and mark in _LENGTHS else -1
    if not isinstance(value, int) or value < 0:
        raise FormatError("a length is no number, or negative", cursor.position)
    return value


def _text(cursor: Cursor, length: int) -> str:
    if length > _TEXT:
        raise FormatError(f"a text of {length} bytes", cursor.position)
    return cursor.read(length).decode("utf-8", "replace")


def _head(cursor: Cursor) -> tuple[bytes, int | None, bytes]:
    """(type of all values or nothing, their number or nothing, the first marker if it was read)."""
    kind = b""
    mark = _marker(cursor)
    if mark == b"$":
        kind = cursor.read(1)
        mark = cursor.read(1)
        if mark != b"#":
            raise FormatError("a container has a type and no count", cursor.position)
    if mark == b"#":
        return kind, _length(cursor, _marker(cursor)), b""
    return kind, None, mark


def _array(cursor: Cursor, depth: int) -> Any:
    kind, count, mark = _head(cursor)
    if kind in _NUMBERS and count is not None:
        found = Numbers(kind.decode(), cursor.position, count)
        cursor.skip(count * found.width)
        return found
    items: list[Any] = []
    if count is not None:
        cursor.budget.spend_items(count)
        if kind in _CONSTANTS:
            return []  # they take no bytes, and so say nothing
        return [_value(cursor, kind or _marker(cursor), depth + 1) for _ in range(count)]
    while mark != b"]":
        items.append(_value(cursor, mark, depth + 1))
        mark = _marker(cursor)
    return items


def _object(cursor: Cursor, depth: int) -> Table:
    kind, count, mark = _head(cursor)
    pairs: list[tuple[str, Any]] = []
    left = count
    while (left is None and mark != b"}") or (left is not None and left > 0):
        if left is not None:
            left -= 1
            mark = _marker(cursor)
        key = _text(cursor, _length(cursor, mark))
        pairs.append((key, _value(cursor, kind or _marker(cursor), depth + 1)))
        if left is None:
            mark = _marker(cursor)
    return Table(pairs)
