"""The checked syntax tree of a CEL expression: what the type checker of CEL cannot know of our facts.

Elements of our lists are maps for CEL, so a misspelt field would be an error only when the rule runs.
Here every field is looked up in its declaration when the policy is loaded. Source of the encoding:
``cel/expr/checked.proto`` and ``syntax.proto`` of the CEL specification (messages ``CheckedExpr`` and
``Expr``); the bytes come from the compiler, not from a stranger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scanner.policy.facts import LISTS, Record

_SCALARS = {"string", "int", "bool"}
_COMPARED = {"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"}
_JOINS_TEXT = {"add_string", "add_bytes"}
_JOINS = {*_JOINS_TEXT, "add_list"}
# Field numbers of Constant's kinds.
_CONSTANTS = {2: "bool", 3: "int", 4: "uint", 5: "double", 6: "string", 7: "bytes"}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in an expression that is refused."""

    message: str
    offset: int
    """Characters from the start of the expression."""
    word: str = ""
    """The name that nobody knows."""
    known: tuple[str, ...] = ()
    """The names there are."""


class _Message:
    """One protobuf message: field number to its values, in order."""

    def __init__(self, raw: bytes) -> None:
        self._fields: dict[int, list[int | bytes]] = {}
        for number, value in _decode(raw):
            self._fields.setdefault(number, []).append(value)

    def number(self, field: int) -> int:
        value = self._fields.get(field, [0])[-1]
        return value if isinstance(value, int) else 0

    def text(self, field: int) -> str:
        value = self._fields.get(field, [b""])[-1]
        return value.decode("utf-8") if isinstance(value, bytes) else ""

    def all(self, field: int) -> list[_Message]:
        return [_Message(value) for value in self._fields.get(field, []) if isinstance(value, bytes)]

    def texts(self, field: int) -> list[str]:
        return [value.decode() for value in self._fields.get(field, []) if isinstance(value, bytes)]

    def one(self, field: int) -> _Message | None:
        found = self.all(field)
        return found[-1] if found else None

    def fields(self) -> set[int]:
        return set(self._fields)


