"""What code reaches: the calls of a function, followed as far as the source goes."""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass

from scanner.data.capabilities import capability
from tools.callables.source import Library, Module, imported

# What a pickle can have run of an object of a class: construction, state, insertion, comparison, the end; and
# being called, because the ``__setstate__`` of many a class calls methods of what it is given.
LOADED = (
    "__call__", "__new__", "__init__", "__post_init__", "__setstate__", "__setattr__", "__setitem__", "append", "extend",
    "add", "__hash__", "__eq__", "__getattr__", "__getattribute__", "__del__", "__array_finalize__",
    "__len__", "__bool__", "__iter__", "__next__", "__getitem__", "__contains__", "__lt__",
)  # fmt: skip
HARMLESS_BUILTINS = frozenset(
    [
        "abs",
        "all",
        "any",
        "bool",
        "bytearray",
        "bytes",
        "callable",
        "chr",
        "complex",
        "dict",
        "divmod",
        "enumerate",
        "float",
        "format",
        "frozenset",
        "hash",
        "id",
        "int",
        "isinstance",
        "issubclass",
        "iter",
        "len",
        "list",
        "max",
        "min",
        "next",
        "object",
        "ord",
        "pow",
        "print",
        "range",
        "repr",
        "reversed",
        "round",
        "set",
        "slice",
        "sorted",
        "str",
        "sum",
        "super",
        "tuple",
        "type",
        "zip",
        "hasattr",
        "getattr",
        "setattr",
        "NotImplemented",
    ]
)
# Methods of data: whatever safe object stands in front of them, they do no more than compute.
HARMLESS_METHODS = frozenset(
    [
        "append",
        "extend",
        "insert",
        "pop",
        "remove",
        "clear",
        "copy",
        "update",
        "items",
        "keys",
        "values",
        "get",
        "setdefault",
        "add",
        "discard",
        "index",
        "count",
        "sort",
        "reverse",
        "join",
        "split",
        "rsplit",
        "strip",
        "lstrip",
        "rstrip",
        "startswith",
        "endswith",
        "lower",
        "upper",
        "title",
        "replace",
        "format",
        "encode",
        "decode",
        "isdigit",
        "isalpha",
        "isidentifier",
        "partition",
        "rpartition",
        "zfill",
        "union",
        "intersection",
        "difference",
        "issubset",
        "issuperset",
        "astype",
        "reshape",
        "ravel",
        "flatten",
        "copy",
        "view",
        "sum",
        "min",
        "max",
        "mean",
        "any",
        "all",
        "tolist",
        "item",
        "transpose",
        "squeeze",
        "fill",
        "nonzero",
        "argsort",
        "argmax",
        "argmin",
        "cumsum",
        "round",
        "clip",
        "take",
        "repeat",
        "swapaxes",
        "dot",
        "conj",
        "setflags",
        "newbyteorder",
        "is_integer",
        "bit_length",
        "as_integer_ratio",
        "hex",
        "most_common",
        "elements",
        "popitem",
        "move_to_end",
        "isoformat",
        "date",
        "time",
        "weekday",
        "toordinal",
        "total_seconds",
        "warn",
        "size",
        "dim",
        "numel",
        "stride",
        "detach",
        "requires_grad_",
        "data_ptr",
        "to",
        "type_as",
        "new_empty",
        "new_zeros",
        "zero_",
        "fill_",
        "copy_",
        "uniform_",
        "normal_",
        "group",
        "groups",
        "match",
        "search",
        "fullmatch",
        "findall",
        "sub",
        "finditer",
        "mul_",
        "div_",
        "add_",
        "sub_",
    ]
)
HARMLESS_OUTSIDE = (
    "numpy.", "warnings.warn", "math.", "cmath.", "operator.", "itertools.", "collections.", "copy.copy",
    "copy.deepcopy", "numbers.", "typing.", "enum.", "abc.", "re.", "string.", "dataclasses.field",
    "functools.wraps", "datetime.", "decimal.", "fractions.", "textwrap.", "random.Random", "torch.Size",
    "torch.empty", "torch.zeros", "torch.ones", "torch.tensor", "torch.full", "torch.get_default_dtype",
    "torch.is_tensor", "torch._C.", "torch.device", "torch.is_floating_point", "scipy.", "time.time",
    "torch.randn", "torch.rand", "torch.arange", "torch.eye", "torch.no_grad", "torch.as_tensor",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reach:
    """What was found: a capability, or a reason why nothing is proved; neither means safe."""

    capability: str = ""
    unproved: str = ""

    def join(self, other: Reach) -> Reach:
        """The worse of two."""
        return Reach(self.capability or other.capability, self.unproved or other.unproved)


SAFE = Reach()


class Walk:
    """Verdicts about classes and functions of a library; recursion through one of them counts as safe."""

    def __init__(self, library: Library, assumed: frozenset[str] = frozenset()) -> None:
        self._library = library
        self._assumed = assumed
        """Classes that were reviewed by hand and found safe; only what derives from them is read."""
        self._known: dict[tuple[int, int], Reach] = {}

    def named(self, qualified: str) -> Reach:
        """Calling whatever a qualified name leads to."""
        found = self._library.resolve(qualified)
        if isinstance(found, str):
            return outside(found)
        module, node = found
        if isinstance(node, ast.ClassDef):
            return self.of_class(module, node)
        return self.of_function(module, node, None)

    def of_class(self, module: Module, node: ast.ClassDef) -> Reach:
        """Everything that a pickle can have run of a class."""
        key = (id(node), 0)
        if key not in self._known:
            self._known[key] = SAFE
            self._known[key] = self._class(module, node)
        return self._known[key]

    def _class(self, module: Module, node: ast.ClassDef) -> Reach:
        verdict = SAFE
        for where, cls in self.lineage(module, node):
            if isinstance(cls, str):
                verdict = verdict.join(base(cls))
                continue
            if f"{where.name}.{cls.name}" in self._assumed:
                continue
            for keyword in cls.keywords:
                if keyword.arg == "metaclass":
                    verdict = verdict.join(base(self._qualify(where, keyword.value) or "a metaclass"))
            for method in cls.body:
                if isinstance(method, ast.FunctionDef) and method.name in LOADED:
                    verdict = verdict.join(self.of_function(where, method, (module, node)))
        return verdict

    def lineage(self, module: Module, node: ast.ClassDef) -> list[tuple[Module, ast.ClassDef | str]]:
        """The class and its bases, names where the source is not here."""
        found: list[tuple[Module, ast.ClassDef | str]] = [(module, node)]
        for expression in node.bases:
            name = self._qualify(module, expression)
            target = self._library.resolve(name) if name else "a computed base"
            if isinstance(target, str):
                found.append((module, target))
            elif isinstance(target[1], ast.ClassDef) and len(found) < 60:
                found += self.lineage(target[0], target[1])
        return found

    def of_function(self, module: Module, node: ast.AST, owner: tuple[Module, ast.ClassDef] | None) -> Reach:
        """Everything that a function calls, followed."""
        key = (id(node), id(owner[1]) if owner else 0)
        if key in self._known:
            return self._known[key]
        self._known[key] = SAFE
        local = dict(module.imports)
        own = _arguments(node)
        verdict = SAFE
        for inner in ast.walk(node):
            if isinstance(inner, ast.Import | ast.ImportFrom):
                local |= imported(inner, module.name.rpartition(".")[0])
            elif isinstance(inner, ast.Assign):
                own |= {t.id for t in inner.targets if isinstance(t, ast.Name)}
        decorators = {id(c) for d in getattr(node, "decorator_list", []) for c in ast.walk(d)}
        for inner in ast.walk(node):
            if isinstance(inner, ast.Call) and id(inner) not in decorators:
                verdict = verdict.join(looked_up(inner))
                verdict = verdict.join(self._call(module, local, own, inner.func, owner))
        name = getattr(node, "name", "?")
        if verdict.unproved and verdict.unproved.count(" in ") < 6:
            verdict = Reach(verdict.capability, f"{verdict.unproved} in {name}")
        self._known[key] = verdict
        return verdict

    def _call(  # noqa: PLR0911 - one way out for each kind of callee
        self,
        module: Module,
        local: dict[str, str],
        own: set[str],
        callee: ast.expr,
        owner: tuple[Module, ast.ClassDef] | None,
    ) -> Reach:
        chain = dotted(callee)
        if chain is None:
            if isinstance(callee, ast.Attribute):
                return self._method(callee, owner)
            return Reach(unproved=f"calls {ast.unparse(callee)[:60]}")
        root, _, rest = chain.partition(".")
        if root in {"self", "cls"} and rest and owner:
            return self._method(callee, owner)
        if root in own and not rest:
            return Reach(unproved=f"calls its own {root}")
        if root in own:
            return self._method(callee, None)
        if root in local:
            return self.named(f"{local[root]}.{rest}" if rest else local[root])
        if root in module.defined:
            return self.named(f"{module.name}.{chain}")
        if hasattr(builtins, root):
            return builtin(root, rest)
        return self._method(callee, None) if rest else Reach(unproved=f"calls {chain}")

    def _method(self, callee: ast.expr, owner: tuple[Module, ast.ClassDef] | None) -> Reach:
        name = callee.attr if isinstance(callee, ast.Attribute) else ""
        through_self = isinstance(callee, ast.Attribute) and _is_self(callee.value)
        if owner and through_self:
            for where, cls in self.lineage(*owner):
                for method in cls.body if isinstance(cls, ast.ClassDef) else ():
                    if isinstance(method, ast.FunctionDef) and method.name == name:
                        return self.of_function(where, method, owner)
        if name in HARMLESS_METHODS or name in LOADED:
            return SAFE
        return Reach(unproved=f"calls .{name}() of something")

    def _qualify(self, module: Module, expression: ast.expr) -> str | None:
        if isinstance(expression, ast.Subscript):
            expression = expression.value
        chain = dotted(expression)
        if chain is None:
            return None
        root, _, rest = chain.partition(".")
        if root in module.imports:
            return f"{module.imports[root]}.{rest}" if rest else module.imports[root]
        if root in module.defined:
            return f"{module.name}.{chain}"
        return chain


def _is_self(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id == "super"
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


def _arguments(node: ast.AST) -> set[str]:
    arguments = getattr(node, "args", None)
    if not isinstance(arguments, ast.arguments):
        return set()
    every = (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    extra = (a.arg for a in (arguments.vararg, arguments.kwarg) if a)
    return {a.arg for a in every} | set(extra)


def dotted(node: ast.expr) -> str | None:
    """``a.b.c`` of a chain of attributes on a name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join((node.id, *reversed(parts))) if isinstance(node, ast.Name) else None


def looked_up(call: ast.Call) -> Reach:
    """``getattr`` with a name that is data: by it, a pickle gets from any object to everything."""
    name = dotted(call.func)
    constant = len(call.args) < 2 or isinstance(call.args[1], ast.Constant)
    return (
        SAFE if constant or name not in {"getattr", "setattr"} else Reach(unproved=f"calls {name} with data")
    )


def builtin(name: str, rest: str) -> Reach:
    """Calling a builtin, or a method of one."""
    found = capability(f"builtins.{name}")
    value = getattr(builtins, name)
    if name in HARMLESS_BUILTINS or (isinstance(value, type) and issubclass(value, BaseException)):
        return SAFE
    if found not in {"safe", "unknown"} and not rest:
        return Reach(capability=found)
    return SAFE if found == "safe" else Reach(unproved=f"calls builtins.{name}")


def outside(qualified: str) -> Reach:
    """Calling something whose source is not here."""
    found = capability(qualified)
    if found == "safe" or qualified.startswith(HARMLESS_OUTSIDE):
        return SAFE
    if qualified.rpartition(".")[2].endswith(("Error", "Warning", "Exception")):
        return SAFE
    return Reach(unproved=f"calls {qualified}") if found == "unknown" else Reach(capability=found)


def base(name: str) -> Reach:
    """Deriving from something whose source is not here."""
    plain = name.rpartition(".")[2]
    if plain in _BASES or hasattr(builtins, name) or capability(name) == "safe":
        return SAFE
    return Reach(unproved=f"derives from {name}")


_BASES = frozenset(
    [
        "ABC",
        "ABCMeta",
        "Generic",
        "Protocol",
        "Enum",
        "IntEnum",
        "StrEnum",
        "Flag",
        "EnumMeta",
        "EnumType",
        "NamedTuple",
        "TypedDict",
        "Mapping",
        "MutableMapping",
        "Sequence",
        "MutableSequence",
        "Set",
        "OrderedDict",
        "UserDict",
        "UserList",
        "defaultdict",
        "Counter",
        "ndarray",
        "float64",
        "int64",
        "Number",
        "Real",
        "Hashable",
        "Iterable",
        "Iterator",
        "Callable",
        "TensorBase",
    ]
)
