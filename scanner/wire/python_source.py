"""Python source, parsed and never run: what it reaches when it is imported, and what it can reach later."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.errors import FormatError
from scanner.reader import Budget
from scanner.wire.python_names import BUILTINS, IMPORTERS, UNKNOWN, Names

LENGTH = 4 << 20
"""Longest source that is parsed, in bytes."""
NESTING = 150
"""Most brackets inside each other and most prefix operators in a row."""

# One token: strings and comments hide brackets, everything else only counts.
_TOKENS = re.compile(
    r"""(?P<skip>\#[^\n]*+|\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:[^"\\\n]++|\\.)*+"|'(?:[^'\\\n]++|\\.)*+')"""
    r"""|(?P<open>[\[({])|(?P<close>[\])}])|(?P<prefix>[-+~]|\b(?:not|lambda|await|elif|else)\b)"""
    r"""|(?P<space>[ \t]++)|(?P<word>\w++)|(?P<other>.)""",
    re.DOTALL,
)
# Run without being called by name: by the class statement, by the import of a name, by the collector.
_IMPLICIT = frozenset(("__init_subclass__", "__set_name__", "__class_getitem__", "__prepare__", "__del__"))
# Ways from any object to the interpreter's own tables.
REFLECTION = frozenset(
    ("__subclasses__", "__globals__", "__builtins__", "f_globals", "f_builtins", "f_locals")
)
_CONSTRUCTORS = ("__new__", "__init__", "__post_init__", "__call__", "__enter__", "__exit__")
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True, slots=True)
class Use:
    """One name that the source reaches."""

    name: str
    """Dotted; ``?`` stands for a computed part."""
    line: int
    at_import: bool
    """Whether importing the module is enough."""
    call: bool
    """Called, rather than named, handed on or stored."""


