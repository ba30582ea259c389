"""Protocol Buffers as bytes: fields with their numbers and places, without a schema. No opinions.

Grammar: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scanner.errors import FormatError
from scanner.reader import Budget

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message."""

    number: int
    kind: int
    """Wire type."""
    value: int
    """The number of a ``VARINT``; 0 otherwise."""
    start: int
    """Where its content begins and ends in the data."""
    end: int


def fields(data: bytes, budget: Budget, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """The fields of the message that ``data[start:end]`` is.

    Raises:
        FormatError: A field reaches past the message, or is of a kind that does not exist.
        BudgetExceeded: More fields than the budget allows.
    """
    stop = len(data) if end is None else end
    at = start
    while at < stop:
        budget.spend_items()
        place = at
        tag, at = varint(data, at, stop)
        number, kind, value = tag >> 3, tag & 7, 0
        if kind == VARINT:
            content = at
            value, at = varint(data, at, stop)
        elif kind == LENGTH:
            length, content = varint(data, at, stop)
            at = content + length
        elif kind in {FIXED32, FIXED64}:
            content = at
            at += 4 if kind == FIXED32 else 8
        else:
            raise FormatError(f"a field has the wire type {kind}, which does not exist", place)
        if at > stop or number == 0:
            raise FormatError("a field reaches past its message, or has no number", place)
        yield Field(number, kind, value, content, at)


def varint(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """A number and where it ends.

    Raises:
        FormatError: It has more than ten bytes, or reaches past ``stop``.
    """
    value = 0
    for shift in range(0, 70, 7):
        if at >= stop:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise FormatError("a number reaches past its message, or has more than ten bytes", at)
