"""LightGBM models: a text of parameters and trees."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Read
from scanner.model import Check, Claim, Claimed, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader, read_whole

TREES = Rule(
    id="lightgbm/tree-bounds",
    title="A tree reaches past its own nodes",
    severity=Severity.MEDIUM,
    check=Check.BOUNDS,
    finds="A child that is no node and no leaf of its tree, or a count of leaves that its arrays do not "
    "have.",
    why="LightGBM is native code: prediction follows the numbers, and so reads or writes other memory.",
    remedy="Refuse the file; LightGBM writes no such tree.",
    example="`left_child=7` in a tree of two leaves.",
    references=("CWE-129", "CVE-2024-43598"),
)
_MAGIC = re.compile(rb"tree\r?\n(?:version|num_class|average_output)\b")
_LIMIT = 1 << 30
_TREE = re.compile(r"(?m)^Tree=(\d+)\r?$")
_KEYS = ("version", "objective", "num_class", "num_tree_per_iteration", "max_feature_idx", "linear_tree")


def _matches(head: Head) -> bool:
    return head.data[:4] == b"tree" and _MAGIC.match(head.data) is not None


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    text = read_whole(reader, budget, _LIMIT).decode("utf-8", "replace")
    end = text.find("\nend of trees")
    if end < 0:
        raise FormatError("breaks off before the end of its trees", len(text))
    parts = _TREE.split(text[:end])
    header = _pairs(parts[0])
    for number, body in zip(parts[1::2], parts[2::2], strict=True):
        budget.spend_items(1 + len(body) // 64)
        fault = _fault(_pairs(body))
        if fault:
            place = where.at(line=text.count("\n", 0, text.find(f"Tree={number}")) + 1)
            yield Finding(TREES, place, f"tree {number}: {fault}", evidence=(("fault", fault),))
            break
    noted = [(key, header[key][:200]) for key in _KEYS if key in header]
    noted += [
        ("trees", str(len(parts) // 2)),
        ("features", str(len(header.get("feature_names", "").split()))),
    ]
    claims = (Claim(Claimed.ARCHITECTURE, "gbdt", "tree"),)
    yield Facts("lightgbm", header.get("version", "")[:20], claims=claims, metadata=tuple(noted))
    yield Read(Coverage.WHOLE)


def _pairs(text: str) -> dict[str, str]:
    return {key: value for key, found, value in (line.partition("=") for line in text.splitlines()) if found}


def _fault(tree: dict[str, str]) -> str:
    try:
        leaves = int(tree.get("num_leaves", "0"))
        children = [int(n) for key in ("left_child", "right_child") for n in tree.get(key, "").split()]
    except ValueError:
        return "a count or a child is no number"
    if leaves < 1 or (leaves > 1 and len(children) != 2 * (leaves - 1)):
        return "the number of children does not fit the number of leaves"
    if leaves > 1 and (max(children) >= leaves - 1 or min(children) < -leaves):
        return "a child is neither a node nor a leaf"
    return ""


FORMAT = Format(
    name="lightgbm",
    title="LightGBM model",
    matches=_matches,
    inspect=_inspect,
    rules=(TREES,),
    suffixes=(".lgb",),
    within=("text",),
    spec="LightGBM src/boosting/gbdt_model_text.cpp",
)