def decode(raw: bytes) -> tuple[str, str]:
    """Text and encoding, as Python chooses it (PEP 263).

    Raises:
        FormatError: The declared encoding is unknown, or the bytes are not text in it.
    """
    if raw[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        encoding = "utf-16"
    else:
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        except SyntaxError as error:
            raise FormatError(f"declares an encoding that Python does not know ({error.msg})", 0) from error
    try:
        return raw.decode(encoding), encoding
    except (UnicodeDecodeError, LookupError) as error:
        raise FormatError(f"is not valid {encoding}") from error


def parse(text: str) -> ast.Module:
    """Parse a module.

    Raises:
        FormatError: It is longer or nested deeper than allowed, or is no Python of this version.
    """
    if len(text) > LENGTH:
        raise FormatError(f"source of more than {LENGTH} characters")
    # NOTE: the documentation of ast.parse warns that deep nesting can crash the interpreter.
    _check_nesting(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = f" in line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise FormatError(f"{str(getattr(error, 'msg', error))[:120]}{line}") from error
    except (MemoryError, RecursionError) as error:
        raise FormatError("nested too deeply") from error


def _check_nesting(text: str) -> None:
    depth = run = 0
    for match in _TOKENS.finditer(text):
        kind = match.lastgroup
        depth += (kind == "open") - (kind == "close" and depth > 0)
        run = run + 1 if kind == "prefix" else run if kind == "space" else 0
        if max(depth, run) > NESTING:
            raise FormatError(f"nested more than {NESTING} deep", len(text[: match.start()].encode()))


_Step = tuple[Use | _Function, bool]


class Module:
    """The analysis of one module."""

    def __init__(self, tree: ast.Module, budget: Budget) -> None:
        self.names = Names()
        self.imports: dict[str, int] = {}
        """Imported modules and the line of the first import."""
        self._tree = tree
        self._budget = budget
        self._functions: dict[str, list[_Function]] = {}
        self._classes: dict[str, list[ast.ClassDef]] = {}
        for node in self._walk(tree):
            self._collect(node)
        self._defined = _defined(tree)

    def _walk(self, node: ast.AST) -> Iterator[ast.AST]:
        pending = [node]
        while pending:
            found = pending.pop()
            self._budget.spend_items()
            yield found
            pending += ast.iter_child_nodes(found)

    def _collect(self, node: ast.AST) -> None:
        match node:
            case ast.Import():
                for alias in node.names:
                    self.imports.setdefault(alias.name, node.lineno)
                    bound = alias.asname or alias.name.partition(".")[0]
                    self.names.bind(bound, alias.name if alias.asname else bound)
            case ast.ImportFrom():
                module = "." * node.level + (node.module or "")
                self.imports.setdefault(module, node.lineno)
                for alias in node.names:
                    if alias.name == "*":
                        self.names.stars.append(module)
                    else:
                        self.names.bind(alias.asname or alias.name, f"{module}.{alias.name}")
            case ast.Assign():
                for target in node.targets:
                    self._bind(target, node.value)
            case ast.AnnAssign() | ast.NamedExpr() if node.value is not None:
                self._bind(node.target, node.value)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._functions.setdefault(node.name, []).append(node)
                self.names.bind(node.name, node.name)
            case ast.ClassDef():
                self._classes.setdefault(node.name, []).append(node)
                self.names.bind(node.name, node.name)
            case ast.arg():
                self.names.bind(node.arg, f"<{node.arg}>")

    def _bind(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self.names.bind(target.id, value)
            if isinstance(value, ast.Lambda):
                self._functions.setdefault(target.id, []).append(value)
        elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for inner, part in zip(target.elts, value.elts, strict=False):
                self._bind(inner, part)

    def uses(self) -> Iterator[Use]:
        """Every name that is reached, import time first."""
        done: set[int] = set()
        pending: list[tuple[ast.AST, bool]] = [(self._tree, True)]
        for name in _IMPLICIT:
            pending += [(found, True) for found in self._functions.get(name, ())]
        # A module's own __getattr__ answers `from module import name`.
        hooks = {"__getattr__", "__dir__"}
        pending += [(n, True) for n in self._tree.body if isinstance(n, ast.FunctionDef) and n.name in hooks]
        later: list[_Function] = []
        while pending:
            node, importing = pending.pop()
            if isinstance(node, _Function) and importing:
                if id(node) in done:
                    continue
                done.add(id(node))
            for found, at_import in self._reach(node, importing=importing, later=later):
                if isinstance(found, Use):
                    yield found
                elif at_import:
                    pending.append((found, True))
        for function in later:
            if id(function) not in done:
                done.add(id(function))
                # Functions defined inside have been put on the same list.
                for found, _ in self._reach(function, importing=False, later=later):
                    if isinstance(found, Use):
                        yield found

    def _reach(self, root: ast.AST, *, importing: bool, later: list[_Function]) -> Iterator[_Step]:
        """Uses in what runs with ``root``, and the functions that this calls."""
        arguments = _arguments(root)
        pending: list[tuple[ast.AST, bool]] = [(part, importing) for part in _body(root)]
        while pending:
            node, now = pending.pop()
            self._budget.spend_items()
            match node:
                case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                    later.append(node)
                    yield from self._decorators(node, arguments, now=now)
                    pending += [(part, now) for part in _evaluated(node)]
                case ast.If() if _guards(node.test):
                    pending += [(part, False) for part in node.body]
                    pending += [(part, now) for part in node.orelse]
                case ast.ClassDef():
                    yield from self._decorators(node, arguments, now=now)
                    for keyword in node.keywords:
                        yield from self._called(keyword.value, arguments, now=now)
                    pending += [(part, now) for part in (*node.body, *(k.value for k in node.keywords))]
                case ast.AnnAssign():
                    # Annotations name types; what they call is a call like any other.
                    pending += [(part, now) for part in _calls(node.annotation)]
                    pending += [(part, now) for part in (node.target, node.value) if part is not None]
                case ast.ExceptHandler():
                    pending += [(part, now) for part in node.body]
                case ast.Call():
                    yield from self._call(node, arguments, now=now)
                    pending += [(part, now) for part in (*node.args, *(k.value for k in node.keywords))]
                    # The callee's own name has been told.
                    inner = node.func.value if isinstance(node.func, ast.Attribute) else node.func
                    pending += [] if isinstance(inner, ast.Name) else [(inner, now)]
                case _:
                    yield from ((use, now) for use in self._named(node, now=now))
                    pending += [(part, now) for part in ast.iter_child_nodes(node)]

    def _named(self, node: ast.AST, *, now: bool) -> Iterator[Use]:
        if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            return
        for name in self.names.resolve(node):
            yield Use(name, node.lineno, now, call=False)
        if isinstance(node, ast.Attribute) and node.attr in REFLECTION:
            yield Use(f"{UNKNOWN}.{node.attr}", node.lineno, now, call=False)

    def _decorators(
        self, node: _Function | ast.ClassDef, arguments: frozenset[str], *, now: bool
    ) -> Iterator[_Step]:
        for decorator in [] if isinstance(node, ast.Lambda) else node.decorator_list:
            yield from self._called(decorator, arguments, now=now)
            for call in _calls(decorator):
                yield from self._call(call, arguments, now=now)

    def _call(self, node: ast.Call, arguments: frozenset[str], *, now: bool) -> Iterator[_Step]:
        yield from self._called(node.func, arguments, now=now)
        if node.args and self.names.text(node.args[0]) is None:
            for name in IMPORTERS.intersection(self.names.resolve(node.func)):
                yield Use(f"{name}.{UNKNOWN}", node.lineno, now, call=True), now
        for part in (*node.args, *(keyword.value for keyword in node.keywords)):
            # A function handed to another one is called by it sooner or later: `atexit.register(f)`.
            if isinstance(part, ast.Name):
                yield from ((function, now) for function in self._functions.get(part.id, ()))
            elif isinstance(part, ast.Lambda):
                yield part, now

    def _called(self, node: ast.expr, arguments: frozenset[str], *, now: bool) -> Iterator[_Step]:
        names = list(self.names.resolve(node))
        if isinstance(node, ast.Name) and self._may_be_builtin(node, arguments):
            names.append(f"builtins.{node.id}")
        for name in dict.fromkeys(names):
            yield Use(name, node.lineno, now, call=True), now
        if isinstance(node, ast.Attribute) and node.attr in REFLECTION:
            yield Use(f"{UNKNOWN}.{node.attr}", node.lineno, now, call=True), now
        label = (
            node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
        )
        yield from ((function, now) for function in self._functions.get(label, ()))
        if isinstance(node, ast.Lambda):
            yield node, now
        for found in self._classes.get(label, ()):
            for part in found.body:
                if isinstance(part, ast.FunctionDef) and part.name in _CONSTRUCTORS:
                    yield part, now

    def _may_be_builtin(self, node: ast.Name, arguments: frozenset[str]) -> bool:
        """Whether a builtin that the module rebinds somewhere can still be meant here."""
        if node.id not in BUILTINS or node.id in arguments:
            return False
        return self._defined.get(node.id, node.lineno + 1) > node.lineno


def _defined(tree: ast.Module) -> dict[str, int]:
    """Names that the module defines or imports at its top, unconditionally, and the line where it does."""
    found: dict[str, int] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.setdefault(node.name, node.lineno)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                found.setdefault(alias.asname or alias.name, node.lineno)
    return found


def _body(root: ast.AST) -> list[ast.AST]:
    if isinstance(root, ast.Lambda):
        return [root.body]
    return list(getattr(root, "body", []))


def _arguments(root: ast.AST) -> frozenset[str]:
    if not isinstance(root, _Function):
        return frozenset()
    return frozenset(node.arg for node in ast.walk(root.args) if isinstance(node, ast.arg))


def _calls(node: ast.AST) -> list[ast.Call]:
    return [found for found in ast.walk(node) if isinstance(found, ast.Call)]


def _evaluated(node: _Function) -> list[ast.AST]:
    """What a function's definition evaluates: defaults, and calls in annotations."""
    defaults = [part for part in (*node.args.defaults, *node.args.kw_defaults) if part is not None]
    notes = [one.annotation for one in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    if not isinstance(node, ast.Lambda):
        notes.append(node.returns)
    return [*defaults, *(call for note in notes if note for call in _calls(note))]


def _guards(test: ast.expr) -> bool:
    """``if __name__ == "__main__"`` and ``if TYPE_CHECKING``: not taken by an import."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
        sides = [test.left, test.comparators[0]]
        names = {side.id for side in sides if isinstance(side, ast.Name)}
        values = {side.value for side in sides if isinstance(side, ast.Constant)}
        return names == {"__name__"} and values == {"__main__"}
    label = test.id if isinstance(test, ast.Name) else test.attr if isinstance(test, ast.Attribute) else ""
    return label == "TYPE_CHECKING"


def is_computed(name: str) -> bool:
    """Whether a part of a dotted name is computed by the program."""
    return UNKNOWN in name.split(".")
