"""The program itself (``models/*.json``): what its nodes call, and whether its expressions are arithmetic."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from scanner.data.capabilities import capability
from scanner.formats.torch_export.rules import EXPRESSION, TARGET, UNKNOWN
from scanner.model import Finding, Location, Rule
from scanner.reader import Budget
from scanner.wire import json

_LONG = 20_000
_LIMIT = 10_000
# Operators that PyTorch itself registers.
_OWN = frozenset(
    {
        "_c10d_functional",
        "_inductor_test",
        "aten",
        "c10d",
        "custom_op",
        "higher_order",
        "inductor",
        "prim",
        "prims",
        "profiler",
        "quantized",
        "quantized_decomposed",
        "rngprims",
        "sparse",
        "symm_mem",
        "torchao",
        "torchvision",
    }
)
_ARITHMETIC = frozenset(
    {
        "abs",
        "add",
        "and_",
        "eq",
        "floordiv",
        "ge",
        "getitem",
        "gt",
        "invert",
        "le",
        "lshift",
        "lt",
        "mod",
        "mul",
        "ne",
        "neg",
        "not_",
        "or_",
        "pos",
        "pow",
        "rshift",
        "sub",
        "truediv",
        "xor",
        "index",
        "round",
        "floor",
        "ceil",
        "trunc",
        "sqrt",
    }
)
_SYMBOLIC = frozenset(
    {
        "torch.sym_int",
        "torch.sym_float",
        "torch.sym_not",
        "torch.sym_max",
        "torch.sym_min",
        "torch.sym_ite",
        "torch.sym_sum",
        "torch.sym_fresh_size",
    }
)
# What guards ask of the inputs of a program.
_ASKED = frozenset(
    {"size", "stride", "storage_offset", "numel", "dtype", "shape", "ndim", "device", "node", "__getitem__"}
)
_NODES = (
    ast.Expression,
    ast.BinOp,
    ast.UnaryOp,
    ast.BoolOp,
    ast.Compare,
    ast.IfExp,
    ast.Name,
    ast.Constant,
    ast.Tuple,
    ast.List,
    ast.Subscript,
    ast.Slice,
    ast.keyword,
    ast.operator,
    ast.unaryop,
    ast.boolop,
    ast.cmpop,
    ast.expr_context,
)


def fault(text: str, *, guard: bool = False) -> str:
    """Why an expression is more than arithmetic over sizes; empty where it is no more."""
    if len(text) > _LONG:
        return "is too long to be read"
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "is no expression"
    return next((why for node in ast.walk(tree) if (why := _node_fault(node, guard=guard))), "")


def _node_fault(node: ast.AST, *, guard: bool) -> str:
    match node:
        case ast.Constant(value=str(text)):
            # The name of a symbol, or of an input.
            plain = text.replace(".", "_") if guard else text
            return "" if plain.isalnum() or plain.isidentifier() else f"holds the text {text[:40]!r}"
        case ast.Name(id=name):
            known = capability(f"builtins.{name}") in {"safe", "unknown"}
            return "" if known and not name.startswith("__") else f"names {name[:40]}"
        case ast.Attribute(attr=name):
            return "" if guard and name in _ASKED else f"takes the attribute {name[:40]}"
        case ast.Call(func=ast.Name()):
            return ""
        case ast.Call(func=ast.Attribute()) if guard:
            return ""
        case ast.Call():
            return "calls what it computes"
    return "" if isinstance(node, _NODES) else f"holds a {type(node).__name__}"


@dataclass(slots=True)
class Program:
    """One model's JSON; ``operators`` collects what it calls beyond PyTorch's own operators."""

    document: json.Document
    where: Location
    budget: Budget
    operators: dict[str, None] = field(default_factory=dict)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def judge(self) -> Iterator[Finding]:
        """Every table of the document; readings of repeated keys count as well."""
        for table in self.document.tables:
            self.budget.spend_items()
            if len(self._seen) > _LIMIT:
                return
            for value in json.every(table, "target"):
                yield from self._target(value)
            for value in json.every(table, "expr_str"):
                yield from self._expression(value, "expr_str", guard=False)
            for values in json.every(table, "guards_code"):
                for value in values if isinstance(values, list) else [values]:
                    yield from self._expression(value, "guards_code", guard=True)

    def _once(self, rule: Rule, what: str) -> bool:
        new = (rule.id, what) not in self._seen
        self._seen.add((rule.id, what))
        return new

    def _target(self, value: Any) -> Iterator[Finding]:
        # A node's target; the same key names a parameter in the signature, which is not called.
        if not isinstance(value, str) or not value.startswith(("torch.", "math.", "_operator", "#")):
            return
        does = _capability(value)
        shown = json.shown(value)
        if does == "safe" or not self._once(TARGET, shown):
            return
        self.operators[shown] = None
        evidence = (("callable", shown), ("capability", does))
        if does == "unknown":
            yield Finding(UNKNOWN, self.where, f"calls {shown}", evidence=evidence)
        else:
            yield Finding(TARGET, self.where, f"calls {shown} ({does})", evidence=evidence)

    def _expression(self, value: Any, key: str, *, guard: bool) -> Iterator[Finding]:
        if not isinstance(value, str):
            return
        why = fault(value, guard=guard)
        if why and self._once(EXPRESSION, value[:200]):
            shown = json.shown(value, 120)
            evidence = (("key", key), ("expression", shown))
            yield Finding(EXPRESSION, self.where, f"{key} {why}: {shown}", evidence=evidence)


def _capability(target: str) -> str:
    parts = target.split(".")
    if target.startswith("_operator"):
        return "safe" if len(parts) == 2 and parts[1] in _ARITHMETIC else capability(f"operator.{parts[-1]}")
    if parts[0] == "math" and len(parts) == 2 and not parts[1].startswith("_"):
        return "safe"
    if any(part.startswith("__") for part in parts):
        return "resolves-names"
    if target.startswith("torch.ops."):
        loads = len(parts) == 3 and parts[2] in {"load_library", "import_module"}
        return "loads-native-code" if loads else "safe" if parts[2] in _OWN else "unknown"
    return "safe" if target in _SYMBOLIC else capability(target)
