"""Collect the names that Keras configurations ordinarily hold, from the source of several versions.

``python -m tools.keras_names FOLDER … > names.json``: reads unpacked wheels (folders that hold ``keras/``), runs
nothing of them. The output is reviewed and becomes ``classes`` and ``functions`` of ``scanner/data/keras.json``.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

# Packages whose classes a configuration is built of; in the rest of Keras nothing is looked for.
_FAMILIES = (
    "layers", "activations", "initializers", "regularizers", "constraints", "optimizers", "losses", "metrics",
    "quantizers", "dtype_policies", "ops", "models", "engine", "mixed_precision", "random", "legacy_tf_layers",
    "premade_models", "feature_column", "distillation", "experimental",
)  # fmt: skip
# Where a name has to be exported for that: files, network, saving and settings are exported elsewhere.
_OWNERS = re.compile(
    r"keras(?:\.(?:layers(?:\.experimental(?:\.preprocessing)?)?|activations|initializers|regularizers|constraints|"
    r"optimizers(?:\.schedules|\.legacy|\.experimental)?|losses|metrics(?:\.experimental)?|quantizers|"
    r"dtype_policies|ops(?:\.\w+)?|mixed_precision(?:\.experimental)?|experimental|distillation|random|models"
    r"(?:\.experimental)?))?"
)
_FUNCTION_OWNERS = re.compile(
    r"keras\.(?:layers|activations|initializers|regularizers|losses|metrics|ops(?:\.\w+)?|random)"
)
_LEFT_OUT = re.compile(
    r".*\.(?:[gs]et|serialize|deserialize|register\w*|clear\w*|enable\w*|disable\w*|Input)|.*Evaluator|"
    r".*(?:test|benchmark|adapter|training_(?:arrays|distributed|generator|utils)|compile_utils|legacy_rnn|"
    r"base_layer_utils|keras_tensor|autocast_variable|partial_batch|PyMetric|\.ModuleWrapper|Enqueuer|Callback).*|"
    r"keras\.(?:device|remat|name_scope|StatelessScope|Variable|KerasTensor|version)"
)


def _sources(folder: str) -> Iterator[tuple[str, str]]:
    root = Path(folder)
    for path in sorted(root.rglob("*.py")):
        yield path.relative_to(root).as_posix(), path.read_text(encoding="utf-8", errors="replace")


def _exports(node: ast.ClassDef | ast.FunctionDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "").endswith("keras_export"):
            for constant in ast.walk(decorator):
                if isinstance(constant, ast.Constant) and isinstance(constant.value, str):
                    yield constant.value


def _family(module: str) -> str:
    parts = module.split(".")
    return next((part for part in parts[1:3] if part != "src"), "")


def main(paths: list[str]) -> None:
    """Print what was found as JSON."""
    found: dict[str, dict[str, set[str]]] = {"classes": defaultdict(set), "functions": defaultdict(set)}
    for path in paths:
        for name, text in _sources(path):
            if not name.startswith("keras/") or "_test.py" in name or "/tests/" in name or "/api/" in name:
                continue
            module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            for node in ast.parse(text).body:
                if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith("_"):
                    continue
                kind = "classes" if isinstance(node, ast.ClassDef) else "functions"
                owners = _OWNERS if kind == "classes" else _FUNCTION_OWNERS
                names = [name for name in _exports(node) if owners.fullmatch(name.rpartition(".")[0])]
                if kind == "classes" and _family(module) in _FAMILIES:
                    names.append(f"{module}.{node.name}")
                for dotted in names:
                    if not _LEFT_OUT.fullmatch(dotted):
                        owner, _, last = dotted.rpartition(".")
                        found[kind][owner].add(last)
    shown = {kind: {key: sorted(table[key]) for key in sorted(table)} for kind, table in found.items()}
    print(json.dumps({"sources": [Path(path).name for path in paths], **shown}, indent=1))


if __name__ == "__main__":
    main(sys.argv[1:])
