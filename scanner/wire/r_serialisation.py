"""R's serialisation as a stream of events: types, symbols, promises; numbers are stepped over.

Grammar: R Internals 1.8 and ``src/main/serialize.c`` (``ReadItem``, ``ReadBC``), versions 2 and 3, XDR
and native little-endian. The walk keeps its own stack, for pairlists nest as deep as they are long.
No opinions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.errors import FormatError
from scanner.reader import Cursor

# SEXPTYPE and the pseudo types of serialize.c.
SYMBOL, PAIRLIST, CLOSURE, ENVIRONMENT, PROMISE, CALL, SPECIAL, BUILTIN, CHARACTERS = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
)
LOGICAL, INTEGER, REAL, COMPLEX, STRINGS, DOTS, LIST, EXPRESSION, BYTECODE = (
    10,
    13,
    14,
    15,
    16,
    17,
    19,
    20,
    21,
)
POINTER, WEAK, RAW, S4 = 22, 23, 24, 25
ALTERNATIVE, ATTRIBUTED_LIST, ATTRIBUTED_CALL, CODE_REFERENCE, CODE_DEFINITION = 238, 239, 240, 243, 244
PACKAGE, PERSISTENT, NAMESPACE, REFERENCE = 250, 248, 249, 255
_SINGLES = frozenset({241, 242, 247, 251, 252, 253, 254, 246, 245})
_WIDTHS = {LOGICAL: 4, INTEGER: 4, REAL: 8, COMPLEX: 16, RAW: 1}
_CELLS = frozenset({PAIRLIST, CALL, CLOSURE, PROMISE, DOTS})
_CODE_CELLS = frozenset({PAIRLIST, CALL, ATTRIBUTED_LIST, ATTRIBUTED_CALL})
_ATTRIBUTES, _TAG = 0x200, 0x400
_NAME = 1 << 20


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a reader would make."""

    kind: int
    """A type of R, or of its serialisation."""
    offset: int
    name: str = ""
    """Of a symbol (also of one that is referred to again), a builtin or a package."""
    end: bool = False
    """Everything within a promise, a closure or an expression has been read."""


