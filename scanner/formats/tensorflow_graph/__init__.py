"""TensorFlow graphs: SavedModel (``saved_model.pb``), frozen GraphDef (``.pb``), MetaGraphDef (``.meta``)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.errors import BudgetExceeded, FormatError
from scanner.formats.tensorflow_graph.graph import TYPES, Graphs, inside, read_graph, read_shape
from scanner.formats.tensorflow_graph.judgement import judge
from scanner.formats.tensorflow_graph.rules import ASSET, RULES
from scanner.inspection import Child, Format, Head, Note
from scanner.model import Claim, Claimed, Facts, Finding, Location
from scanner.reader import Budget, Reader
from scanner.wire.paths import escape
from scanner.wire.protobuf import LENGTH, VARINT, Field, Wire, fields, varint

_OPERATOR = re.compile(rb"[A-Za-z_][A-Za-z0-9_.>]*\Z")
_VARIABLES = frozenset({"VarHandleOp", "VariableV2", "Variable"})
_SIGNATURES = 50
_KERAS = "_tf_keras_"


def _matches(head: Head) -> bool:
    return _kind(head) != ""


def _kind(head: Head) -> str:
    """Which of the three messages these bytes begin; empty for none."""
    data = head.data
    if data[:1] not in {b"\x08", b"\x0a", b"\x12"} or head.size < 4:
        return ""
    try:
        if data[:3] == b"\x08\x01\x12" or (data[:1] in b"\x08\x12" and head.name == "saved_model.pb"):
            return "SavedModel" if _saved(head) else ""
        length, start = varint(data, 1, len(data)) if data[0] == 0x0A else (0, 0)
        end = start + length
        if not start or not length or end > head.size:
            return ""
        if _is_node(data, start, end):
            return "GraphDef"
        return "MetaGraphDef" if _is_meta(data, start, end, head) else ""
    except (FormatError, BudgetExceeded):
        return ""


def _saved(head: Head) -> bool:
    """One MetaGraphDef that reaches to the end, or several: CoreML begins alike and goes on with others."""
    data = head.data
    if data[:1] == b"\x12" or data[:2] == b"\x08\x00" or head.name == "saved_model.pb":
        return True
    length, start = varint(data, 3, len(data))
    end = start + length
    if end == head.size:
        return length > 0 and data[start] in b"\x0a\x12\x1a\x22\x2a\x32\x3a"
    return end < len(data) and data[end] == 0x12


def _is_node(data: bytes, start: int, end: int) -> bool:
    """A NodeDef: its name, then an operator's name."""
    if data[start : start + 1] != b"\x0a":
        return False
    length, begin = varint(data, start + 1, len(data))
    at = begin + length
    if at >= min(end, len(data)) or data[at] != 0x12 or any(byte < 33 for byte in data[begin:at]):
        return False
    length, begin = varint(data, at + 1, len(data))
    name = data[begin : begin + length]
    return begin + length <= end and _OPERATOR.match(name) is not None and len(name) == length


def _is_meta(data: bytes, start: int, end: int, head: Head) -> bool:
    """A MetaInfoDef in front: a list of operators or tags, then a graph."""
    stop = min(end, len(data))
    for part in fields(data[:stop], Budget(items=4), start) if end <= len(data) else ():
        if not 1 <= part.number <= 7:
            return False
    listed = data[start : start + 1] == b"\x12" and b"\x0a" in data[start + 2 : start + 7]
    if end < len(data):
        return data[end] == 0x12 and (listed or head.suffix == ".meta")
    return listed and end < head.size


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    data = reader.read_at(0, 4096)
    name = (where.members or (where.path,))[-1].rpartition("/")[2].lower()
    kind = _kind(Head(data, reader.size, name)) or "SavedModel"
    graphs, claims = Graphs(Wire(reader, budget)), list[Claim]()
    try:
        if kind == "SavedModel":
            yield from _saved_model(graphs, claims, where)
        elif kind == "MetaGraphDef":
            yield from _meta_graph(graphs, claims, (0, reader.size), where, 0)
        else:
            yield from read_graph(graphs, (0, reader.size), where, 0)
    except (FormatError, BudgetExceeded):
        yield from judge(graphs, where)
        yield _facts(graphs, claims, kind)
        raise
    yield from judge(graphs, where)
    yield _facts(graphs, claims, kind)


def _facts(graphs: Graphs, claims: list[Claim], kind: str) -> Facts:
    """Constants are weights only where the graph is frozen: otherwise they are in the checkpoint."""
    variables = any(node.operator in _VARIABLES for body in graphs.bodies for node in body.nodes.values())
    functions = sum(1 for body in graphs.bodies if body.name)
    metadata = (*graphs.metadata, ("nodes", str(graphs.count)), ("functions", str(functions)))
    return Facts(
        "tensorflow-graph",
        kind,
        () if variables else tuple(graphs.tensors),
        tuple(dict.fromkeys(claims)),
        external_files=tuple(dict.fromkeys(graphs.files)),
        metadata=metadata,
    )


