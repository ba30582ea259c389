"""ONNX models: what the graph computes with, where its weights are, and what it needs from outside."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from scanner.data import load
from scanner.errors import BudgetExceeded, FormatError
from scanner.formats.onnx.graph import document, read_function, read_graph
from scanner.formats.onnx.model import Model, message, scalar
from scanner.formats.onnx.rules import CUSTOM, PYTHON, RULES
from scanner.inspection import Format, Head, Note
from scanner.model import Claim, Claimed, Finding, Location
from scanner.reader import Budget, Reader
from scanner.wire.protobuf import LENGTH, Field, Wire, fields, varint

# ModelProto, field to wire type: onnx.proto.
_FIELDS = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
_FIRST = frozenset(b"\x08\x12\x1a\x22\x28\x32\x3a\x42\x72")
_NUMBERS = {1: "IR version", 5: "model version"}
_NAMES = {2: "producer", 3: "producer version", 4: "domain"}
_IR, _PRODUCER, _GRAPH, _OPSET = 1, 2, 7, 8
_NEWEST = 64  # IR versions count slowly: 13 in 2026
_GRAPH_TAGS = frozenset(b"\x0a\x12\x2a\x52\x5a\x62\x6a\x72\x7a\x82")
_PYTHON = frozenset({"PyOp", "PythonOp", "PythonOpGrad"})
_NAMED = 100
_LAST = 26  # newer fields have higher numbers


def _matches(head: Head) -> bool:
    """Fields of a model in front, up to its graph: ONNX has no magic number."""
    data = head.data
    if not data or (data[0] not in _FIRST and head.suffix != ".onnx") or head.size < 8:
        return False
    at = 0
    seen: set[int] = set()
    try:
        while at < len(data) and not seen >= {_IR, _GRAPH}:
            tag, begin = varint(data, at, len(data))
            number, kind = tag >> 3, tag & 7
            value, at = varint(data, begin, len(data))
            if not _plausible(number, kind, value):
                return False
            if kind == LENGTH:
                if not _fits(number, data, at, at + value, head.size):
                    return False
                at += value
            seen.add(number)
    except FormatError:
        return False
    if _GRAPH not in seen:  # what nobody knows stands in front: only the name says what it is
        return head.suffix == ".onnx" and at > len(data)
    return _IR in seen or at > len(data)


def _plausible(number: int, kind: int, value: int) -> bool:
    if number == _IR and not 0 < value <= _NEWEST:
        return False
    return _FIELDS.get(number, LENGTH if number > _LAST else -1) == kind


def _fits(number: int, data: bytes, start: int, end: int, size: int) -> bool:
    """Whether a field with content can be what its number says; only its beginning may be at hand."""
    if end > size:
        return False
    if number == _GRAPH and start + 10 < len(data) and start < end:
        length, begin = varint(data, start + 1 + (data[start] & 0x80 > 0), len(data))
        return data[start] in _GRAPH_TAGS and begin + length <= end
    if number in _NAMES:  # names and versions
        return end - start <= 1024 and all(byte >= 32 for byte in data[start : min(end, start + 256)])
    if number == _OPSET and end <= len(data):
        try:
            return all(part.number in {1, 2} for part in fields(data, Budget(items=8), start, end))
        except BudgetExceeded:
            return False
    return True


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    model = Model(Wire(reader, budget))
    texts: dict[int, str] = {}
    try:
        for part in model.wire.fields():
            yield from _field(model, part, texts, where)
    except (FormatError, BudgetExceeded):
        yield from _judge(model)
        yield model.facts()
        raise
    producer = " ".join(text for number in (_PRODUCER, 3) if (text := texts.get(number, "").strip()))
    if producer:
        model.claims.append(Claim(Claimed.PRODUCER, producer, "producer_name"))
    yield from _judge(model)
    yield model.facts()


def _field(model: Model, part: Field, texts: dict[int, str], where: Location) -> Iterator[Note]:
    """One field of the ``ModelProto``."""
    number = part.number
    if number in _NUMBERS:
        model.note(_NUMBERS[number], str(scalar(part)))
        model.version = f"IR {scalar(part)}" if number == _IR else model.version
    elif number in _NAMES:
        texts[number] = model.wire.text(part)
        model.note(_NAMES[number], texts[number])
    elif number == 6:
        yield from document(model, part, where)
    elif number == _GRAPH:
        yield from read_graph(model, part, where, 1)
    elif number == _OPSET:
        model.note("opset", _opset(model, message(part)))
    elif number == 14:
        yield from model.pair(part, where, 1)
    elif number == 20:
        yield from _training(model, message(part), where)
    elif number == 25:
        yield from read_function(model, part, where, 1)
    elif number != _LAST:
        yield from model.odd(part, "the model", where)


def _training(model: Model, span: Field, where: Location) -> Iterator[Note]:
    for part in model.wire.fields(span.start, span.end, 1):
        if part.number in {1, 2}:
            yield from read_graph(model, part, where, 2)


def _opset(model: Model, span: Field) -> str:
    domain, version = "", 0
    for part in model.wire.fields(span.start, span.end, 1):
        if part.number == 1:
            domain = model.wire.text(part)
        elif part.number == 2:
            version = scalar(part)
    return f"{domain or 'ai.onnx'} {version}"


@cache
def _known() -> dict[str, frozenset[str]]:
    domains: dict[str, str] = load("onnx_operators.json")["domains"]
    return {domain: frozenset(names.split()) for domain, names in domains.items()}


def _judge(model: Model) -> Iterator[Note]:
    """Findings about operators, each told once; those that the model defines are its own business."""
    custom = 0
    for (domain, operator), place in model.operators.items():
        if (domain, operator) in model.functions:
            continue
        shown = ascii(f"{domain}::{operator}"[:120] if domain else operator[:120])[1:-1]
        known = _known().get("" if domain == "ai.onnx" else domain)
        if operator in _PYTHON:
            message = f"calls Python by the operator {shown}"
            yield Finding(PYTHON, place, message, evidence=(("operator", shown),))
        elif known is None or (operator not in known and "*" not in known):
            custom += 1
            model.note("custom operator", shown)
            if custom <= _NAMED:
                message = f"needs the operator {shown}, which neither ONNX nor ONNX Runtime brings"
                yield Finding(CUSTOM, place, message, evidence=(("operator", shown),))


FORMAT = Format(
    name="onnx",
    title="ONNX model",
    matches=_matches,
    inspect=_inspect,
    rules=RULES,
    suffixes=(".onnx",),
    spec="https://github.com/onnx/onnx/blob/main/onnx/onnx.proto",
)
