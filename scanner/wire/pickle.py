"""Pickle, protocols 0 to 5: a symbolic machine that says what loading a stream would import and call.

Nothing is loaded; objects are stood for by small symbols. The opcodes' meaning is that of CPython's
``Modules/_pickle.c`` and ``Lib/pickle.py``; their layout that of ``Lib/pickletools.py``. Where the two
unpicklers differ, the machine follows the one that goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final

from scanner.errors import BudgetExceeded, FormatError
from scanner.reader import Budget, Cursor
from scanner.wire.pickle_data import only_data
from scanner.wire.pickle_state import STACK_LIMIT, Effect, State
from scanner.wire.pickle_values import KEPT, Blob, Event, Forgotten, Global, Result, Table

_ROUND = 4096
_NO_USES: Final[frozenset[str]] = frozenset()
# By these, protocols 0 to 2 spell NEWOBJ (Lib/copyreg.py).
_RECONSTRUCTORS = frozenset(Global(module, "_reconstructor") for module in ("copyreg", "copy_reg"))
_ALLOCATORS = _RECONSTRUCTORS | {Global(module, "__newobj__") for module in ("copyreg", "copy_reg")}
_BASES = frozenset({"builtins", "__builtin__"})


class Machine(State):
    """Runs one pickle after another from a cursor; the caller may move the cursor between events."""

    def __init__(self, cursor: Cursor, budget: Budget, *, shortcuts: bool = True) -> None:
        super().__init__(cursor, budget)
        self.uses: dict[Global, frozenset[str]] = {}
        """What may be done with a name, and with what comes out of it, without an event: the kinds of events,
        and ``call-with-objects``, where ``call`` is for plain data only. The caller fills it."""
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
                if self.frame_end > offset + 1:  # where the next pickle begins, loaders disagree
                    raise FormatError("a frame goes on behind STOP", offset)
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
        done = 0
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
        except Effect:
            self.budget.spend_items(done + 1)
            return at
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
        else:
            yield from self._grow("items", at)
        for key, value in zip(items[::2], items[1::2], strict=False):
            if isinstance(value, Result) and isinstance(key, str) and "set" not in self._uses(value):
                yield Event("set", self.base + at - 1, target, value, key)

    def _extend(self, code: int, at: int) -> Iterator[Event]:
        if code == 0x61:
            self.pop()
        else:
            self.pop_mark()
        return self._grow("appends", at)

    def _grow(self, use: str, at: int) -> Iterator[Event]:
        """What is no plain dict or list is given items. Picklers do so before they give it its state."""
        target = self.top()
        if isinstance(target, Result) and not target.built and use in self._uses(target):
            return
        yield Event(use, self.base + at - 1, target)

    def _uses(self, found: Any) -> frozenset[str]:
        name = found.of if isinstance(found, Result) else found
        return self.uses.get(name, _NO_USES) if isinstance(name, Global) else _NO_USES

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
        self.keep((module, name))
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

    def _use(self, use: str, function: Any, arguments: Any, offset: int) -> Iterator[Event]:
        """A function is called, or an instance of a class is made; the result is put on the stack."""
        known = arguments if isinstance(arguments, tuple) else (arguments,)
        if isinstance(function, Result) and function.names is not None:
            function = function.names
        self.stack.append(Result(function if isinstance(function, Global) else None, known))
        if not self._may(use, function, known):
            yield Event(use, offset, function, known)

    def _may(self, use: str, function: Any, arguments: tuple[Any, ...]) -> bool:
        allowed = self._uses(function) if isinstance(function, Global) else _NO_USES
        if use != "call" or "call" not in allowed:
            return use in allowed or (use == "call" and "call-with-objects" in allowed)
        return all(self._is_data(argument) for argument in arguments)

    def _is_data(self, value: Any) -> bool:
        """Whether it is no object, or one that stays as it was made, such as a date."""
        if not isinstance(value, Result):
            return True
        allowed = self._uses(value)
        return "call" in allowed and allowed.isdisjoint({"new", "items", "appends", "state"})

    def _reduce(self, code: int, at: int) -> Iterator[Event]:
        offset = self.base + at - 1
        keywords = self.pop() if code == 0x92 else None
        arguments, function = self.pop(), self.pop()
        allocates = code == 0x52 and isinstance(function, Global) and function in _ALLOCATORS
        if allocates and isinstance(arguments, tuple) and arguments:
            yield from self._use("new", arguments[0], arguments[1:], offset)
            if function in _RECONSTRUCTORS and len(arguments) > 1:
                yield from self._based(arguments[1], arguments[2:], offset)
            return
        if isinstance(keywords, Table) and keywords.items and isinstance(arguments, tuple):
            arguments = (*arguments, *keywords.items.values())
        yield from self._use("call" if code == 0x52 else "new", function, arguments, offset)

    def _based(self, base: Any, arguments: tuple[Any, ...], offset: int) -> Iterator[Event]:
        """``copyreg._reconstructor`` runs its second argument's ``__new__`` and ``__init__``."""
        if isinstance(base, Global) and base.module in _BASES and "." not in base.name:
            return
        if not self._may("call", base, arguments):
            yield Event("call", offset, base, arguments)

    def _instance(self, _: int, at: int) -> Iterator[Event]:
        offset = self.base + at - 1
        found = Global(*self._names(at))
        yield Event("import", offset, found)  # the Python unpickler does that before it looks for the mark
        arguments = tuple(self.pop_mark()[:KEPT])
        yield from self._use("call" if arguments else "new", found, arguments, offset)

    def _object(self, _: int, at: int) -> Iterator[Event]:
        offset = self.base + at - 1
        items = self.pop_mark()
        if not items:
            raise FormatError("OBJ finds no class", offset)
        yield from self._use("call" if items[1:] else "new", items[0], tuple(items[1:KEPT]), offset)

    def _build(self, _: int, at: int) -> Iterator[Event]:
        state = self.pop()
        target = self.top()
        if isinstance(state, Table):
            self.keep(state.items)
        if isinstance(target, Result):
            again, target.built = target.built, True
            target.state = state if isinstance(state, tuple) else None  # a dict goes with the event
            # A second state could be given to what the first one put in the place of ``__setstate__``.
            if not again and "state" in self._uses(target) and self._is_plain(state):
                return
        yield Event("state", self.base + at - 1, target, state)

    def _is_plain(self, state: Any) -> bool:
        """Whether a state is data of the kinds that ``__setstate__`` expects, or a mapping."""
        return not isinstance(state, Global) and (self._is_data(state) or "items" in self._uses(state))

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
        **dict.fromkeys(b"ae\x90", _extend),
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
