"""The command: see the package's docstring."""

from __future__ import annotations

import argparse
import ast
import json
import sys
from pathlib import Path

from tools.callables.reach import SAFE, Walk
from tools.callables.source import Library


def main() -> None:
    """Print proposals as JSON: name to ``safe``, a capability, or ``unproved: reason``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="site-packages that hold the packages' source")
    parser.add_argument("packages", nargs="+")
    parser.add_argument("--only", choices=["safe", "capability", "unproved"])
    parser.add_argument("--assume", action="append", default=[], help="class that was reviewed by hand")
    parser.add_argument("--functions", action="store_true", help="functions as well as classes")
    given = parser.parse_args()
    walk = Walk(library := Library(given.folder, given.packages), frozenset(given.assume))
    found = {}
    for module in library.modules.values():
        for node in module.defined.values():
            if isinstance(node, ast.ClassDef):
                reach = walk.of_class(module, node)
            elif given.functions:
                reach = walk.of_function(module, node, None)
            else:
                continue
            kind = "safe" if reach == SAFE else "capability" if reach.capability else "unproved"
            if given.only in {None, kind}:
                text = reach.capability or (reach.unproved and f"unproved: {reach.unproved}") or "safe"
                found[f"{module.name}.{node.name}"] = text
    json.dump(dict(sorted(found.items())), sys.stdout, indent=1)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
