"""What an XGBoost model says of itself, and whether its trees hold together."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scanner.model import Check, Claim, Claimed, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader
from scanner.wire.ubjson import Numbers, Table

TREES = Rule(
    id="xgboost/tree-bounds",
    title="A tree reaches past its own nodes",
    severity=Severity.MEDIUM,
    check=Check.BOUNDS,
    finds="A child that is no node of its tree, or arrays of one tree that differ in length.",
    why="Prediction follows the numbers without a check, and so reads other memory.",
    remedy="Refuse the file; XGBoost writes no such tree.",
    example='`"left_children": [7]` in a tree of one node.',
    references=("CWE-129",),
)
_LIMIT = 100_000
_PER_NODE = ("right_children", "parents", "split_indices", "split_conditions")
_LAYOUTS = {"i": "b", "U": "B", "I": "h", "l": "i", "L": "q", "d": "f", "D": "d"}


@dataclass(frozen=True, slots=True)
class Learner:
    """The learner of a model."""

    table: Table
    root: Table

    def attributes(self) -> list[tuple[str, str]]:
        """Free texts that a user or a library left in the model."""
        pairs = self.table.table("attributes").pairs
        return [(key, value) for key, value in pairs if isinstance(value, str)]

    def trees(self) -> list[Table]:
        """The trees, of a linear model none."""
        booster = self.table.table("gradient_booster")
        # DART keeps a gradient booster within.
        models = (booster.table("model"), booster.table("gbtree", "model"))
        listed = [value for model in models for value in model.every("trees") if isinstance(value, list)]
        return [tree for trees in listed for tree in trees if isinstance(tree, Table)]

    def facts(self, kind: str, reader: Reader, budget: Budget) -> Facts:
        """For the inventory."""
        objective = self.table.table("objective").text("name")
        booster = self.table.table("gradient_booster").text("name")
        version: Any = next((v for v in self.root.every("version") if 0 < _count(v) < 8), [])
        numbers = [str(n) for n in _numbers(version, reader, budget)]
        claims = (
            [Claim(Claimed.ARCHITECTURE, booster[:80], "learner/gradient_booster/name")] if booster else []
        )
        if numbers:
            claims.append(Claim(Claimed.PRODUCER, f"xgboost {'.'.join(numbers)[:40]}", "version"))
        noted = {
            "encoding": kind,
            "objective": objective[:80],
            "trees": str(len(self.trees())),
            "features": self.table.table("learner_model_param").text("num_feature")[:20],
            "attributes": ", ".join(key for key, _ in self.attributes())[:200],
        }
        metadata = tuple((key, value) for key, value in noted.items() if value)
        return Facts("xgboost", ".".join(numbers)[:40], claims=tuple(claims), metadata=metadata)


def judge(learner: Learner, reader: Reader, budget: Budget, where: Location) -> Iterator[Finding]:
    """Findings about the trees; the first of each kind, for they differ in nothing but their number."""
    for index, tree in enumerate(learner.trees()[:_LIMIT]):
        fault = _fault(tree, reader, budget)
        if fault:
            message = f"tree {index}: {fault}"
            yield Finding(TREES, where, message, evidence=(("fault", fault),))
            return


def _fault(tree: Table, reader: Reader, budget: Budget) -> str:
    for children in tree.every("left_children"):
        count = _count(children)
        for key in _PER_NODE:
            if any(_count(value) != count for value in tree.every(key)):
                return f"{key} has another length than left_children"
        for key in ("left_children", "right_children"):
            for value in tree.every(key):
                low, high = _range(value, reader, budget)
                if low < -1 or high >= count:
                    return f"{key} names a node that is not there"
    return ""


def _count(value: Any) -> int:
    return value.count if isinstance(value, Numbers) else len(value) if isinstance(value, list) else -1


def _range(value: Any, reader: Reader, budget: Budget) -> tuple[float, float]:
    """Smallest and largest number, without holding more than the array itself."""
    plain = _numbers(value, reader, budget)
    return min(plain, default=0), max(plain, default=-1)


def _numbers(value: Any, reader: Reader, budget: Budget) -> list[float]:
    if not isinstance(value, Numbers):
        return [n for n in value if isinstance(n, int | float)]
    length = value.count * value.width
    budget.spend_bytes(length)
    return list(struct.unpack(f">{value.count}{_LAYOUTS[value.kind]}", reader.read_at(value.offset, length)))
