"""Protocol Buffers as bytes: fields with their numbers and places, without a schema. No opinions.

``fields`` walks bytes in memory, ``Wire`` a reader of any size.
Grammar: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from scanner.errors import BudgetExceeded, FormatError
from scanner.reader import Budget, Reader, Window

VARINT, FIXED64, LENGTH, GROUP, END_GROUP, FIXED32 = range(6)
NESTED = 100
"""Messages within messages: the limit of protobuf's own readers."""
TEXT = 1 << 20
_NUMBERS = (1 << 29) - 1
_CHUNK = 64 << 10
_ROOM = 20  # a tag and a length, of ten bytes each at most
_MASK = (1 << 64) - 1
_SMALL = frozenset({VARINT, LENGTH})


class Field(NamedTuple):
    """One field of a message; a tuple, because graphs have millions of them."""

    number: int
    kind: int
    """Wire type."""
    value: int
    """The number of a ``VARINT`` (unsigned); of a fixed one what ``Wire`` reads; 0 otherwise."""
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
            return value & _MASK, at  # readers drop what is above 64 bits
    raise FormatError("a number reaches past its message, or has more than ten bytes", at)


class Wire:
    """Messages in a reader of any size: the fields of a message come with their places, content on demand.

    Tags and small contents are served from one chunk that moves forward, so a message is read in order in
    few requests, and what nobody asks for (numbers of a tensor) is stepped over by its length.
    """

    __slots__ = ("_base", "_chunk", "_size", "budget", "reader")

    def __init__(self, reader: Reader, budget: Budget) -> None:
        self.reader = reader
        self.budget = budget
        self._size = reader.size
        self._chunk = b""
        self._base = 0

    @property
    def size(self) -> int:
        """Bytes of the reader."""
        return self._size

    def fields(self, start: int = 0, end: int | None = None, depth: int = 0) -> Iterator[Field]:
        """The fields of the message at ``[start, end)``; places are those of the reader.

        A group is one field that reaches from behind its start to the tag that ends it.

        Raises:
            FormatError: A field reaches past the message, or its tag is none.
            BudgetExceeded: More fields than the budget allows, or ``depth`` is too much for it.
        """
        if depth > NESTED:
            raise BudgetExceeded("levels of messages", NESTED)
        stop = self._size if end is None else min(end, self._size)
        at = start
        while at < stop:
            field = self._small(at, stop) or self._field(at, stop)
            if field.kind == END_GROUP:
                raise FormatError("a group ends that did not begin", at)
            if field.kind == GROUP:
                field = field._replace(end=self._group_end(field, stop))
                at = field.end + _tag_length(field.number)
            else:
                at = field.end
            yield field

    def _small(self, at: int, stop: int) -> Field | None:
        """What most fields are: a tag of one byte, then a number or a length of one byte."""
        data, here = self._chunk, at - self._base
        if here < 0 or here + 2 > len(data):
            return None
        tag, value = data[here], data[here + 1]
        kind = tag & 7
        if not 8 <= tag < 128 or value > 127 or kind not in _SMALL:
            return None
        end = at + 2 + value if kind == LENGTH else at + 2
        if end > stop:
            return None
        self.budget.spend_items()
        if kind == LENGTH:
            return Field(tag >> 3, kind, 0, at + 2, end)
        return Field(tag >> 3, kind, value, at + 1, end)

    def _field(self, at: int, stop: int) -> Field:
        """The field whose tag stands at ``at``; a group is not walked."""
        self.budget.spend_items()
        data, base = self._around(at)
        limit = min(stop - base, len(data))
        here = at - base
        tag, here = varint(data, here, limit)
        number, kind, value = tag >> 3, tag & 7, 0
        begin = here
        if kind == VARINT:
            value, here = varint(data, here, limit)
        elif kind == LENGTH:
            length, begin = varint(data, here, limit)
            here = begin + length
        elif kind in {FIXED32, FIXED64}:
            here += 4 if kind == FIXED32 else 8
            value = int.from_bytes(data[begin:here], "little")
        elif kind not in {GROUP, END_GROUP}:
            raise FormatError(f"a field has the wire type {kind}, which does not exist", at)
        if base + here > stop or not 0 < number <= _NUMBERS:
            raise FormatError("a field reaches past its message, or has no number", at)
        return Field(number, kind, value, base + begin, base + here)

    def _group_end(self, group: Field, stop: int) -> int:
        """Where the tag stands that ends a group."""
        open_groups = [group.number]
        at = group.start
        while at < stop:
            field = self._field(at, stop)
            if field.kind == GROUP:
                open_groups.append(field.number)
                if len(open_groups) > NESTED:
                    raise BudgetExceeded("levels of messages", NESTED)
            elif field.kind == END_GROUP:
                if open_groups.pop() != field.number:
                    raise FormatError("a group ends with another number than it began", at)
                if not open_groups:
                    return at
            at = field.end
        raise FormatError("a group has no end", group.start)

    def _around(self, at: int) -> tuple[bytes, int]:
        """A chunk in which a tag and a length at ``at`` fit, and where it begins."""
        held = at - self._base
        if not 0 <= held <= len(self._chunk) - _ROOM and (
            not 0 <= held < len(self._chunk) or self._base + len(self._chunk) < self._size
        ):
            if held < 0:  # backwards: the same bytes again, which no honest walk does often
                self.budget.spend_bytes(_CHUNK)
            self._chunk = self.reader.read_at(at, _CHUNK)
            self._base = at
        return self._chunk, self._base

    def content(self, field: Field, limit: int) -> bytes:
        """The bytes of a field.

        Raises:
            FormatError: There are more than ``limit``, or fewer than declared.
            BudgetExceeded: The budget does not allow that many.
        """
        length = field.end - field.start
        if length > limit:
            raise FormatError(
                f"a field of {length} bytes stands where at most {limit} are expected", field.start
            )
        return self.piece(field, length)

    def piece(self, field: Field, length: int) -> bytes:
        """The first ``length`` bytes of a field, or all of them if there are fewer.

        Raises:
            FormatError: The data ends early.
            BudgetExceeded: The budget does not allow that many.
        """
        length = min(length, field.end - field.start)
        here = field.start - self._base
        if here >= 0 and here + length <= len(self._chunk):
            return self._chunk[here : here + length]
        self.budget.spend_bytes(length)
        data = self.reader.read_at(field.start, length)
        if len(data) < length:
            raise FormatError("the data ends early", field.start + len(data))
        return data

    def text(self, field: Field, limit: int = TEXT) -> str:
        """The text of a field, bytes that are no UTF-8 replaced.

        Raises:
            FormatError: It is no text, or has more than ``limit`` bytes.
        """
        if field.kind != LENGTH:
            raise FormatError(f"field {field.number} is a number where a text is expected", field.start)
        here, length = field.start - self._base, field.end - field.start
        if here >= 0 and length <= limit and here + length <= len(self._chunk):
            return self._chunk[here : here + length].decode("utf-8", "replace")
        return self.content(field, limit).decode("utf-8", "replace")

    def numbers(self, field: Field, limit: int = 1 << 20) -> list[int]:
        """The numbers of a repeated field: packed, or the one that stands alone.

        Raises:
            FormatError: It is neither, or longer than ``limit`` bytes.
        """
        if field.kind == VARINT:
            return [signed(field.value)]
        if field.kind != LENGTH:
            raise FormatError(f"field {field.number} is no list of numbers", field.start)
        data, at, found = self.content(field, limit), 0, []
        self.budget.spend_items(len(data))
        while at < len(data):
            value, at = varint(data, at, len(data))
            found.append(signed(value))
        return found

    def window(self, field: Field) -> Window:
        """The content of a field as a reader of its own."""
        return Window(self.reader, field.start, field.end - field.start)


def signed(value: int) -> int:
    """A number of 64 bits as ``int64`` and ``int32`` read it."""
    return value - (1 << 64) if value >> 63 else value


def _tag_length(number: int) -> int:
    return max(((number << 3).bit_length() + 6) // 7, 1)
