"""Which dotted names the expressions of a Python module stand for, as far as the text shows."""

from __future__ import annotations

import ast
import base64
import binascii
import builtins
from dataclasses import dataclass, field

_DEEPEST = 24
_MOST = 256
_LONGEST = 100_000
BUILTINS = frozenset(dir(builtins)) | {"execfile", "unicode", "reload"}
# Calls that give a module for its name.
IMPORTERS = frozenset(("builtins.__import__", "importlib.import_module", "importlib.__import__"))
_PARTIALS = frozenset(("functools.partial", "functools.partialmethod", "builtins.staticmethod"))
UNKNOWN = "?"
"""Stands in a dotted name for a part that the program computes."""


@dataclass(slots=True)
class Names:
    """What the names of one module are bound to, wherever and in whatever order they are bound."""

    bound: dict[str, list[ast.expr | str]] = field(default_factory=dict)
    """Name to everything assigned to it: an expression, or the dotted name of an import."""
    stars: list[str] = field(default_factory=list)
    """Modules imported with ``*``."""
    _active: set[str] = field(default_factory=set)
    _known: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def bind(self, name: str, value: ast.expr | str) -> None:
        """Note one binding."""
        self.bound.setdefault(name, []).append(value)

    def resolve(self, node: ast.expr, depth: int = 0) -> tuple[str, ...]:
        """Every dotted name that an expression can stand for; empty where it is a value of its own."""
        if depth > _DEEPEST:
            return (UNKNOWN,)
        depth += 1
        found: tuple[str, ...] = ()
        match node:
            case ast.Name():
                found = self._name(node.id, depth)
            case ast.Attribute():
                found = self._under(node.value, node.attr, depth)
            case ast.Call():
                found = self._call(node, depth)
            case ast.Subscript():
                found = self._subscript(node, depth)
            case ast.NamedExpr() | ast.Await() | ast.Starred():
                found = self.resolve(node.value, depth)
            case ast.IfExp():
                found = self._any([node.body, node.orelse], depth)
            case ast.BoolOp():
                found = self._any(node.values, depth)
        return found

    def _any(self, parts: list[ast.expr], depth: int) -> tuple[str, ...]:
        return tuple(name for part in parts[:_MOST] for name in self.resolve(part, depth))[:_MOST]

    def _name(self, name: str, depth: int) -> tuple[str, ...]:
        if name not in self.bound:
            stars = [f"{module}.{name}" for module in self.stars]
            if name == "__builtins__":
                return ("builtins",)
            return (*stars, *([f"builtins.{name}"] if name in BUILTINS else []))
        if name in self._known or name in self._active:
            return self._known.get(name, ())
        self._active.add(name)
        found: dict[str, None] = {}
        for value in self.bound[name]:
            found.update(dict.fromkeys([value] if isinstance(value, str) else self.resolve(value, depth)))
        self._active.remove(name)
        names = tuple(found)[:_MOST]
        if not self._active:
            self._known[name] = names
        return names

    def _under(self, base: ast.expr, name: str, depth: int) -> tuple[str, ...]:
        return tuple(
            owner
            if name == "__dict__"
            else f"{owner.removesuffix('.__builtins__')}.{name}"
            if not owner.endswith(".__builtins__")
            else f"builtins.{name}"
            for owner in self.resolve(base, depth)
        )

    def _call(self, node: ast.Call, depth: int) -> tuple[str, ...]:
        for called in self.resolve(node.func, depth):
            if called in IMPORTERS and node.args:
                text = self.text(node.args[0], depth)
                if text is None:
                    return (UNKNOWN,)
                whole = called == "importlib.import_module" or len(node.args) > 3
                return (text,) if whole else (text.partition(".")[0], text)
            if called == "builtins.getattr" and len(node.args) >= 2:
                text = self.text(node.args[1], depth)
                return self._under(node.args[0], text if text is not None else UNKNOWN, depth)
            if called in _PARTIALS and node.args:
                return self.resolve(node.args[0], depth)
            if called == "builtins.vars" and node.args:
                return self.resolve(node.args[0], depth)
        return ()

    def _subscript(self, node: ast.Subscript, depth: int) -> tuple[str, ...]:
        text = self.text(node.slice, depth)
        found: list[str] = []
        for base in self.resolve(node.value, depth):
            if base == "sys.modules":
                found.append(text if text is not None else UNKNOWN)
            else:
                found.append(f"{base}.{text if text is not None else UNKNOWN}")
        if isinstance(node.value, ast.Call):
            called = self.resolve(node.value.func, depth)
            if {"builtins.globals", "builtins.locals", "builtins.vars"}.intersection(
                called
            ) and text is not None:
                found += self._name(text, depth)
        if isinstance(node.value, ast.List | ast.Tuple):
            found += self._any(node.value.elts, depth)
        elif isinstance(node.value, ast.Dict):
            found += self._any(node.value.values, depth)
        return tuple(found)[:_MOST]

    def text(self, node: ast.expr, depth: int = 0) -> str | None:
        """The text that an expression is, where that is constant."""
        value = self._constant(node, depth)
        if isinstance(value, bytes):
            return value.decode("latin-1")
        return value if isinstance(value, str) else None

    def _constant(self, node: ast.expr, depth: int) -> object:
        if depth > _DEEPEST:
            return None
        depth += 1
        found: object = None
        match node:
            case ast.Constant():
                found = node.value
            case ast.Name():
                found = self._constant_name(node.id, depth)
            case ast.BinOp(op=ast.Add()):
                found = _added(self._constant(node.left, depth), self._constant(node.right, depth))
            case ast.JoinedStr():
                found = self._joined(node.values, depth)
            case ast.FormattedValue():
                found = self._constant(node.value, depth)
            case ast.Subscript(slice=ast.Slice(lower=None, upper=None, step=ast.UnaryOp(op=ast.USub()))):
                value = self._constant(node.value, depth)
                found = value[::-1] if isinstance(value, str | bytes) else None
            case ast.Call():
                found = self._constant_call(node, depth)
        return found

    def _constant_name(self, name: str, depth: int) -> object:
        bound = self.bound.get(name, [])
        if len(bound) != 1 or name in self._active or isinstance(bound[0], str):
            return None
        self._active.add(name)
        value = self._constant(bound[0], depth)
        self._active.remove(name)
        return value

    def _joined(self, parts: list[ast.expr], depth: int) -> str | None:
        texts = [self._constant(part, depth) for part in parts]
        if all(isinstance(text, str) for text in texts):
            return "".join(str(text) for text in texts)[:_LONGEST]
        return None

    def _constant_call(self, node: ast.Call, depth: int) -> object:
        arguments = [self._constant(part, depth) for part in node.args[:3]]
        if isinstance(node.func, ast.Attribute):
            return self._method(node, arguments, depth)
        called = self.resolve(node.func, depth)
        first = arguments[0] if arguments else None
        if "builtins.chr" in called and isinstance(first, int) and 0 <= first < 0x110000:
            return chr(first)
        if {"builtins.str", "builtins.bytes"}.intersection(called) and isinstance(first, str | bytes):
            return first
        return _decoded(called, first)

    def _method(self, node: ast.Call, arguments: list[object], depth: int) -> object:
        assert isinstance(node.func, ast.Attribute)  # noqa: S101 - for the type checker
        base, name = self._constant(node.func.value, depth), node.func.attr
        match name, base, arguments:
            case "join", str(), _ if node.args and isinstance(node.args[0], ast.List | ast.Tuple):
                return self._joined(node.args[0].elts, depth) if base == "" else None
            case "decode" | "encode", str() | bytes(), _:
                return base
            case "lower" | "upper" | "strip" | "swapcase", str(), []:
                return getattr(base, name)()
            case "replace", str(), [str() as old, str() as new, *_] if len(base) * len(new) < _LONGEST:
                return base.replace(old, new)
        return _decoded(self.resolve(node.func, depth), arguments[0] if arguments else None)


def _added(left: object, right: object) -> str | None:
    if isinstance(left, str) and isinstance(right, str) and len(left) + len(right) < _LONGEST:
        return left + right
    return None


def _decoded(called: tuple[str, ...], value: object) -> object:
    if not isinstance(value, str | bytes):
        return None
    raw = value.encode("latin-1", "replace") if isinstance(value, str) else value
    try:
        if "base64.b64decode" in called:
            return base64.b64decode(raw)
        if {"bytes.fromhex", "builtins.bytes.fromhex", "binascii.unhexlify"}.intersection(called):
            return bytes.fromhex(raw.decode("latin-1"))
    except (ValueError, binascii.Error):
        return None
    return None
