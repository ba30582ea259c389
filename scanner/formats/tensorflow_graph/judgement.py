"""Which operators a graph uses, and where the paths come from that they are given."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Any

from scanner.data import load
from scanner.formats.tensorflow_graph.graph import Body, Graphs, Node
from scanner.formats.tensorflow_graph.rules import CUSTOM, EFFECTS, FILES, NETWORK
from scanner.inspection import Note
from scanner.model import Finding, Location, Rule
from scanner.wire.paths import escape

# A path passes through these unchanged, or as the first part of a longer one.
_ALL = frozenset({"Pack", "PackV2", "ConcatV2", "IdentityN", "ShardedFilespec"})
_FIRST = frozenset(
    {
        "Identity",
        "PlaceholderWithDefault",
        "Reshape",
        "ExpandDims",
        "Squeeze",
        "StringJoin",
        "ShardedFilename",
    }
)
_BRANCHES = frozenset({"If", "StatelessIf", "Case", "StatelessCase"})
_LOOPS = frozenset({"While", "StatelessWhile"})
_CALLS = _BRANCHES | _LOOPS | {"PartitionedCall", "StatefulPartitionedCall"}
_OUTSIDE = frozenset({"Placeholder", "PlaceholderV2", "_Arg"})
_FINDINGS = 100
_STEPS = 1000


@cache
def _known() -> dict[str, Any]:
    return dict(load("tensorflow_operators.json"))


@cache
def _effects() -> dict[str, str]:
    return {name: effect for effect, names in _known()["effects"].items() for name in names.split()}


@cache
def _computes() -> frozenset[str]:
    return frozenset(_known()["computes"].split())


@cache
def _judged_names() -> frozenset[str]:
    known = _known()
    groups = (known["checkpoint"], known["table"], known["named"], known["addressed"])
    return frozenset(_effects()).union(*groups)


def judge(graphs: Graphs, where: Location) -> Iterator[Note]:
    """Findings about every operator; each is told once for one path."""
    library = {body.name for body in graphs.bodies if body.name}
    origins = _Origins(graphs)
    told: set[tuple[str, ...]] = set()
    counts: Counter[str] = Counter()
    for body in graphs.bodies:
        for node in body.nodes.values():
            # Custom operators are told up to one number, each other one for itself: none can hide another.
            own = node.operator if node.operator in _judged_names() else ""
            if node.operator in library or node.operator in _computes() or counts[own] >= _FINDINGS:
                continue
            for rule, does, paths in _judged(node, body, origins):
                shown = ascii(node.operator[:120])[1:-1]
                key = (rule.id, shown, does, paths)
                if key in told:
                    continue
                told.add(key)
                counts[own] += 1
                message = f"uses {shown}, which {does}" + (f": {paths}" if paths else "")
                evidence = (("operator", shown), ("path", paths)) if paths else (("operator", shown),)
                yield Finding(rule, where.at(node.place), message, evidence=evidence)


def _judged(node: Node, body: Body, origins: _Origins) -> Iterator[tuple[Rule, str, str]]:
    """Rule, what the operator does, and the paths that it is given."""
    known, operator = _known(), node.operator
    if operator in _effects():
        does = _effects()[operator]
        constants, _ = origins.of(body, node, range(len(node.inputs)))
        paths = [text for text in constants if "/" in text or "\\" in text]
        rule = EFFECTS.get(does, FILES)
        yield rule, does, ", ".join(ascii(path[:120])[1:-1] for path in sorted(paths)[:3])
    elif operator in known["checkpoint"]:
        constants, computed = origins.of(body, node, known["checkpoint"][operator])
        for path in _leaving(constants):
            yield FILES, "opens a checkpoint at a path that the graph chooses", path
        for name in sorted(computed):
            yield FILES, "opens a checkpoint at a path that the graph computes", f"by {name[:80]}"
    elif operator in known["table"] or operator in known["named"]:
        places = known["table"].get(operator) or known["named"][operator]
        constants, _ = origins.of(body, node, places)
        for path in _leaving(constants):
            yield FILES, "opens a file at a path that the graph chooses", path
    elif operator in known["addressed"]:
        for target in node.attributes.get(known["addressed"][operator], ()):
            if target.startswith("file://"):
                yield FILES, "writes to a file", ascii(target[:120])[1:-1]
            elif "://" in target:
                yield NETWORK, "sends what it is given away", ascii(target[:120])[1:-1]
    else:
        yield CUSTOM, "neither TensorFlow nor the graph defines", ""


def _leaving(constants: set[str]) -> list[str]:
    return sorted(ascii(p[:120])[1:-1] for p in constants if escape(p) or "://" in p)


class _Origins:
    """Where the inputs of a node come from: constants, arguments of functions followed to their callers."""

    def __init__(self, graphs: Graphs) -> None:
        self._graphs = graphs
        self._callers: dict[str, list[tuple[Body, Node]]] = defaultdict(list)
        for body in graphs.bodies:
            for node in body.nodes.values():
                for name in {*node.functions, node.operator}:
                    self._callers[name].append((body, node))

    def of(self, body: Body, node: Node, places: list[int] | range) -> tuple[set[str], set[str]]:
        """Constant texts, and operators that compute one, behind the inputs at these places."""
        constants: set[str] = set()
        computed: set[str] = set()
        pending = [(body, node.inputs[place]) for place in places if place < len(node.inputs)]
        seen: set[tuple[int, str]] = set()
        while pending:
            inner, name = pending.pop()
            base = name.partition(":")[0]
            if name.startswith("^") or (id(inner), base) in seen:
                continue
            self._graphs.wire.budget.spend_items()
            seen.add((id(inner), base))
            if len(seen) > _STEPS:
                computed.add("more than can be followed")
                break
            source = inner.nodes.get(base)
            if source is None:
                pending += self._arguments(inner, base)
            elif source.operator in {"Const", "HostConst"}:
                # An asset's path is where it lay when the model was made; loading puts another in its place.
                if base not in self._graphs.assets:
                    constants.update(source.strings)
            elif source.operator in _ALL:
                pending += ((inner, given) for given in source.inputs)
            elif source.operator in _FIRST:
                pending += ((inner, given) for given in source.inputs[:1])
            elif source.operator not in _OUTSIDE:
                computed.add(source.operator)
        return constants, computed

    def _arguments(self, body: Body, name: str) -> Iterator[tuple[Body, str]]:
        """What the callers of a function give it for an argument."""
        if name not in body.arguments:
            return
        place = body.arguments.index(name)
        for outer, caller in self._callers.get(body.name, ()):
            given = [text for text in caller.inputs if not text.startswith("^")]
            if caller.operator not in _CALLS and caller.operator != body.name:
                # A data set's function gets elements and captured inputs: which is which, its types tell.
                yield from ((outer, text) for text in given)
                continue
            # A branch has the condition in front of what its functions are given.
            front = 1 if caller.operator in _BRANCHES else 0
            if place + front < len(given):
                yield outer, given[place + front]
