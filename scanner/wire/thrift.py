"""Thrift's compact protocol, as far as files use it: structs, lists, maps and numbers, every length checked.

Source: the Thrift compact protocol encoding. Structs are handed out field by field, so that a list of a
million entries is never held; a field that nobody asks for is stepped over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from scanner.errors import FormatError
from scanner.reader import Budget

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT, UUID = range(1, 14)
_FIXED = {BYTE: "b", DOUBLE: "<d", UUID: "16s"}
DEPTH = 32
"""Deepest nesting that is read; Parquet's own structs nest six deep."""

Struct = dict[int, Any]
"""Field number to value. Of a field that stands twice the last one counts, as in generated readers."""


class Compact:
    """A position in encoded bytes."""

    __slots__ = ("_base", "_budget", "_data", "at")

    def __init__(self, data: bytes, budget: Budget, base: int = 0) -> None:
        self._data = data
        self._budget = budget
        self._base = base
        """Where the bytes stand in their file; offsets of errors count from the file's start."""
        self.at = 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and kind of each field of the struct that begins here.

        Whoever iterates reads or skips the field's value before the next one is asked for.

        Raises:
            FormatError: The struct does not end, or a kind is unknown.
        """
        number = 0
        while header := self._u8():
            self._budget.spend_items()
            kind = header & 15
            if not 0 < kind <= UUID:
                raise self._error(f"the field kind {kind} is unknown")
            number = number + (header >> 4) if header >> 4 else self.integer()
            yield number, kind

    def elements(self) -> Iterator[int]:
        """The kind of each element of the list or set that begins here; to be read like fields.

        Raises:
            FormatError: More elements are declared than bytes are left.
        """
        header = self._u8()
        count, kind = header >> 4, header & 15
        if count == 15:
            count = self._varint()
        if count > len(self._data) - self.at:  # the smallest element is one byte
            raise self._error(f"a list of {count} elements is declared, {self._left()} bytes are left")
        for _ in range(count):
            self._budget.spend_items()
            yield kind

    def value(self, kind: int, *, element: bool = False, depth: int = 0) -> Any:
        """The value of a field: a number, ``bool``, ``bytes``, ``list``, or a :data:`Struct`.

        Args:
            kind: Of the field, as it was handed out.
            element: Whether it stands in a list, where a boolean has a byte of its own.
            depth: How deep it stands.

        Raises:
            FormatError: It is cut, too deep, or of no known kind.
        """
        if kind in {I16, I32, I64}:
            return self.integer()
        if kind == BINARY:
            return self._take(self._varint())
        if kind in {TRUE, FALSE}:
            return self._u8() == TRUE if element else kind == TRUE
        if kind in _FIXED:
            return struct.unpack(_FIXED[kind], self._take(struct.calcsize(_FIXED[kind])))[0]
        return self._nested(kind, depth)

    def _nested(self, kind: int, depth: int) -> Any:
        if depth >= DEPTH:
            raise self._error(f"nested more than {DEPTH} deep")
        if kind == STRUCT:
            return {number: self.value(inner, depth=depth + 1) for number, inner in self.fields()}
        if kind in {LIST, SET}:
            return [self.value(inner, element=True, depth=depth + 1) for inner in self.elements()]
        if kind == MAP:
            return self._pairs(depth)
        raise self._error(f"the field kind {kind} is unknown")

    def integer(self) -> int:
        """A zigzag number.

        Raises:
            FormatError: It is cut or has more than 64 bits.
        """
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def _pairs(self, depth: int) -> list[tuple[Any, Any]]:
        count = self._varint()
        if not count:
            return []
        if count > self._left():
            raise self._error(f"a map of {count} entries is declared, {self._left()} bytes are left")
        kinds = self._u8()
        found = []
        for _ in range(count):
            self._budget.spend_items()
            key = self.value(kinds >> 4, element=True, depth=depth + 1)
            found.append((key, self.value(kinds & 15, element=True, depth=depth + 1)))
        return found

    def _varint(self) -> int:
        data, at, value, shift = self._data, self.at, 0, 0
        for byte in data[at : at + 10]:
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> 64:
                    break
                self.at = at
                return value
            shift += 7
        raise self._error("a number is cut or has more than 64 bits")

    def _u8(self) -> int:
        if self.at >= len(self._data):
            raise self._error("the data ends early")
        self.at += 1
        return self._data[self.at - 1]

    def _take(self, length: int) -> bytes:
        if length > self._left():
            raise self._error(f"{length} bytes are declared, {self._left()} are left")
        self.at += length
        return self._data[self.at - length : self.at]

    def _left(self) -> int:
        return len(self._data) - self.at

    def _error(self, reason: str) -> FormatError:
        return FormatError(reason, self._base + self.at)
