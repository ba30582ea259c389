"""The state of the pickle machine (stack, marks, memo) and the opcodes that only build data on it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from typing import Any, ClassVar, Final

from scanner.errors import FormatError
from scanner.reader import Budget, Cursor
from scanner.wire.pickle_memo import Memory
from scanner.wire.pickle_shapes import Mark
from scanner.wire.pickle_stream import LINE, Window
from scanner.wire.pickle_values import FORGOTTEN, KEPT, Blob, Sequence, Table

LONGEST_TEXT = 4096
STACK_LIMIT = 2_000_000
_MARK_WEIGHT = 4
_ALWAYS_KEPT = 128
_TEXT_ROOM = 64 << 20
# What `int` or `float` may make of a line, generously: CPython's two unpicklers differ.
_NUMBER = re.compile(rb"\s*[+-]?(?:[0-9.]|inf|nan)", re.IGNORECASE)

_CONSTANTS: Final[dict[int, Any]] = {0x4E: None, 0x88: True, 0x89: False, 0x97: FORGOTTEN}
SIZED: Final = {
    0x55: (1, True),  # SHORT_BINSTRING
    0x54: (4, True),
    0x8C: (1, True),
    0x58: (4, True),
    0x8D: (8, True),
    0x43: (1, False),
    0x42: (4, False),
    0x8E: (8, False),
    0x96: (8, False),
}


class Effect(Exception):
    """An opcode meets an object on which it does more than build data."""


class State(Memory, Window):
    """What a stream has built so far, forgetful beyond bounds: memory does not grow with the opcodes."""

    def __init__(self, cursor: Cursor, budget: Budget) -> None:
        super().__init__(cursor, budget)
        self.protocol = 0
        self.reset()

    def reset(self) -> None:
        """Begin a pickle."""
        self.stack: list[Any] = []
        self.marks: list[Mark] = []
        """One for each open MARK."""
        self.loud = 0
        """Events so far."""
        self.frame_end = 0
        """Where the last frame ends: CPython's Python unpickler has read the stream up to there."""
        self.forget_all()
        self._text_room = _TEXT_ROOM
        self._outer: list[list[Any]] = []
        self._below = 0

    @property
    def weight(self) -> int:
        """Values and marks on the stack, in values."""
        return self._below + len(self.stack) + _MARK_WEIGHT * len(self._outer)

    # --- the stack -------------------------------------------------------------------------------

    def memoise_top(self) -> None:
        """What MEMOIZE does."""
        self.memoise(self.memoised, self.top())

    def pop(self) -> Any:
        """Take the top of the stack, or raise ``FormatError``."""
        if not self.stack:
            raise FormatError("an opcode finds the stack empty")
        return self.stack.pop()

    def top(self) -> Any:
        """The top of the stack, or raise ``FormatError``."""
        if not self.stack:
            raise FormatError("an opcode finds the stack empty")
        return self.stack[-1]

    def pop_mark(self) -> list[Any]:
        """Take everything above the last mark, or raise ``FormatError``."""
        if not self._outer:
            raise FormatError("an opcode finds no mark")
        items = self.stack
        self.stack = self._outer.pop()
        self.marks.pop()
        self._below -= len(self.stack)
        return items

    # --- data: (machine, opcode, place of its operand) -> place of the next opcode ----------------

    def _mark(self, _: int, at: int) -> int:
        self._outer.append(self.stack)
        self._below += len(self.stack)
        self.stack = []
        self.marks.append(Mark(self.base + at, 0, self.memoised, self.loud))
        return at

    def _drop(self, _: int, at: int) -> int:
        if self.stack:
            self.stack.pop()
        else:  # as both of CPython's unpicklers do
            self.pop_mark()
        return at

    def _drop_mark(self, _: int, at: int) -> int:
        self.pop_mark()
        return at

    def _duplicate(self, _: int, at: int) -> int:
        self.stack.append(self.top())
        return at

    def _frame(self, _: int, at: int) -> int:
        self.frame_end = self.base + at + 8 + int.from_bytes(self.data[at : at + 8], "little")
        return at + 8

    def _readonly(self, _: int, at: int) -> int:
        self.top()
        return at

    def _proto(self, _: int, at: int) -> int:
        protocol = self.data[at]
        if protocol > 5:
            raise FormatError(f"pickle protocol {protocol} is unknown", self.base + at)
        self.protocol = max(self.protocol, protocol)
        return at + 1

    def _constant(self, code: int, at: int) -> int:
        self.stack.append(_CONSTANTS[code])
        return at

    def _one(self, _: int, at: int) -> int:
        self.stack.append(self.data[at])
        return at + 1

    def _two(self, _: int, at: int) -> int:
        self.stack.append(int.from_bytes(self.data[at : at + 2], "little"))
        return at + 2

    def _four(self, _: int, at: int) -> int:
        self.stack.append(int.from_bytes(self.data[at : at + 4], "little", signed=True))
        return at + 4

    def _float(self, _: int, at: int) -> int:
        self.stack.append(FORGOTTEN)
        return at + 8

    def _long(self, code: int, at: int) -> int:
        width = 1 if code == 0x8A else 4
        length = int.from_bytes(self.data[at : at + width], "little")
        at += width
        if length <= 8:
            self.stack.append(int.from_bytes(self.data[at : at + length], "little", signed=True))
            return at + length
        self.stack.append(FORGOTTEN)
        return self.jump(at, length)

    def _number_line(self, _: int, at: int) -> int:
        raw, at = self.line(at)
        if _NUMBER.match(raw) is None:
            raise FormatError("a number has no digits", self.base + at - 1)
        raw = raw.strip().rstrip(b"L")
        self.stack.append(int(raw) if len(raw) < 19 and raw.lstrip(b"-").isdigit() else FORGOTTEN)
        return at

    def _string_line(self, _: int, at: int) -> int:
        raw, at = self.line(at)
        if len(raw) >= LINE:  # its end is not here
            self._push_text("", len(raw))
            return at
        raw = raw.strip()
        if len(raw) < 2 or raw[0] != raw[-1] or raw[:1] not in {b"'", b'"'}:
            raise FormatError("a STRING has no quotes", self.base + at - 1)
        try:
            text = codecs.escape_decode(raw[1:-1])[0]
        except ValueError as error:
            raise FormatError("a STRING has a broken escape", self.base + at - 1) from error
        self._push_text(text.decode("latin-1"), len(raw))
        return at

    def _unicode_line(self, _: int, at: int) -> int:
        raw, at = self.line(at)
        try:
            text = raw.decode("raw-unicode-escape", "strict" if len(raw) < LINE else "replace")
        except UnicodeDecodeError as error:
            raise FormatError("a UNICODE has a broken escape", self.base + at - 1) from error
        self._push_text(text, len(raw))
        return at

    def _push_text(self, text: str, length: int) -> None:
        """Short texts may be names and are kept; for long ones there is room for a while."""
        if length > _ALWAYS_KEPT:
            self._text_room -= length
            if length > LONGEST_TEXT or self._text_room < 0:
                self.stack.append(FORGOTTEN)
                return
        self.stack.append(text)

    def _sized(self, code: int, at: int) -> int:
        width, is_text = SIZED[code]
        length = int.from_bytes(self.data[at : at + width], "little")
        at += width
        if is_text and length <= LONGEST_TEXT:
            if at + length > self.end:
                raise FormatError(f"{length} bytes are declared, {self.end - at} are left", self.base + at)
            self._push_text(self.data[at : at + length].decode("utf-8", "backslashreplace"), length)
            return at + length
        self.stack.append(Blob(self.base + at, length))
        return self.jump(at, length)

    def _empty(self, code: int, at: int) -> int:
        self.stack.append(Table() if code == 0x7D else () if code == 0x29 else Sequence())
        return at

    def _tuple(self, code: int, at: int) -> int:
        if code == 0x74:
            items = self.pop_mark()
            self.stack.append(tuple(items[:KEPT]))
            return at
        items = [self.pop() for _ in range(code - 0x84)]
        self.stack.append(tuple(reversed(items)))
        return at

    def _collect(self, code: int, at: int) -> int:
        items = self.pop_mark()
        value = Table() if code == 0x64 else Sequence()
        value.add(items)
        self.stack.append(value)
        return at

    def _append(self, code: int, at: int) -> int:
        holder = self.stack[:-3:-1] if code == 0x61 else self._outer[-1][-1:] if self._outer else []
        target = holder[-1] if len(holder) == 1 + (code == 0x61) else None
        if not isinstance(target, Sequence):
            raise Effect  # what is no list has a method for this
        target.add([self.pop()] if code == 0x61 else self.pop_mark())
        return at

    def _memoize(self, _: int, at: int) -> int:
        self.memoise_top()
        return at

    def _put_one(self, _: int, at: int) -> int:
        self.memoise(self.data[at], self.top())
        return at + 1

    def _put_four(self, _: int, at: int) -> int:
        self.memoise(int.from_bytes(self.data[at : at + 4], "little"), self.top())
        return at + 4

    def _put_line(self, _: int, at: int) -> int:
        index, at = self._index_line(at)
        self.memoise(index, self.top())
        return at

    def _get_one(self, _: int, at: int) -> int:
        self.stack.append(self.recall(self.data[at]))
        return at + 1

    def _get_four(self, _: int, at: int) -> int:
        self.stack.append(self.recall(int.from_bytes(self.data[at : at + 4], "little")))
        return at + 4

    def _get_line(self, _: int, at: int) -> int:
        index, at = self._index_line(at)
        self.stack.append(self.recall(index))
        return at

    def _index_line(self, at: int) -> tuple[int, int]:
        raw, after = self.line(at)
        raw = raw.strip()
        if not raw.isdigit() or len(raw) > 18:
            raise FormatError("a memo index is no number", self.base + at)
        return int(raw), after

    _BY_CODE: ClassVar[dict[int, Callable[[Any, int, int], int]]] = {
        **dict.fromkeys(SIZED, _sized),
        **dict.fromkeys(_CONSTANTS, _constant),
        **dict.fromkeys(b"])}\x8f", _empty),
        **dict.fromkeys(b"t\x85\x86\x87", _tuple),
        **dict.fromkeys(b"dl\x91", _collect),
        **dict.fromkeys(b"ae\x90", _append),
        **dict.fromkeys(b"IFL", _number_line),
        **dict.fromkeys(b"\x8a\x8b", _long),
        0x28: _mark,
        0x30: _drop,
        0x31: _drop_mark,
        0x32: _duplicate,
        0x47: _float,
        0x4A: _four,
        0x4B: _one,
        0x4D: _two,
        0x53: _string_line,
        0x56: _unicode_line,
        0x67: _get_line,
        0x68: _get_one,
        0x6A: _get_four,
        0x70: _put_line,
        0x71: _put_one,
        0x72: _put_four,
        0x80: _proto,
        0x94: _memoize,
        0x95: _frame,
        0x98: _readonly,
    }
    STEPS: ClassVar[tuple[Callable[[Any, int, int], int] | None, ...]] = tuple(map(_BY_CODE.get, range(256)))
    """What an opcode that only builds data does: (state, opcode, place of its operand) -> next place."""
