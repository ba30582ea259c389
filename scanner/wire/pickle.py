"""Pickle, protocols 0 to 5: a symbolic machine that says what loading a stream would import and call.

Nothing is loaded; objects are stood for by small symbols. The opcodes' meaning is that of CPython's
``Modules/_pickle.c`` and ``Lib/pickle.py``; their layout that of ``Lib/pickletools.py``.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from scanner.errors import FormatError
from scanner.reader import Budget, Cursor
from scanner.wire.pickle_values import KEPT, UNKNOWN, Blob, Event, Global, Result, Sequence, Table, Unknown

LONGEST_TEXT = 4096
_LINE = 1 << 16
_MEMO = 300_000
_STACK = 8_000_000


_CONSTANTS: dict[int, Any] = {0x4E: None, 0x88: True, 0x89: False, 0x97: UNKNOWN}
_SIZED = {
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


class Machine:
    """Runs one pickle after another from a cursor; the caller may move the cursor between events."""

    def __init__(self, cursor: Cursor, budget: Budget) -> None:
        self.cursor = cursor
        self.protocol = 0
        self.steps = 0
        """Opcodes of the current pickle so far."""
        self._budget = budget
        self._stack: list[Any] = []
        self._outer: list[list[Any]] = []
        self._depth = 0
        self._memo: dict[int, Any] = {}
        self._memoised = 0
        self._blind = False

    def run(self) -> Iterator[Event]:
        """Events of one pickle, up to and with its STOP.

        Raises:
            FormatError: An opcode is unknown, incomplete, or has nothing to work on. Earlier events stand:
                a loader has done them by then.
            BudgetExceeded: Too many opcodes or too large a stack.
        """
        self._stack, self._outer, self._memo = [], [], {}
        self._depth = self._memoised = self.steps = 0
        self._blind = False
        cursor, spend = self.cursor, self._budget.spend_items
        while True:
            spend()
            self.steps += 1
            offset = cursor.position
            code = cursor.u8()
            data = self._DATA.get(code)
            if data is not None:
                data(self, code)
            elif (effect := self._EFFECTS.get(code)) is not None:
                yield from effect(self, code, offset)
            elif code == 0x2E:
                yield Event("stop", offset, value=self._pop())
                return
            else:
                raise FormatError(f"0x{code:02x} is no pickle opcode", offset)

    def recall(self, index: int) -> Any:
        """What the memo holds; ``UNKNOWN`` where it was not kept.

        Raises:
            FormatError: Nothing was ever stored there.
        """
        if self._blind:
            return UNKNOWN
        if index in self._memo:
            return self._memo[index]
        if index < self._memoised and self._memoised > _MEMO:
            return UNKNOWN
        raise FormatError(f"memo slot {index} is empty", self.cursor.position)

    # --- the stack -------------------------------------------------------------------------------

    def _push(self, value: Any) -> None:
        self._stack.append(value)
        self._depth += 1
        if self._depth > _STACK:
            raise FormatError("more values on the stack than a pickler leaves there", self.cursor.position)

    def _pop(self) -> Any:
        if not self._stack:
            raise FormatError("an opcode finds the stack empty", self.cursor.position)
        self._depth -= 1
        return self._stack.pop()

    def _top(self) -> Any:
        if not self._stack:
            raise FormatError("an opcode finds the stack empty", self.cursor.position)
        return self._stack[-1]

    def _pop_mark(self) -> list[Any]:
        if not self._outer:
            raise FormatError("an opcode finds no mark", self.cursor.position)
        items = self._stack
        self._stack = self._outer.pop()
        self._depth -= len(items) + 1
        return items

    def _mark(self, _: int) -> None:
        self._outer.append(self._stack)
        self._stack = []
        self._depth += 1
        if self._depth > _STACK:
            raise FormatError("more marks than a pickler sets", self.cursor.position)

    def _drop(self, _: int) -> None:
        if self._stack:
            self._pop()
        else:  # as both of CPython's unpicklers do
            self._pop_mark()

    def _drop_mark(self, _: int) -> None:
        self._pop_mark()

    def _duplicate(self, _: int) -> None:
        self._push(self._top())

    # --- data ------------------------------------------------------------------------------------

    def _nothing(self, code: int) -> None:
        if code == 0x95:
            self.cursor.skip(8)
        elif code == 0x98:
            self._top()

    def _proto(self, _: int) -> None:
        protocol = self.cursor.u8()
        if protocol > 5:
            raise FormatError(f"pickle protocol {protocol} is unknown", self.cursor.position - 1)
        self.protocol = max(self.protocol, protocol)

    def _constant(self, code: int) -> None:
        self._push(_CONSTANTS[code])

    def _integer(self, code: int) -> None:
        if code == 0x4A:
            self._push(self.cursor.i32())
        else:
            self._push(int.from_bytes(self.cursor.read(1 if code == 0x4B else 2), "little"))

    def _float(self, _: int) -> None:
        self.cursor.read(8)
        self._push(None)

    def _long(self, code: int) -> None:
        length = int.from_bytes(self.cursor.read(1 if code == 0x8A else 4), "little")
        if length > 8:
            self.cursor.skip(length)
            self._push(None)
        else:
            self._push(int.from_bytes(self.cursor.read(length), "little", signed=True))

    def _line(self) -> bytes:
        raw = bytearray()
        while (byte := self.cursor.u8()) != 0x0A:
            raw.append(byte)
            if len(raw) > _LINE:
                raise FormatError("a line has no end", self.cursor.position)
        return bytes(raw)

    def _number_line(self, _: int) -> None:
        raw = self._line().strip().rstrip(b"L")
        self._push(int(raw) if len(raw) < 19 and raw.lstrip(b"-").isdigit() else None)

    def _string_line(self, _: int) -> None:
        raw = self._line().strip()
        if len(raw) < 2 or raw[0] != raw[-1] or raw[:1] not in {b"'", b'"'}:
            raise FormatError("a STRING has no quotes", self.cursor.position)
        try:
            text = codecs.escape_decode(raw[1:-1])[0]
        except ValueError as error:
            raise FormatError("a STRING has a broken escape", self.cursor.position) from error
        self._push(text.decode("latin-1")[:_LINE])

    def _unicode_line(self, _: int) -> None:
        try:
            self._push(self._line().decode("raw-unicode-escape"))
        except UnicodeDecodeError as error:
            raise FormatError("a UNICODE has a broken escape", self.cursor.position) from error

    def _sized(self, code: int) -> None:
        width, is_text = _SIZED[code]
        length = int.from_bytes(self.cursor.read(width), "little")
        if is_text and length <= LONGEST_TEXT:
            self._push(self.cursor.read(length).decode("utf-8", "backslashreplace"))
            return
        self._push(Blob(self.cursor.position, length))
        self.cursor.skip(length)

    def _empty(self, code: int) -> None:
        self._push(Table() if code == 0x7D else () if code == 0x29 else Sequence())

    def _tuple(self, code: int) -> None:
        if code == 0x74:
            self._push(tuple(self._pop_mark()[:KEPT]))
            return
        items = [self._pop() for _ in range(code - 0x84)]
        self._push(tuple(reversed(items)))

    def _collect(self, code: int) -> None:
        items = self._pop_mark()
        if code == 0x64:
            table = Table()
            _fill(table, items)
            self._push(table)
        else:
            self._push(Sequence(items[:KEPT]))

    def _append(self, code: int) -> None:
        items = [self._pop()] if code == 0x61 else self._pop_mark()
        target = self._top()
        if isinstance(target, Sequence) and len(target.items) < KEPT:
            target.items += items[: KEPT - len(target.items)]

    def _put(self, code: int) -> None:
        value = self._top()
        index = self._memoised if code == 0x94 else self._index(code)
        if index in self._memo:
            self._memo[index] = value
            return
        if self._memoised > _MEMO and code != 0x94:
            self._blind = True
        self._memoised += 1
        if self._memoised <= _MEMO:
            self._memo[index] = value

    def _get(self, code: int) -> None:
        self._push(self.recall(self._index(code)))

    def _index(self, code: int) -> int:
        if code in b"hq":
            return self.cursor.u8()
        if code in b"jr":
            return self.cursor.u32()
        raw = self._line().strip()
        if not raw.isdigit() or len(raw) > 18:
            raise FormatError("a memo index is no number", self.cursor.position)
        return int(raw)

    # --- effects ---------------------------------------------------------------------------------

    def _set(self, code: int, offset: int) -> Iterator[Event]:
        if code == 0x73:
            value, key = self._pop(), self._pop()
            items = [key, value]
        else:
            items = self._pop_mark()
        target = self._top()
        if isinstance(target, Table):
            _fill(target, items)
        for key, value in zip(items[::2], items[1::2], strict=False):
            if isinstance(value, Result) and isinstance(key, str):
                yield Event("set", offset, target, value, key)

    def _import(self, found: Global, offset: int) -> Iterator[Event]:
        self._push(found)
        yield Event("import", offset, found)

    def _global(self, _: int, offset: int) -> Iterator[Event]:
        yield from self._import(Global(self._name(), self._name()), offset)

    def _name(self) -> str:
        return self._line().decode("utf-8", "backslashreplace")

    def _stack_global(self, _: int, offset: int) -> Iterator[Event]:
        name, module = self._pop(), self._pop()
        for part in (module, name):
            if not isinstance(part, str | Blob | Result | Unknown):
                raise FormatError("STACK_GLOBAL finds no texts", offset)
        yield from self._import(
            Global(module if isinstance(module, str) else "?", name if isinstance(name, str) else "?"), offset
        )

    def _extension(self, code: int, offset: int) -> Iterator[Event]:
        number = int.from_bytes(self.cursor.read(1 << (code - 0x82)), "little")
        yield from self._import(Global("copyreg", f"extension {number}"), offset)

    def _call(self, function: Any, arguments: Any, offset: int) -> Iterator[Event]:
        known = arguments if isinstance(arguments, tuple) else (arguments,)
        result = Result(function if isinstance(function, Global) else None, known)
        self._push(result)
        yield Event("call", offset, function, known)

    def _reduce(self, code: int, offset: int) -> Iterator[Event]:
        keywords = self._pop() if code == 0x92 else None
        arguments, function = self._pop(), self._pop()
        if isinstance(keywords, Table) and keywords.items and isinstance(arguments, tuple):
            arguments = (*arguments, *keywords.items.values())
        yield from self._call(function, arguments, offset)

    def _instance(self, _: int, offset: int) -> Iterator[Event]:
        found = Global(self._name(), self._name())
        arguments = tuple(self._pop_mark()[:KEPT])
        yield Event("import", offset, found)
        yield from self._call(found, arguments, offset)

    def _object(self, _: int, offset: int) -> Iterator[Event]:
        items = self._pop_mark()
        if not items:
            raise FormatError("OBJ finds no class", offset)
        yield from self._call(items[0], tuple(items[1:KEPT]), offset)

    def _build(self, _: int, offset: int) -> Iterator[Event]:
        state = self._pop()
        target = self._top()
        if isinstance(target, Result):
            target.state = state
        yield Event("build", offset, target, state)

    def _persistent(self, code: int, offset: int) -> Iterator[Event]:
        value = self._name() if code == 0x50 else self._pop()
        result = Result(None, (value,))
        self._push(result)
        yield Event("persistent", offset, result, value)

    _DATA: ClassVar[dict[int, Callable[[Any, int], None]]] = {
        **dict.fromkeys(b"KMJ", _integer),
        **dict.fromkeys(b"hjg", _get),
        **dict.fromkeys(b"pqr\x94", _put),
        **dict.fromkeys(_SIZED, _sized),
        **dict.fromkeys(_CONSTANTS, _constant),
        **dict.fromkeys(b"])}\x8f", _empty),
        **dict.fromkeys(b"t\x85\x86\x87", _tuple),
        **dict.fromkeys(b"dl\x91", _collect),
        **dict.fromkeys(b"ae\x90", _append),
        **dict.fromkeys(b"IFL", _number_line),
        **dict.fromkeys(b"\x8a\x8b", _long),
        **dict.fromkeys(b"\x95\x98", _nothing),
        0x28: _mark,
        0x30: _drop,
        0x31: _drop_mark,
        0x32: _duplicate,
        0x47: _float,
        0x53: _string_line,
        0x56: _unicode_line,
        0x80: _proto,
    }
    _EFFECTS: ClassVar[dict[int, Callable[[Any, int, int], Iterator[Event]]]] = {
        **dict.fromkeys(b"su", _set),
        **dict.fromkeys(b"\x82\x83\x84", _extension),
        **dict.fromkeys(b"R\x81\x92", _reduce),
        **dict.fromkeys(b"PQ", _persistent),
        0x62: _build,
        0x63: _global,
        0x69: _instance,
        0x6F: _object,
        0x93: _stack_global,
    }


def _fill(table: Table, items: list[Any]) -> None:
    for key, value in zip(items[::2], items[1::2], strict=False):
        if isinstance(key, str) and (len(table.items) < KEPT or key in table.items):
            table.items[key] = value
