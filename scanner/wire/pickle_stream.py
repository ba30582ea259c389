"""The bytes under a pickle machine: a window that moves along, so that opcodes are decoded from memory."""

from __future__ import annotations

from typing import Final

from scanner.errors import FormatError
from scanner.reader import Budget, Cursor

SLACK: Final = 4608
"""Bytes that a window holds behind the place up to which opcodes are started: no short operand is cut."""
_PAD = b"\xff" * 16  # no opcode, and enough for the longest operand of fixed length
_SMALLEST = 16 << 10
_LARGEST = 1 << 20
LINE: Final = 1 << 16
"""As much of a line is kept."""


class Window:
    """A part of the stream; positions (``at``) are indices into ``data``."""

    def __init__(self, cursor: Cursor, budget: Budget) -> None:
        self.cursor = cursor
        """Where the stream is; up to date between events and between pickles."""
        self.budget = budget
        self.data = b""
        self.base = 0
        """Offset in the reader of ``data[0]``."""
        self.end = 0
        """How many of ``data``'s bytes are the stream's; behind them lies padding."""
        self.soft = 0
        """From here on the window has to move before the next opcode."""
        self.final = False
        """Whether the window reaches the end of the stream."""
        self._length = _SMALLEST

    def load(self) -> int:
        """Start at the cursor; returns ``at``."""
        position = self.cursor.position
        if self.base <= position < self.base + self.soft:
            return position - self.base
        self._length = _SMALLEST
        return self._read(position)

    def move(self, at: int) -> int:
        """Make room in front of ``at``; returns the new ``at``.

        Raises:
            FormatError: The stream ends here, or has ended inside the opcode before.
        """
        if self.final:
            self.cursor.position = self.base + min(at, self.end)
            cut = "the last opcode is cut off" if at > self.end else "the stream has no STOP"
            raise FormatError(cut, self.cursor.position)
        self._length = min(self._length * 2, _LARGEST)
        return self._read(self.base + at)

    def jump(self, at: int, length: int) -> int:
        """The place ``length`` bytes behind ``at``, which are not looked at.

        Raises:
            FormatError: Fewer than that are left.
        """
        if at + length <= self.soft:
            return at + length
        self.sync(at)
        self.cursor.skip(length)
        return self.load()

    def sync(self, at: int) -> None:
        """Tell the cursor where we are."""
        self.cursor.position = self.base + min(at, self.end)

    def line(self, at: int) -> tuple[bytes, int]:
        """The line at ``at`` without its end, and the place behind it; of a very long one only the start.

        The Python unpickler takes what is left of the stream, without its last byte, for the last line.

        Raises:
            BudgetExceeded: It is longer than the budget allows.
        """
        stop = self.data.find(b"\n", at, self.end)
        if stop >= 0:
            return self.data[at:stop], stop + 1
        kept = b""
        self._length = _LARGEST
        while not self.final:
            if len(kept) < LINE:
                kept += self.data[at : self.end]
            at = self._read(self.base + self.end)
            self.budget.spend_bytes(self.end)
            stop = self.data.find(b"\n", 0, self.end)
            if stop >= 0:
                return (kept + self.data[:stop])[:LINE], stop + 1
        return (kept + self.data[at : self.end])[:-1][:LINE], self.end

    def _read(self, position: int) -> int:
        size = self.cursor.reader.size
        wanted = min(self._length, size - position)
        raw = self.cursor.reader.read_at(position, wanted) if wanted > 0 else b""
        if len(raw) < wanted:
            raise FormatError("the data ends early", position + len(raw))
        self.base = position
        self.end = len(raw)
        self.final = position + len(raw) >= size
        self.data = raw + _PAD if self.final else raw
        self.soft = self.end if self.final else max(self.end - SLACK, 0)
        return 0