def _saved_model(graphs: Graphs, claims: list[Claim], where: Location) -> Iterator[Note]:
    for part in graphs.wire.fields():
        if part.number == 2:
            yield from _meta_graph(graphs, claims, (inside(part).start, part.end), where, 1)
        elif part.number != 1:
            yield from graphs.odd(part, "the model", where)


def _meta_graph(
    graphs: Graphs, claims: list[Claim], span: tuple[int, int], where: Location, depth: int
) -> Iterator[Note]:
    for part in graphs.wire.fields(*span, depth):
        if part.number == 1:
            _info(graphs, claims, inside(part), depth + 1)
        elif part.number == 2:
            yield from read_graph(graphs, (inside(part).start, part.end), where, depth + 1)
        elif part.number == 5:
            _signature(graphs, inside(part), depth + 1)
        elif part.number == 6:
            yield from _asset(graphs, inside(part), where, depth + 1)
        elif part.number == 7:
            yield from _objects(graphs, inside(part), depth + 1)
        elif part.number not in {3, 4}:
            yield from graphs.odd(part, "a meta graph", where)


def _info(graphs: Graphs, claims: list[Claim], span: Field, depth: int) -> None:
    for part in graphs.wire.fields(span.start, span.end, depth):
        if part.number == 4:
            graphs.metadata.append(("tag", graphs.wire.text(part)[:200]))
        elif part.number == 5:
            claims.append(
                Claim(Claimed.PRODUCER, f"tensorflow {graphs.wire.text(part)[:80]}", "meta_info_def")
            )


def _signature(graphs: Graphs, span: Field, depth: int) -> None:
    """``serving_default: x f32[-1, 8] → y f32[-1, 2]`` among the metadata."""
    wire, name, told = graphs.wire, "", {1: list[str](), 2: list[str]()}
    for part in wire.fields(span.start, span.end, depth):
        if part.number == 1:
            name = wire.text(part)
        elif part.number == 2:
            for inner in wire.fields(inside(part).start, part.end, depth + 1):
                if inner.number in told:
                    told[inner.number].append(_value(graphs, inside(inner), depth + 2))
    if len(graphs.metadata) < _SIGNATURES:
        shown = f"{', '.join(told[1])} → {', '.join(told[2])}"
        graphs.metadata.append((f"signature {name[:80]}", shown[:400]))


def _value(graphs: Graphs, span: Field, depth: int) -> str:
    """Name, type and shape of an input or output (a map entry of TensorInfo)."""
    wire, name, kind, shape = graphs.wire, "", "", ""
    for part in wire.fields(span.start, span.end, depth):
        if part.number == 1:
            name = wire.text(part)
        elif part.number == 2:
            for inner in wire.fields(inside(part).start, part.end, depth + 1):
                if inner.number == 2 and inner.kind == VARINT:
                    kind = TYPES.get(inner.value, "?")
                elif inner.number == 3:
                    shape = ", ".join(map(str, read_shape(wire, inside(inner), depth + 2)))
    return f"{name[:80]} {kind}[{shape}]"


def _asset(graphs: Graphs, span: Field, where: Location, depth: int) -> Iterator[Note]:
    """An ``AssetFileDef``: the node that its path is given to, and the file below ``assets``."""
    wire = graphs.wire
    for part in wire.fields(span.start, span.end, depth):
        if part.number == 1:
            for inner in wire.fields(inside(part).start, part.end, depth + 1):
                if inner.number == 1:
                    graphs.assets.add(wire.text(inner).partition(":")[0])
        elif part.number == 2:
            path = wire.text(part)
            graphs.files.append(f"assets/{path[:200]}")
            if how := escape(path):
                message = f"the asset {path[:200]!r} has a path that {how}"
                yield Finding(ASSET, where.at(part.start), message, evidence=(("asset", path[:200]),))


def _objects(graphs: Graphs, span: Field, depth: int) -> Iterator[Note]:
    """Keras metadata in a ``SavedObjectGraph``: a layer's configuration, which Keras builds it from."""
    wire = graphs.wire
    for node in wire.fields(span.start, span.end, depth):
        if node.number != 1 or node.kind != LENGTH:
            continue
        for kind in wire.fields(node.start, node.end, depth + 1):
            if kind.number != 4 or kind.kind != LENGTH:  # a user's object
                continue
            identifier, config = "", None
            for part in wire.fields(kind.start, kind.end, depth + 2):
                if part.number == 1:
                    identifier = wire.text(part)
                elif part.number == 3:
                    config = inside(part)
            if config is not None and identifier.startswith(_KERAS) and config.end > config.start:
                yield Child(
                    f"{identifier[:80]} at {config.start}", wire.window(config), read_as="keras-config"
                )


FORMAT = Format(
    name="tensorflow-graph",
    title="TensorFlow graph",
    matches=_matches,
    inspect=_inspect,
    rules=RULES,
    spec="https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/saved_model.proto",
)
