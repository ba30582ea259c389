"""FlatBuffers as tables over a reader: fields, strings, vectors and unions by their slots. No opinions.

Grammar: flatbuffers.dev/internals. Every offset is checked against the reader before it is followed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.errors import FormatError
from scanner.reader import Budget, Reader, Window

TEXT = 1 << 20
_BLOCK = 16 << 10
_KEPT = 64


class Flat:
    """A FlatBuffer in a reader of any size; small reads are served from blocks that are kept a while."""

    __slots__ = ("_blocks", "budget", "reader")

    def __init__(self, reader: Reader, budget: Budget) -> None:
        self.reader = reader
        self.budget = budget
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def bytes_at(self, at: int, length: int) -> bytes:
        """Exactly ``length`` bytes.

        Raises:
            FormatError: They reach past the end.
            BudgetExceeded: The budget does not allow that many.
        """
        if at < 0 or length < 0 or at + length > self.reader.size:
            raise FormatError("an offset leads past the end", max(at, 0))
        self.budget.spend_items()
        if at // _BLOCK == (at + max(length, 1) - 1) // _BLOCK:
            data = self._block(at // _BLOCK)[at % _BLOCK :][:length]
        else:
            self.budget.spend_bytes(length)
            data = self.reader.read_at(at, length)
        if len(data) < length:
            raise FormatError("the data ends early", at + len(data))
        return data

    def _block(self, number: int) -> bytes:
        found = self._blocks.get(number)
        if found is None:
            self.budget.spend_bytes(_BLOCK)
            found = self._blocks[number] = self.reader.read_at(number * _BLOCK, _BLOCK)
            if len(self._blocks) > _KEPT:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(number)
        return found

    def number(self, at: int, width: int, *, signed: bool = False) -> int:
        """A number of ``width`` bytes."""
        return int.from_bytes(self.bytes_at(at, width), "little", signed=signed)

    def root(self, at: int = 0) -> Table:
        """The table that the offset at ``at`` leads to.

        Raises:
            FormatError: It leads nowhere.
        """
        return self.table(self.follow(at))

    def follow(self, at: int) -> int:
        """Where the unsigned offset at ``at`` leads."""
        offset = self.number(at, 4)
        if offset == 0:
            raise FormatError("an offset is zero", at)
        return at + offset

    def table(self, at: int) -> Table:
        """The table at ``at``, with its vtable read.

        Raises:
            FormatError: The vtable lies outside, or has an odd length.
        """
        behind = at - self.number(at, 4, signed=True)
        head = self.bytes_at(behind, 4)
        length, inline = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:], "little")
        if length < 4 or length % 2:
            raise FormatError(f"a vtable has the odd length {length}", max(behind, 0))
        raw = self.bytes_at(behind + 4, length - 4)
        slots = tuple(int.from_bytes(raw[i : i + 2], "little") for i in range(0, len(raw), 2))
        return Table(self, at, slots, inline)


@dataclass(frozen=True, slots=True)
class Vector:
    """A vector: where its first element is, and how many there are."""

    flat: Flat
    start: int
    count: int

    def window(self) -> Window:
        """The content of a vector of bytes.

        Raises:
            FormatError: It reaches past the end.
        """
        return Window(self.flat.reader, self.start, self.count)

    def numbers(self, width: int, limit: int = 1 << 16, *, signed: bool = True) -> list[int]:
        """The elements, if there are no more than ``limit``.

        Raises:
            FormatError: There are more, or they reach past the end.
        """
        if self.count > limit:
            raise FormatError(f"{self.count} numbers where at most {limit} are expected", self.start)
        self.flat.budget.spend_items(self.count)
        raw = self.flat.bytes_at(self.start, self.count * width)
        return [
            int.from_bytes(raw[i : i + width], "little", signed=signed) for i in range(0, len(raw), width)
        ]

    def tables(self) -> Iterator[Table]:
        """The elements of a vector of tables."""
        for index in range(self.count):
            yield self.flat.table(self.flat.follow(self.start + 4 * index))

    def texts(self) -> Iterator[str]:
        """The elements of a vector of strings."""
        for index in range(self.count):
            yield text_at(self.flat, self.flat.follow(self.start + 4 * index))


@dataclass(frozen=True, slots=True)
class Table:
    """One table; a field that is absent has its default."""

    flat: Flat
    at: int
    slots: tuple[int, ...]
    inline: int

    def place(self, slot: int) -> int:
        """Where the field of a slot (0 for the first) stands; 0 where it is absent.

        Raises:
            FormatError: It would stand outside the table.
        """
        offset = self.slots[slot] if slot < len(self.slots) else 0
        if offset and (offset < 4 or offset >= max(self.inline, 5)):
            raise FormatError("a field stands outside its table", self.at)
        return self.at + offset if offset else 0

    def number(self, slot: int, width: int, default: int = 0, *, signed: bool = False) -> int:
        """A number, or the default."""
        at = self.place(slot)
        return self.flat.number(at, width, signed=signed) if at else default

    def table(self, slot: int) -> Table | None:
        """A table that the field leads to."""
        at = self.place(slot)
        return self.flat.table(self.flat.follow(at)) if at else None

    def text(self, slot: int) -> str:
        """A string; empty where it is absent.

        Raises:
            FormatError: It has more than ``TEXT`` bytes, or reaches past the end.
        """
        at = self.place(slot)
        return text_at(self.flat, self.flat.follow(at)) if at else ""

    def vector(self, slot: int, width: int = 4) -> Vector:
        """A vector whose elements have ``width`` bytes; empty where it is absent.

        Raises:
            FormatError: It reaches past the end.
        """
        at = self.place(slot)
        if not at:
            return Vector(self.flat, 0, 0)
        start = self.flat.follow(at)
        count = self.flat.number(start, 4)
        if start + 4 + count * width > self.flat.reader.size:
            raise FormatError(f"a vector of {count} elements reaches past the end", start)
        return Vector(self.flat, start + 4, count)


def text_at(flat: Flat, at: int) -> str:
    """The string at ``at``, bytes that are no UTF-8 replaced.

    Raises:
        FormatError: It has more than ``TEXT`` bytes, or reaches past the end.
    """
    length = flat.number(at, 4)
    if length > TEXT:
        raise FormatError(f"a string of {length} bytes stands where at most {TEXT} are expected", at)
    return flat.bytes_at(at + 4, length).decode("utf-8", "replace")