@dataclass(slots=True)
class Stream:
    """One serialised object."""

    cursor: Cursor
    big: bool = True
    version: int = 0
    written_by: str = ""
    _names: list[str] = field(default_factory=list)

    def head(self) -> None:
        """The header behind the letter of the encoding.

        Raises:
            FormatError: It is of a version that R does not have.
        """
        self.version = self._int()
        written = self._int()
        self._int()
        if self.version not in {2, 3}:
            raise FormatError(
                f"serialisation version {self.version}, which R does not have", self.cursor.position
            )
        self.written_by = f"{written >> 16 & 255}.{written >> 8 & 255}.{written & 255}"
        if self.version == 3:
            self.cursor.skip(self._count())

    def walk(self) -> Iterator[Event]:
        """Events of one object, depth first.

        Raises:
            FormatError: A type that R does not have, or fewer bytes than declared.
            BudgetExceeded: More items than the budget allows.
        """
        # Tasks, the last one first: an item, `n` cells of bytecode, a piece of it, the end of something.
        tasks: list[tuple[str, int]] = [("item", 0)]
        while tasks:
            self.cursor.budget.spend_items()
            what, value = tasks.pop()
            if what == "item":
                yield from self._item(tasks)
            elif what == "end":
                yield Event(value, self.cursor.position, end=True)
            elif what == "items":
                if value > 1:
                    tasks.append(("items", value - 1))
                tasks.append(("item", 0))
            elif what == "code":
                tasks += [("constants", 0), ("item", 0)]
            elif what == "constants":
                tasks += [("constant", 0)] * self._bounded()
            elif what == "constant":
                self._constant(tasks, self._int())
            else:
                self._cell(tasks, self._int())

    def _int(self) -> int:
        return int.from_bytes(self.cursor.read(4), "big" if self.big else "little", signed=True)

    def _count(self) -> int:
        """A length: one word, or two where a vector is long."""
        count = self._int()
        if count == -1:
            high, low = self._int(), self._int()
            count = (high << 32) + (low & 0xFFFFFFFF)
        if count < 0 or count > self.cursor.reader.size * 8:
            raise FormatError(f"a length of {count}", self.cursor.position - 4)
        return count

    def _bounded(self) -> int:
        """A count of things that take at least four bytes each."""
        count = self._count()
        if count * 4 > self.cursor.left:
            raise FormatError(
                f"{count} items are declared, {self.cursor.left} bytes are left", self.cursor.position
            )
        self.cursor.budget.spend_items(count)
        return count

    def _item(self, tasks: list[tuple[str, int]]) -> Iterator[Event]:
        at = self.cursor.position
        flags = self._int()
        kind = flags & 0xFF
        attributes = bool(flags & _ATTRIBUTES)
        if kind in _CELLS:
            yield Event(kind, at)
            # A closure's body and a promise's expression end before whatever follows them.
            tasks += [("end", kind)] if kind in {CLOSURE, PROMISE} else []
            tasks += [("item", 0)] * (2 + attributes + bool(flags & _TAG))
        elif kind in _WIDTHS:
            self.cursor.skip(self._count() * _WIDTHS[kind])
        elif kind in {STRINGS, LIST, EXPRESSION}:
            count = self._bounded()
            if kind == EXPRESSION:
                yield Event(kind, at)
            tasks += [("item", 0)] if attributes else []
            tasks += [("end", kind)] if kind == EXPRESSION else []
            tasks += [("items", count)] if count else []
            return
        elif kind == CHARACTERS:
            self._characters()
        elif kind not in _SINGLES:
            yield from self._rare(kind, flags, at, tasks)
            return
        if attributes and kind not in _CELLS:
            tasks.append(("item", 0))

    def _rare(self, kind: int, flags: int, at: int, tasks: list[tuple[str, int]]) -> Iterator[Event]:
        attributes = bool(flags & _ATTRIBUTES)
        if kind == SYMBOL:
            self._int()
            self._names.append(self._characters())
            yield Event(kind, at, self._names[-1])
        elif kind == REFERENCE:
            index = flags >> 8 or self._int()
            if not 0 < index <= len(self._names):
                raise FormatError("a reference to something that was not read yet", at)
            if self._names[index - 1]:
                yield Event(SYMBOL, at, self._names[index - 1])
        elif kind in {PACKAGE, PERSISTENT, NAMESPACE}:
            self._int()
            names = []
            for _ in range(self._bounded()):
                self._int()
                names.append(self._characters())
            self._names.append("")
            yield Event(kind, at, names[0] if names else "")
        elif kind in {SPECIAL, BUILTIN}:
            yield Event(kind, at, self._characters())
        elif kind == BYTECODE:
            self._count()
            yield Event(kind, at)
            tasks += [("item", 0)] * attributes
            tasks.append(("code", 0))
        else:
            self._holder(kind, attributes, at, tasks)

    def _holder(self, kind: int, attributes: bool, at: int, tasks: list[tuple[str, int]]) -> None:  # noqa: FBT001
        """What only holds other items."""
        if kind == ENVIRONMENT:
            self._int()
            self._names.append("")
            tasks += [("item", 0)] * 4
        elif kind == POINTER:
            self._names.append("")
            tasks += [("item", 0)] * (2 + attributes)
        elif kind == WEAK:
            self._names.append("")
            tasks += [("item", 0)] * attributes
        elif kind == S4:
            tasks += [("item", 0)] * attributes
        elif kind == ALTERNATIVE:
            tasks += [("item", 0)] * 3
        else:
            raise FormatError(f"an item of the type {kind}, which R does not have", at)

    def _characters(self) -> str:
        length = self._int()
        if length == -1:
            return ""
        if length > _NAME:
            self.cursor.skip(length)
            return ""
        return self.cursor.read(length).decode("utf-8", "replace")

    def _constant(self, tasks: list[tuple[str, int]], kind: int) -> None:
        if kind == BYTECODE:
            tasks.append(("code", 0))
        elif kind in _CODE_CELLS or kind in {CODE_DEFINITION, CODE_REFERENCE}:
            self._cell(tasks, kind)
        else:
            tasks.append(("item", 0))

    def _cell(self, tasks: list[tuple[str, int]], kind: int) -> None:
        """A piece of the language within bytecode (``ReadBCLang``)."""
        if kind == CODE_REFERENCE:
            self._int()
            return
        if kind == CODE_DEFINITION:
            self._int()
            kind = self._int()
        if kind in _CODE_CELLS:
            tasks += [("cell", 0), ("cell", 0), ("item", 0)]
            tasks += [("item", 0)] if kind in {ATTRIBUTED_LIST, ATTRIBUTED_CALL} else []
        else:
            tasks.append(("item", 0))
