"""ONNX Runtime's own format (``.ort``): the graph of an ONNX model as a FlatBuffer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from scanner.data import load
from scanner.errors import BudgetExceeded, FormatError
from scanner.inspection import Format, Head, Note, Text
from scanner.model import Check, Claim, Claimed, Facts, Finding, Location, Rule, Severity, Tensor
from scanner.reader import Budget, Reader
from scanner.wire.flatbuffers import Flat, Table

_SPEC = "https://onnxruntime.ai/docs/performance/model-optimizations/ort-format-models.html"
CUSTOM = Rule(
    id="ort/custom-operator",
    title="The graph needs operators that no ONNX runtime brings",
    severity=Severity.MEDIUM,
    check=Check.GRAPH_CODE,
    finds="An operator outside ONNX and ONNX Runtime.",
    why="Whoever runs the model has to load a native library first, and nobody here vouches for it.",
    remedy="Ask the publisher which library it is, and judge that library.",
    example="A node `Run` of the domain `com.example`.",
    limits="Operators newer than the list count as custom ones.",
    references=("CWE-829", "https://onnxruntime.ai/docs/reference/operators/add-custom-op.html"),
)
PYTHON = Rule(
    id="ort/python-operator",
    title="The graph calls Python",
    severity=Severity.HIGH,
    check=Check.GRAPH_CODE,
    finds="A node of the type `PyOp`, `PythonOp` or `PythonOpGrad`.",
    why="ONNX Runtime built with these operators imports the module that the node names and calls what is "
    "in it.",
    remedy="Do not load the model where Python operators are enabled; ask for one without them.",
    example='`PyOp` with `module = "helper"`',
    references=("CWE-829", "https://onnxruntime.ai/docs/reference/operators/custom-python-operator.html"),
)
CONTEXT = Rule(
    id="ort/compiled-context",
    title="The graph brings code compiled for an accelerator",
    severity=Severity.MEDIUM,
    check=Check.GRAPH_CODE,
    finds="A node `EPContext`, whose binary an execution provider hands to its driver.",
    why="The driver runs it as it is; it says nothing about what it computes.",
    remedy="Prefer the model before compilation, and compile it yourself.",
    example="A QNN context or a TensorRT engine in `ep_cache_context`.",
    limits="The binary is not opened.",
    references=("CWE-829", "https://onnxruntime.ai/docs/execution-providers/EP-Context-Design.html"),
)
_PYTHON = frozenset({"PyOp", "PythonOp", "PythonOpGrad"})
# TensorDataType of ort.fbs.
_TYPES = (
    *(
        "undefined",
        "f32",
        "u8",
        "i8",
        "u16",
        "i16",
        "i32",
        "i64",
        "string",
        "bool",
        "f16",
        "f64",
        "u32",
        "u64",
    ),
    *("c64", "c128", "bf16", "f8_e4m3", "f8_e4m3fnuz", "f8_e5m2", "f8_e5m2fnuz", "u4", "i4", "f4"),
)
_NESTED = 64
_SHOWN = 200
_FOUND = 100


def _matches(head: Head) -> bool:
    return head.data[4:8] == b"ORTM" and head.size >= 12


@cache
def _known() -> dict[str, frozenset[str]]:
    domains: dict[str, str] = load("onnx_operators.json")["domains"]
    return {domain: frozenset(names.split()) for domain, names in domains.items()}


@dataclass(slots=True)
class _Model:
    flat: Flat
    version: str = ""
    tensors: list[Tensor] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    metadata: list[tuple[str, str]] = field(default_factory=list)
    operators: dict[tuple[str, str], int] = field(default_factory=dict)
    nodes: int = 0

    def facts(self) -> Facts:
        pairs = (*self.metadata, ("nodes", str(self.nodes)))
        return Facts("ort", self.version, tuple(self.tensors), tuple(self.claims), metadata=pairs)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    model = _Model(Flat(reader, budget))
    try:
        yield from _session(model, where)
    except (FormatError, BudgetExceeded):
        yield from _judge(model, where)
        yield model.facts()
        raise
    yield from _judge(model, where)
    yield model.facts()


def _session(model: _Model, where: Location) -> Iterator[Note]:
    root = model.flat.root()
    model.version = root.text(0)
    content = root.table(1)
    if content is None:
        raise FormatError("there is no model in it", root.at)
    producer = " ".join(filter(None, (content.text(2), content.text(3))))
    if producer:
        model.claims.append(Claim(Claimed.PRODUCER, producer[:_SHOWN], "producer_name"))
    for opset in content.vector(1).tables():
        model.metadata.append(("opset", f"{opset.text(0) or 'ai.onnx'} {opset.number(1, 8, signed=True)}"))
    for slot in (6, 8):
        if text := content.text(slot):
            yield Text(text, where, "text")
    for pair in content.vector(9).tables():
        key, value = pair.text(0), pair.text(1)
        yield Text(f"{key}: {value}", where.at(pair.at), "metadata")
        model.metadata.append((key[:_SHOWN], value[:_SHOWN]))
    graph = content.table(7)
    if graph is not None:
        yield from _graph(model, graph, where, 0)


def _graph(model: _Model, graph: Table, where: Location, depth: int) -> Iterator[Note]:
    if depth > _NESTED:
        raise BudgetExceeded("levels of graphs", _NESTED)
    for tensor in graph.vector(0).tables():
        yield from _tensor(model, tensor, where, keep=True)
    for node in graph.vector(2).tables():
        model.nodes += 1
        model.flat.budget.spend_bytes(128)
        model.operators.setdefault((node.text(2), node.text(5)), node.at)
        for attribute in node.vector(10).tables():
            yield from _attribute(model, attribute, where, depth)


def _attribute(model: _Model, attribute: Table, where: Location, depth: int) -> Iterator[Note]:
    texts = [attribute.text(5), *attribute.vector(10).texts()]
    if any(len(text) >= 8 for text in texts):
        yield Text("\n".join(texts), where.at(attribute.at), "string")
    single = (attribute.table(6), attribute.table(7))
    for tensor in (*filter(None, single[:1]), *attribute.vector(11).tables()):
        yield from _tensor(model, tensor, where, keep=False)
    for graph in (*filter(None, single[1:]), *attribute.vector(12).tables()):
        yield from _graph(model, graph, where, depth + 1)


def _tensor(model: _Model, tensor: Table, where: Location, *, keep: bool) -> Iterator[Note]:
    model.flat.budget.spend_bytes(256)
    kind = tensor.number(3, 4, signed=True)
    raw = tensor.vector(4, 1)
    strings = list(tensor.vector(5).texts())
    if strings:
        yield Text("\n".join(strings), where.at(tensor.at), "string")
    if keep:
        shape = tuple(max(extent, 0) for extent in tensor.vector(2, 8).numbers(8, 64))
        dtype = _TYPES[kind] if 0 <= kind < len(_TYPES) else f"type {kind}"
        outside = tensor.number(6, 8, (1 << 64) - 1)
        inside = raw.count > 0 and outside == (1 << 64) - 1
        place = (raw.start, raw.count) if inside else (None, None)
        model.tensors.append(Tensor(tensor.text(0), dtype, shape, *place))


def _judge(model: _Model, where: Location) -> Iterator[Note]:
    found = 0
    for (domain, operator), at in model.operators.items():
        shown = ascii(f"{domain}::{operator}"[:120] if domain else operator[:120])[1:-1]
        place, evidence = where.at(at), (("operator", shown),)
        known = _known().get("" if domain == "ai.onnx" else domain, frozenset())
        if operator in _PYTHON:
            yield Finding(PYTHON, place, f"calls Python by the operator {shown}", evidence=evidence)
        elif operator == "EPContext":
            yield Finding(CONTEXT, place, "has a node EPContext", evidence=evidence)
        elif operator not in known and found < _FOUND:
            found += 1
            message = f"needs the operator {shown}, which neither ONNX nor ONNX Runtime brings"
            yield Finding(CUSTOM, place, message, evidence=evidence)


FORMAT = Format(
    name="ort",
    title="ONNX Runtime model",
    matches=_matches,
    inspect=_inspect,
    rules=(CUSTOM, PYTHON, CONTEXT),
    suffixes=(".ort",),
    spec=_SPEC,
)
