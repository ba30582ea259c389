"""The source of installed packages as syntax trees, with names resolved across modules."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HOPS = 20


@dataclass(slots=True)
class Module:
    """One module: what stands at its top level, and what its names are imported from."""

    name: str
    tree: ast.Module
    imports: dict[str, str] = field(default_factory=dict)
    """Local name to qualified name."""
    defined: dict[str, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef] = field(default_factory=dict)


class Library:
    """Every module of some packages."""

    def __init__(self, root: Path, packages: list[str]) -> None:
        self.modules: dict[str, Module] = {}
        for package in packages:
            base = root / package.replace(".", "/")
            for path in sorted(base.rglob("*.py")) if base.is_dir() else [base.with_suffix(".py")]:
                parts = list(path.relative_to(root).with_suffix("").parts)
                is_package = parts[-1] == "__init__"
                name = ".".join(parts[:-1] if is_package else parts)
                if not {"tests", "test", "testing", "conftest", "externals"}.intersection(parts):
                    self._read(path, name, is_package=is_package)

    def _read(self, path: Path, name: str, *, is_package: bool) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                tree = ast.parse(path.read_bytes())
            except (SyntaxError, ValueError):
                return
        module = Module(name, tree)
        base = name if is_package else name.rpartition(".")[0]
        for node in _statements(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                module.defined.setdefault(node.name, node)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                module.imports |= imported(node, base)
        self.modules[name] = module

    def resolve(self, qualified: str) -> tuple[Module, ast.AST] | str:
        """The definition behind a qualified name, through re-exports; else the name as far as it led."""
        for _ in range(_HOPS):
            module_name, _, rest = qualified.rpartition(".")
            module = self.modules.get(module_name)
            if module is None:
                return qualified
            if rest in module.defined:
                return module, module.defined[rest]
            if rest not in module.imports:
                return qualified
            qualified = module.imports[rest]
        return qualified


def imported(node: ast.Import | ast.ImportFrom, base: str) -> dict[str, str]:
    """What an import statement binds: local name to qualified name."""
    if isinstance(node, ast.Import):
        return {
            a.asname or a.name.partition(".")[0]: a.name if a.asname else a.name.partition(".")[0]
            for a in node.names
        }
    parts = base.split(".")
    start = ".".join(parts[: len(parts) - node.level + 1]) if node.level else ""
    source = ".".join(part for part in (start, node.module or "") if part)
    return {a.asname or a.name: f"{source}.{a.name}" for a in node.names}


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Top-level statements, those under ``if`` and ``try`` included."""
    for node in getattr(tree, "body", []):
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from _statements(node)
            for part in (*getattr(node, "handlers", []), *getattr(node, "orelse", [])):
                yield from _statements(part) if isinstance(part, ast.ExceptHandler) else _one(part)


def _one(node: ast.stmt) -> Iterator[ast.stmt]:
    yield node
    yield from _statements(node) if isinstance(node, ast.If | ast.Try) else ()
