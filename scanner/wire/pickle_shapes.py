"""Objects of one shape: what was run once and recurs, but for numbers and texts, is not run again.

A shape is a run of opcodes that takes nothing from the stack, leaves one value there, imports nothing and
caused no event. Whether it does depends on its opcodes and on the memo slots that it reads, which the
pattern demands to be the same; so every further match would leave the same kind of value and no event.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Protocol

from scanner.wire.pickle_values import Result

_SHAPES = 32
_LONGEST = 64 << 10

# opcode -> (bytes of operand, values taken, values left); negative: width of the length that comes first.
_PLAIN: Final = {
    **dict.fromkeys(b"N\x88\x89)]}\x8f", (0, 0, 1)),
    0x4B: (1, 0, 1),
    0x4D: (2, 0, 1),
    0x4A: (4, 0, 1),
    0x47: (8, 0, 1),
    0x8A: (-1, 0, 1),
    0x8C: (-1, 0, 1),
    0x43: (-1, 0, 1),
    0x58: (-4, 0, 1),
    0x42: (-4, 0, 1),
    0x8D: (-8, 0, 1),
    0x8E: (-8, 0, 1),
    0x96: (-8, 0, 1),
    0x94: (0, 1, 1),
    0x85: (0, 1, 1),
    0x86: (0, 2, 1),
    0x87: (0, 3, 1),
    0x61: (0, 2, 1),
    0x73: (0, 3, 1),
    0x62: (0, 2, 1),
    0x52: (0, 2, 1),
    0x81: (0, 2, 1),
    0x92: (0, 3, 1),
}
_REFERENCES: Final = {0x68: 1, 0x6A: 4}
# What takes all values above the last mark -> (values taken below it, values left).
_TO_MARK: Final = {**dict.fromkeys(b"tdl\x91", (0, 1)), **dict.fromkeys(b"eu\x90", (1, 1))}


@dataclass(slots=True)
class Mark:
    """Where the item that is being built above a MARK began."""

    start: int
    """Offset in the reader."""
    height: int
    memoised: int
    loud: int


class Machine(Protocol):
    """What of the machine's state is needed here."""

    data: bytes
    base: int
    end: int
    soft: int
    loud: int
    stack: list[Any]
    marks: list[Mark]

    @property
    def memoised(self) -> int:
        """Number of filled memo slots."""

    @property
    def ordered(self) -> bool:
        """Whether the filled slots are those from zero on."""

    def memoise_top(self) -> None:
        """What MEMOIZE does."""

    def memoise_unseen(self, count: int) -> None:
        """Fill ``count`` slots with values that are not kept."""


@dataclass(frozen=True, slots=True)
class _Shape:
    pattern: re.Pattern[bytes]
    memoised: int
    value: Any


class Shapes:
    """The shapes of one pickle."""

    def __init__(self) -> None:
        self._known: list[_Shape] = []
        self._room = _SHAPES

    def forget(self) -> None:
        """A memo slot was overwritten: what was learnt with its old value is void."""
        self._known.clear()

    def skip(self, machine: Machine, at: int) -> int:
        """Where an item may have ended: learn its shape, step over all that follow. Returns the new place."""
        mark, data = machine.marks[-1], machine.data
        if data[at] == 0x94 and at < machine.end:
            at += 1
            machine.memoise_top()
        start = mark.start - machine.base
        grown = len(machine.stack) - mark.height
        if grown < 1 or not machine.ordered:
            return at
        complete = grown == 1 and machine.loud == mark.loud and start >= 0 and at - start <= _LONGEST
        if complete:
            if data[start : start + 2] != data[at : at + 2]:
                return at  # another kind of item, or this one goes on
            self._learn(machine, data[start:at], mark)
            at = self._step_over(machine, at)
        mark.start, mark.height = machine.base + at, len(machine.stack)
        mark.memoised, mark.loud = machine.memoised, machine.loud
        return at

    def _learn(self, machine: Machine, item: bytes, mark: Mark) -> None:
        if self._room > 0:
            self._room -= 1
            pattern = _pattern(item, mark.memoised)
            if pattern is not None:
                count = machine.memoised - mark.memoised
                self._known.insert(0, _Shape(re.compile(pattern, re.DOTALL), count, machine.stack[-1]))

    def _step_over(self, machine: Machine, at: int) -> int:
        data, end, known = machine.data, machine.end, self._known
        memoised = 0
        while at < machine.soft:
            for shape in known:
                if found := shape.pattern.match(data, at, end):
                    break
            else:
                break
            at = found.end()
            value = shape.value
            machine.stack.append(value.again() if isinstance(value, Result) else value)
            memoised += shape.memoised
            if known[0] is not shape:
                known.remove(shape)
                known.insert(0, shape)
        machine.memoise_unseen(memoised)
        return at


def _pattern(item: bytes, memoised: int) -> bytes | None:
    """The shape of an item as a regular expression; ``None`` where it is not self-contained."""
    parts: list[bytes] = []
    heights = [0]
    at = 0
    while at < len(item):
        code = item[at]
        at += 1
        parts.append(re.escape(bytes([code])))
        if code == 0x28:
            heights.append(0)
        elif code in _REFERENCES:
            raw = item[at : at + _REFERENCES[code]]
            if int.from_bytes(raw, "little") >= memoised:
                return None  # names a slot that the item itself fills: another one for each item
            parts.append(re.escape(raw))
            at += len(raw)
            heights[-1] += 1
        elif code in _TO_MARK:
            taken, left = _TO_MARK[code]
            heights.pop()
            if not heights or heights[-1] < taken:
                return None
            heights[-1] += left - taken
        elif code in _PLAIN:
            size, taken, left = _PLAIN[code]
            if heights[-1] < taken:
                return None
            heights[-1] += left - taken
            if size < 0:
                raw = item[at : at - size]
                parts.append(re.escape(raw))
                at -= size
                size = int.from_bytes(raw, "little")
            parts.append(b".{%d}" % size if size else b"")
            at += size
        else:
            return None
    return b"".join(parts) if heights == [1] and at == len(item) else None
