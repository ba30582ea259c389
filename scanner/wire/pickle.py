"""Pickle, protocols 0 to 5: a symbolic machine that says what loading a stream would import and call.

Nothing is loaded; objects are stood for by small symbols. The opcodes' meaning is that of CPython's
``Modules/_pickle.c`` and ``Lib/pickle.py``; their layout that of ``Lib/pickletools.py``. Where the two
unpicklers differ, the machine follows the one that goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from scanner.errors import BudgetExceeded, FormatError
from scanner.reader import Budget, Cursor
from scanner.wire.pickle_data import only_data
from scanner.wire.pickle_state import STACK_LIMIT, State
from scanner.wire.pickle_values import KEPT, Blob, Event, Forgotten, Global, Result, Table

_ROUND = 4096


class Machine(State):
    """Runs one pickle after another from a cursor; the caller may move the cursor between events."""

    def __init__(self, cursor: Cursor, budget: Budget, *, shortcuts: bool = True) -> None:
        super().__init__(cursor, budget)
        self.quiet: set[Global] = set()
        """Callables whose calls need no event, nor BUILD on their results; the caller fills it."""
        self._shortcuts = shortcuts

    def run(self) -> Iterator[Event]:
        """Events of one pickle, up to and with its STOP.

        Raises:
            FormatError: An opcode is unknown, incomplete, or has nothing to work on. Earlier events stand:
                a loader has done them by then.
            BudgetExceeded: Too many opcodes, or more to remember than is allowed.
        """
        self.reset()
        if self._shortcuts:
            protocol = only_data(self.cursor, self.budget)
            if protocol is not None:
                self.protocol = max(self.protocol, protocol)
                yield Event("stop", self.cursor.position - 1)
                return
        at = self.load()
        while True:
            at = self._build_data(at)
            code, offset = self.data[at], self.base + at
            self.sync(at + 1)
            if code == 0x2E:
                yield Event("stop", offset, value=self.stack[-1] if self.stack else None)
                return
            effect = self._EFFECTS.get(code)
            if effect is None:
                raise FormatError(f"0x{code:02x} is no pickle opcode", offset)
            try:
                for event in effect(self, code, at + 1):
                    self.loud += 1
                    yield event
            except FormatError as error:
                raise _placed(error, offset) from error
            at = self.load()
            if self._shortcuts and self.marks and code in b"Rb":
                at = self.shapes.skip(self, at)

    def _build_data(self, at: int) -> int:
        """Run opcodes that only build data; returns the place of the first one that does more."""
        steps = self.STEPS
        try:
            while True:
                if self.weight > STACK_LIMIT:
                    raise BudgetExceeded("values on a pickle's stack", STACK_LIMIT)
                for done in range(_ROUND):
                    if at >= self.soft:
                        at = self.move(at)
                    code = self.data[at]
                    step = steps[code]
                    if step is None:
                        self.budget.spend_items(done + 1)
                        return at
                    at = step(self, code, at + 1)
                self.budget.spend_items(_ROUND)
        except FormatError as error:
            raise _placed(error, self.base + at) from error

    # --- effects: (machine, opcode, place of its operand); the cursor stands behind the opcode ----

    def _set(self, code: int, at: int) -> Iterator[Event]:
        if code == 0x73:
            value, key = self.pop(), self.pop()
            items = [key, value]
        else:
            items = self.pop_mark()
        target = self.top()
        if isinstance(target, Table):
            target.add(items)
        for key, value in zip(items[::2], items[1::2], strict=False):
            if isinstance(value, Result) and isinstance(key, str) and value.of not in self.quiet:
                yield Event("set", self.base + at - 1, target, value, key)

    def _import(self, found: Global, offset: int) -> Iterator[Event]:
        self.stack.append(found)
        yield Event("import", offset, found)

    def _names(self, at: int) -> tuple[str, str]:
        module, at = self.line(at)
        name, at = self.line(at)
        self.sync(at)
        return module.decode("utf-8", "backslashreplace"), name.decode("utf-8", "backslashreplace")

    def _global(self, _: int, at: int) -> Iterator[Event]:
        offset = self.base + at - 1
        yield from self._import(Global(*self._names(at)), offset)

    def _stack_global(self, _: int, at: int) -> Iterator[Event]:
        offset = self.base + at - 1
        name, module = self.pop(), self.pop()
        for part in (module, name):
            if not isinstance(part, str | Blob | Result | Forgotten):
                raise FormatError("STACK_GLOBAL finds no texts", offset)
        found = Global(module if isinstance(module, str) else "?", name if isinstance(name, str) else "?")
        yield from self._import(found, offset)

    def _extension(self, code: int, at: int) -> Iterator[Event]:
        width = 1 << (code - 0x82)
        if at + width > self.end:
            raise FormatError("the last opcode is cut off", self.base + at)
        number = int.from_bytes(self.data[at : at + width], "little")
        offset = self.base + at - 1
        self.sync(at + width)
        yield from self._import(Global("copyreg", f"extension-{number}"), offset)

    def _call(self, function: Any, arguments: Any, offset: int) -> Iterator[Event]:
        known = arguments if isinstance(arguments, tuple) else (arguments,)
        if not isinstance(function, Global):
            self.stack.append(Result(None, known))
            yield Event("call", offset, function, known)
            return
        self.stack.append(Result(function, known))
        if function not in self.quiet:
            yield Event("call", offset, function, known)

    def _reduce(self, code: int, at: int) -> Iterator[Event]:
        keywords = self.pop() if code == 0x92 else None
        arguments, function = self.pop(), self.pop()
        if isinstance(keywords, Table) and keywords.items and isinstance(arguments, tuple):
            arguments = (*arguments, *keywords.items.values())
        return self._call(function, arguments, self.base + at - 1)

    def _instance(self, _: int, at: int) -> Iterator[Event]:
        offset = self.base + at - 1
        found = Global(*self._names(at))
        arguments = tuple(self.pop_mark()[:KEPT])
        yield Event("import", offset, found)
        yield from self._call(found, arguments, offset)

    def _object(self, _: int, at: int) -> Iterator[Event]:
        offset = self.base + at - 1
        items = self.pop_mark()
        if not items:
            raise FormatError("OBJ finds no class", offset)
        yield from self._call(items[0], tuple(items[1:KEPT]), offset)

    def _build(self, _: int, at: int) -> Iterator[Event]:
        state = self.pop()
        target = self.top()
        if isinstance(target, Result):
            target.state = state
            if target.of in self.quiet:
                return
        yield Event("build", self.base + at - 1, target, state)

    def _persistent(self, code: int, at: int) -> Iterator[Event]:
        offset = self.base + at - 1
        if code == 0x50:
            line, at = self.line(at)
            if not line.isascii():
                raise FormatError("a persistent id is not ASCII", offset)
            value: Any = line.decode("ascii")
            self.sync(at)
        else:
            value = self.pop()
        result = Result(None, (value,))
        self.stack.append(result)
        yield Event("persistent", offset, result, value)

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


def _placed(error: FormatError, offset: int) -> FormatError:
    return error if error.offset is not None else FormatError(error.reason, offset)