def _decode(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = raw[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(raw):
        key = varint()
        width = {1: 8, 5: 4}.get(key & 7)
        if key & 7 == 0:
            yield key >> 3, varint()
            continue
        length = varint() if width is None else width
        yield key >> 3, raw[at : at + length]
        at += length


class _Checked:
    """A ``CheckedExpr`` inside its ``Any``."""

    def __init__(self, serialized: bytes) -> None:
        body = _Message(serialized).one(2) or _Message(b"")
        self.expression = body.one(4) or _Message(b"")
        info = body.one(5) or _Message(b"")
        self._positions = {entry.number(1): entry.number(2) for entry in info.all(4)}
        references = ((entry.number(1), entry.one(2)) for entry in body.all(2))
        self._references = {ident: ref for ident, ref in references if ref is not None}

    def offset(self, expression: _Message) -> int:
        return self._positions.get(expression.number(2), 0)

    @property
    def names(self) -> frozenset[str]:
        """Every name that the expression refers to."""
        return frozenset(reference.text(1) for reference in self._references.values())

    def name(self, expression: _Message) -> str:
        """The variable that a node stands for: ``file.path`` is one variable for CEL."""
        reference = self._references.get(expression.number(2))
        return reference.text(1) if reference else ""

    def overloads(self, expression: _Message) -> set[str]:
        reference = self._references.get(expression.number(2))
        return set(reference.texts(3)) if reference else set()


Scope = Mapping[str, str]


def read(serialized: bytes, variables: Scope) -> tuple[list[Problem], list[tuple[str, int]], frozenset[str]]:
    """What is wrong with an expression that CEL itself has accepted; its patterns; its variables.

    Each pattern comes with its offset. ``variables`` are the names that the expression may use, with
    the types of their declarations; a list of records is ``list(record:files)``.
    """
    walk = _Walk(_Checked(serialized))
    walk.type_of(walk.checked.expression, variables)
    return walk.found, walk.patterns, walk.checked.names & set(variables)


class _Walk:
    """Finds the type of every node as far as our declarations matter; empty where CEL knows better."""

    def __init__(self, checked: _Checked) -> None:
        self.checked = checked
        self.found: list[Problem] = []
        self.patterns: list[tuple[str, int]] = []

    def type_of(self, node: _Message, scope: Scope) -> str:
        kinds = node.fields()
        if 3 in kinds:
            constant = node.one(3) or _Message(b"")
            return next((name for field, name in _CONSTANTS.items() if field in constant.fields()), "")
        if 4 in kinds:
            ident = node.one(4) or _Message(b"")
            return scope.get(ident.text(1)) or scope.get(self.checked.name(node), "")
        if 5 in kinds:
            return self._select(node, node.one(5) or _Message(b""), scope)
        if 6 in kinds:
            return self._call(node, node.one(6) or _Message(b""), scope)
        if 7 in kinds:
            found = [self.type_of(item, scope) for item in (node.one(7) or _Message(b"")).all(1)]
            return f"list({found[0]})" if found and found[0] else ""
        if 8 in kinds:
            for entry in (node.one(8) or _Message(b"")).all(2):
                for part in (*entry.all(3), *entry.all(4)):
                    self.type_of(part, scope)
            return ""
        return self._comprehension(node.one(9) or _Message(b""), scope) if 9 in kinds else ""

    def _select(self, node: _Message, select: _Message, scope: Scope) -> str:
        variable = self.checked.name(node)
        if variable in scope:
            return scope[variable]
        operand = select.one(1)
        inner = self.type_of(operand, scope) if operand else ""
        if not inner.startswith("record:"):
            return "string" if inner == "map(string)" else ""
        record: Record = LISTS[inner.partition(":")[2]]
        name = select.text(2)
        for fact in record.fields:
            if fact.name == name:
                return "bool" if select.number(3) else fact.type
        known = tuple(fact.name for fact in record.fields)
        message = f"{record.name} has no field {name!r}"
        self.found.append(Problem(message, self.checked.offset(node), name, known))
        return ""

    def _call(self, node: _Message, call: _Message, scope: Scope) -> str:
        function = call.text(2)
        parts = [*call.all(1), *call.all(3)]
        types = [self.type_of(part, scope) for part in parts]
        offset = self.checked.offset(node)
        if function in _COMPARED:
            self._same(types[0], types[1], offset)
        elif function == "@in" and types[1].startswith("list("):
            self._same(types[0], types[1][5:-1], offset)
        elif function == "_[_]" and types[0].startswith("list("):
            return types[0][5:-1]
        elif function == "_[_]" and types[0].startswith("record:"):
            self.found.append(Problem("fields are written with a dot", offset))
        elif function == "_?_:_":
            return types[1] or types[2]
        elif function == "_+_":
            self._plus(node, parts, types)
            return types[0] or types[1]
        elif function == "matches":
            self._matches(parts[-1], offset)
        return ""

    def _same(self, left: str, right: str, offset: int) -> None:
        if {left, right} <= _SCALARS | {"uint", "double"} and left != right:
            numbers = {"int", "uint", "double"}
            if not {left, right} <= numbers:
                self.found.append(Problem(f"compares {left} with {right}, which are never equal", offset))

    def _plus(self, node: _Message, parts: list[_Message], types: list[str]) -> None:
        """Repeated doubling of text or lists would take all memory; macros add one element at a time."""
        macro = 4 in parts[0].fields() and (parts[0].one(4) or _Message(b"")).text(1) == "@result"
        numeric = set(types) & {"int", "uint", "double"}
        if self.checked.overloads(node) & _JOINS and not macro and not numeric:
            message = "text and lists cannot be joined with + here: compare the parts"
            self.found.append(Problem(message, self.checked.offset(node)))

    def _matches(self, pattern: _Message, offset: int) -> None:
        constant = pattern.one(3)
        if constant is None:
            message = "the pattern of matches() has to be written out"
            self.found.append(Problem(message, offset))
        else:
            self.patterns.append((constant.text(6), self.checked.offset(pattern)))

    def _comprehension(self, body: _Message, scope: Scope) -> str:
        source = body.one(2)
        container = self.type_of(source, scope) if source else ""
        element = container[5:-1] if container.startswith("list(") else ""
        if container == "map(string)":
            element = "string"
        variable, accumulator = body.text(1), body.text(3)
        start = body.one(4)
        inner = {**scope, accumulator: self.type_of(start, scope) if start else "", variable: element}
        step = body.one(6)
        if step is not None:
            inner[accumulator] = self.type_of(step, inner) or inner[accumulator]
        condition, result = body.one(5), body.one(7)
        if condition is not None:
            self.type_of(condition, inner)
        return self.type_of(result, inner) if result else ""
