"""What an expression of a Jinja template can evaluate to, as far as that shows without rendering it.

Three answers: the constants that it can be; text that the template builds from parts which are not all
known; or plain data, which is what the caller passes in and what is read out of it.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from jinja2 import nodes

_MOST = 64
_LONGEST = 10_000
_DEEPEST = 40
_STEPS = 1_000_000


class _Mark:
    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


BUILT = _Mark("built")
"""Text put together by the template, not known in full."""
DATA = _Mark("data")
"""What the caller passes in, and numbers."""

_CYCLE = _Mark("cycle")
"""A name inside its own assignment: nothing new, unless text grows on it."""

Values = _Mark | tuple[Any, ...]
"""One of the two marks, or all constants that the expression can be."""

# Filters that hand on an element or the text itself; what they get from data is data.
_PASSING = frozenset(
    ("first", "last", "random", "min", "max", "sort", "unique", "reverse", "list", "select",
     "selectattr", "reject", "rejectattr", "map", "trim", "lower", "upper", "title", "capitalize", "items",
     "dictsort", "safe", "groupby", "batch", "slice")
)  # fmt: skip
# Objects of Jinja's own: as text they have letters and underscores to pick from.
_OBJECTS = frozenset(("lipsum", "cycler", "joiner", "namespace", "self"))
_NUMERIC = frozenset(("length", "count", "int", "float", "abs", "round", "sum", "wordcount"))
_BUILDING_METHODS = frozenset(("format", "format_map", "join", "replace", "translate", "decode", "encode"))


def _joined(value: Any, separator: Any = "") -> str:
    parts = [str(part) if not isinstance(part, _Mark) else _fail(part) for part in value]
    if len(parts) * (len(str(separator)) + 1) > _LONGEST:
        raise OverflowError
    return str(separator).join(parts)


def _fail(part: Any) -> str:
    raise TypeError(part)


def _replaced(text: Any, old: Any, new: Any, count: Any = -1) -> str:
    if len(str(text)) * (len(str(new)) + 1) > _LONGEST * 10:
        raise OverflowError
    return str(text).replace(str(old), str(new), count)


def _percent(left: Any, *parts: Any) -> str:
    if not isinstance(left, str):
        raise TypeError
    if "*" in left or sum(part.isdigit() for part in left) > 4:
        raise OverflowError  # a width beyond reason
    return left % parts


def _braces(text: Any, *parts: Any, **named: Any) -> str:
    for _, name, spec, conversion in string.Formatter().parse(text):
        # Attributes and items are not looked up here: whoever asks for names sees them in the text.
        if (name and not name.isalnum()) or spec or conversion:
            raise OverflowError
    return str(text).format(*parts, **named)


_FOLDS: dict[str, Callable[..., Any]] = {
    "join": _joined,
    "reverse": lambda value: value[::-1],
    "replace": _replaced,
    "format": _percent,
    "lower": lambda text: str(text).lower(),
    "upper": lambda text: str(text).upper(),
    "title": lambda text: str(text).title(),
    "capitalize": lambda text: str(text).capitalize(),
    "trim": lambda text, chars=None: str(text).strip(chars),
    "string": str,
    "safe": str,
    "escape": str,
    "e": str,
    "list": list,
    "first": lambda value: next(iter(value)),
    "last": lambda value: list(value)[-1],
}
_METHODS: dict[str, Callable[..., Any]] = {
    **{name: getattr(str, name) for name in ("lower", "upper", "title", "capitalize", "swapcase", "split")},
    **{name: getattr(str, name) for name in ("strip", "lstrip", "rstrip", "removeprefix", "removesuffix")},
    "replace": _replaced,
    "join": lambda separator, parts: _joined(parts, separator),
    "format": _braces,
    "get": lambda table, *key: table.get(*key),
    "keys": lambda table: list(table.keys()),
    "values": lambda table: list(table.values()),
    "items": lambda table: [list(pair) for pair in table.items()],
}


@dataclass(slots=True)
class Folding:
    """Constant folding over one template; assignments are collected first, order is not looked at."""

    assigned: dict[str, list[nodes.Expr]] = field(default_factory=dict)
    """Name, or ``namespace.attribute``, to everything that is assigned to it."""
    macros: dict[str, nodes.Macro] = field(default_factory=dict)
    _names: dict[str, Values] = field(default_factory=dict)
    _active: set[str] = field(default_factory=set)
    _steps: int = 0

    def assign(self, name: str, value: nodes.Expr) -> None:
        """Note one assignment."""
        self.assigned.setdefault(name, []).append(value)

    def values(self, node: nodes.Node, depth: int = 0) -> Values:
        """What an expression can be."""
        self._steps += 1
        if depth > _DEEPEST or self._steps > _STEPS:
            return BUILT
        found = self._fold(node, depth + 1)
        return DATA if found is _CYCLE and not depth else found

    def _fold(self, node: nodes.Node, depth: int) -> Values:
        match node:
            case nodes.Const():
                return (node.value,)
            case nodes.TemplateData():
                return (node.data,)
            case nodes.Name() if node.name in _OBJECTS and node.name not in self.assigned:
                return BUILT
            case nodes.Name():
                return self._named(node.name, depth)
        for kinds, fold in self._rules():
            if isinstance(node, kinds):
                return fold(node, depth)
        return DATA

    def _rules(self) -> tuple[tuple[Any, Callable[[Any, int], Values]], ...]:
        return (
            (nodes.Getattr, self._attribute),
            (nodes.Getitem, self._item),
            (nodes.Filter, self._filter),
            (nodes.Call, self._call),
            (nodes.CondExpr, lambda n, d: self._union([n.expr1, *([n.expr2] if n.expr2 else [])], d)),
            ((nodes.And, nodes.Or), lambda n, d: self._union([n.left, n.right], d)),
            (nodes.Concat, lambda n, d: self._built(n.nodes, d, _joined_parts, text=True)),
            (nodes.Add, lambda n, d: self._built([n.left, n.right], d, _added, text=False)),
            (nodes.Mul, lambda n, d: self._built([n.left, n.right], d, _multiplied, text=False)),
            (nodes.Mod, lambda n, d: self._built([n.left, n.right], d, _formatted, text=False)),
            (nodes.Neg, lambda n, d: self._built([n.node], d, _negative, text=False)),
            ((nodes.Tuple, nodes.List), lambda n, d: self._collection(n.items, d)),
            (nodes.Dict, self._table),
            ((nodes.MarkSafe, nodes.MarkSafeIfAutoescape), lambda n, d: self.values(n.expr, d)),
        )

    def _named(self, name: str, depth: int) -> Values:
        if name not in self.assigned:
            return DATA
        if name in self._names:
            return self._names[name]
        if name in self._active:
            return _CYCLE
        self._active.add(name)
        found = self._union(self.assigned[name], depth)
        self._active.remove(name)
        if not self._active:
            # What was found inside another name's assignment may lack that name's own values.
            self._names[name] = found
        return found

    def _union(self, parts: Iterable[nodes.Node], depth: int) -> Values:
        found: list[Any] = []
        cycle = False
        for part in parts:
            values = self.values(part, depth)
            if values is BUILT:
                return BUILT
            if isinstance(values, _Mark):
                cycle = cycle or values is _CYCLE
            else:
                found += values[: _MOST - len(found)]
        if cycle and any(isinstance(one, str) for one in found):
            return BUILT  # a text that is cut or put together round by round
        # Constants beside data are kept: one of them may be the name that matters.
        return tuple(found) if found else DATA

    def _built(
        self, parts: Iterable[nodes.Node], depth: int, fold: Callable[..., Any], *, text: bool
    ) -> Values:
        """Fold an operation; with an unknown part it is built text unless it cannot be a name."""
        values = [self.values(part, depth) for part in parts]
        known = [one for one in values if not isinstance(one, _Mark)]
        if len(known) == len(values):
            return _product(fold, known)
        strings = [one for some in known for one in some if isinstance(one, str)]
        if any(part and not f"a{part}".isidentifier() and "%" not in part for part in strings):
            return DATA  # `"<|" + role + "|>"` is no name of an attribute
        if text or strings or BUILT in values:
            return BUILT
        return _CYCLE if _CYCLE in values else DATA

    def _collection(self, items: list[nodes.Expr], depth: int) -> Values:
        """Fold a list, in which marks stand for the elements that are not known."""
        values = [self.values(item, depth) for item in items[:_LONGEST]]
        parts = [(one,) if isinstance(one, _Mark) else one or (DATA,) for one in values]
        return _product(lambda *found: list(found), parts)

    def _table(self, node: nodes.Dict, depth: int) -> Values:
        table: dict[Any, Any] = {}
        for pair in node.items[:_LONGEST]:
            keys, values = self.values(pair.key, depth), self.values(pair.value, depth)
            if isinstance(keys, _Mark) or len(keys) != 1 or isinstance(keys[0], list | dict):
                return DATA
            table[keys[0]] = values if isinstance(values, _Mark) else values[0] if len(values) == 1 else DATA
        return (table,)

    def _attribute(self, node: nodes.Getattr, depth: int) -> Values:
        assigned: Values = DATA
        if isinstance(node.node, nodes.Name):
            assigned = self._named(f"{node.node.name}.{node.attr}", depth)
        if assigned is not DATA:
            return assigned
        base = self.values(node.node, depth)
        tables = () if isinstance(base, _Mark) else tuple(one for one in base if isinstance(one, dict))
        # An attribute that a dict has not is one of its items.
        return _product(lambda table: table[node.attr], [tables], failed=DATA)

    def _item(self, node: nodes.Getitem, depth: int) -> Values:
        base = self.values(node.node, depth)
        if isinstance(base, _Mark):
            return base
        if isinstance(node.arg, nodes.Slice):
            bounds = [self._bound(part, depth) for part in (node.arg.start, node.arg.stop, node.arg.step)]
            if BUILT in bounds:
                return BUILT
            return _product(lambda value: value[slice(*bounds)], [base], failed=DATA)
        index = self.values(node.arg, depth)
        if isinstance(index, _Mark):
            # One of the elements: all of them are possible.
            elements = tuple(part for one in base for part in _elements(one))
            return _product(lambda value: value, [elements], failed=DATA)
        return _product(lambda value, key: value[key], [base, index], failed=DATA)

    def _bound(self, node: nodes.Expr | None, depth: int) -> Any:
        if node is None:
            return None
        values = self.values(node, depth)
        if isinstance(values, _Mark) or len(values) != 1:
            return BUILT
        return values[0]

    def _filter(self, node: nodes.Filter, depth: int) -> Values:
        if node.name in {"default", "d"} and node.node is not None:
            return self._union([node.node, *node.args, *(pair.value for pair in node.kwargs)], depth)
        base = self.values(node.node, depth) if node.node is not None else BUILT
        arguments = [self.values(part, depth) for part in node.args]
        if node.name in _NUMERIC:
            return DATA
        if (
            node.name == "string"
            and base in {DATA, _CYCLE}
            and not isinstance(node.node, nodes.Filter | nodes.Call)
        ):
            return DATA
        plain = not (node.kwargs or node.dyn_args or node.dyn_kwargs)
        known = [one for one in (base, *arguments) if not isinstance(one, _Mark)]
        if plain and node.name in _FOLDS and len(known) == len(arguments) + 1:
            return _product(_FOLDS[node.name], known)
        if node.name in _PASSING:
            return base if isinstance(base, _Mark) else BUILT
        return BUILT

    def _call(self, node: nodes.Call, depth: int) -> Values:
        called = node.node
        if isinstance(called, nodes.Name):
            if called.name == "dict" and not node.args and not node.dyn_kwargs:
                # `dict(__class__=x)|first` is a text without quotation marks.
                return ([pair.key for pair in node.kwargs],)
            return BUILT if called.name in {*self.macros, *_OBJECTS} - {"namespace"} else DATA
        if not isinstance(called, nodes.Getattr):
            return DATA
        base = self.values(called.node, depth)
        values = [base, *(self.values(part, depth) for part in node.args)]
        known = [one for one in values if not isinstance(one, _Mark)]
        if called.attr in _METHODS and len(known) == len(values) and not node.kwargs:
            return _product(_METHODS[called.attr], known)
        if called.attr in _BUILDING_METHODS:
            return BUILT
        return base if isinstance(base, _Mark) else DATA


def _elements(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return list(value) if isinstance(value, str | list) else []


def _product(fold: Callable[..., Any], parts: list[tuple[Any, ...]], failed: _Mark = BUILT) -> Values:
    found: list[Any] = []
    for combination in itertools.islice(itertools.product(*parts), _MOST):
        try:
            value = fold(*combination)
        except (TypeError, ValueError, LookupError, StopIteration, AttributeError):
            continue  # rendering it would fail, or it is not known how it would not
        except OverflowError:
            return BUILT
        if value in (BUILT, _CYCLE) or (isinstance(value, str | list) and len(value) > _LONGEST):
            return BUILT
        if value is not DATA:
            found.append(value)
        else:
            failed = DATA
    return tuple(found) if found else failed


def _joined_parts(*parts: Any) -> str:
    return _joined(parts)


def _added(left: Any, right: Any) -> Any:
    return left + right


def _negative(value: Any) -> Any:
    return -value


def _multiplied(left: Any, right: Any) -> Any:
    size = max(len(part) if isinstance(part, str | list) else 1 for part in (left, right))
    if any(isinstance(part, int) and abs(part) * size > _LONGEST for part in (left, right)):
        raise OverflowError
    return left * right


def _formatted(left: Any, right: Any) -> Any:
    if isinstance(left, str):
        return _percent(left, *(right if isinstance(right, list) else [right]))
    return left % right
