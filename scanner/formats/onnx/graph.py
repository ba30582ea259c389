"""Graphs, nodes and functions of an ONNX model, walked with every graph that stands in an attribute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.formats.onnx.model import Model, message, scalar
from scanner.formats.onnx.rules import CONTEXT, EXTERNAL_PATH, TENSOR
from scanner.formats.onnx.tensors import TYPES, read_tensor
from scanner.inspection import Child, Note, Text
from scanner.model import Finding, Location
from scanner.wire.paths import escape
from scanner.wire.protobuf import LENGTH, Field

_TEXT_LIMIT = 4096
_DOCUMENT = 1 << 20
_SHORT = 8
_STRINGS = 100_000
_SHAPE = 64


def read_graph(model: Model, span: Field, where: Location, depth: int) -> Iterator[Note]:
    """A ``GraphProto``; ``depth`` is that of its fields."""
    names: Counter[str] = Counter()
    for part in model.wire.fields(message(span).start, span.end, depth):
        number = part.number
        if number == 1:
            yield from _node(model, part, where, depth + 1)
        elif number == 2:
            model.note("graph", model.wire.text(part))
        elif number == 5:
            names[(yield from read_tensor(model, message(part), where, depth=depth + 1, keep=True))] += 1
        elif number == 15:
            yield from _sparse(model, message(part), where, depth + 1, keep=True)
        elif number in {11, 12}:
            yield from _value(model, message(part), where, ("input", "output")[number - 11], depth + 1)
        elif number == 10:
            yield from document(model, part, where)
        elif number == 16:
            yield from model.pair(part, where, depth + 1)
        elif number not in {13, 14}:
            yield from model.odd(part, "a graph", where)
    yield from _twice(names, where)


def read_function(model: Model, span: Field, where: Location, depth: int) -> Iterator[Note]:
    """A ``FunctionProto``: an operator that the model defines itself."""
    name = domain = ""
    for part in model.wire.fields(message(span).start, span.end, depth):
        if part.number == 1:
            name = model.wire.text(part)
        elif part.number == 10:
            domain = model.wire.text(part)
        elif part.number == 7:
            yield from _node(model, part, where, depth + 1)
        elif part.number == 11:
            yield from _attribute(model, part, _Node(), where, depth + 1)
        elif part.number == 8:
            yield from document(model, part, where)
        elif part.number == 14:
            yield from model.pair(part, where, depth + 1)
        elif part.number not in {4, 5, 6, 9, 12, 13}:
            yield from model.odd(part, "a function", where)
    model.functions.add((domain, name))


def document(model: Model, part: Field, where: Location) -> Iterator[Note]:
    """A ``doc_string``."""
    if part.kind == LENGTH and part.end > part.start:
        if part.end - part.start > _DOCUMENT:
            yield Child(f"text at {part.start}", model.wire.window(part))
        else:
            yield Text(model.wire.text(part, _DOCUMENT), where.at(part.start), "text")


@dataclass(slots=True)
class _Node:
    operator: str = ""
    domain: str = ""
    numbers: dict[str, int] = field(default_factory=dict)
    texts: list[tuple[str, Field]] = field(default_factory=list)


def _node(model: Model, span: Field, where: Location, depth: int) -> Iterator[Note]:
    node = _Node()
    model.nodes += 1
    for part in model.wire.fields(message(span).start, span.end, depth):
        if part.number == 4:
            node.operator = model.wire.text(part)
        elif part.number == 7:
            node.domain = model.wire.text(part)
        elif part.number == 5:
            yield from _attribute(model, part, node, where, depth + 1)
        elif part.number == 6:
            yield from document(model, part, where)
        elif part.number == 9:
            yield from model.pair(part, where, depth + 1)
        elif part.number not in {1, 2, 3, 8, 10}:
            yield from model.odd(part, "a node", where)
    key = (node.domain, node.operator)
    if key not in model.operators:
        model.wire.budget.spend_bytes(256 + len(node.operator))
        model.operators[key] = where.at(span.start, span.end - span.start)
    yield from _texts(model, node, where)


def _attribute(model: Model, span: Field, node: _Node, where: Location, depth: int) -> Iterator[Note]:
    """Everything in an ``AttributeProto`` that is more than a number; texts are left to the node."""
    name, value, texts = "", 0, []
    for part in model.wire.fields(message(span).start, span.end, depth):
        number = part.number
        if number == 1:
            name = model.wire.text(part)
        elif number == 3:
            value = scalar(part)
        elif number in {4, 9}:
            texts.append(message(part))
        elif number in {5, 10}:
            yield from read_tensor(model, message(part), where, depth=depth + 1, keep=False)
        elif number in {6, 11}:
            yield from read_graph(model, part, where, depth + 1)
        elif number in {22, 23}:
            yield from _sparse(model, message(part), where, depth + 1, keep=False)
        elif number == 13:
            yield from document(model, part, where)
        elif number not in {2, 7, 8, 14, 15, 20, 21}:
            yield from model.odd(part, "an attribute", where)
    node.numbers[name] = value
    node.texts += ((name, text) for text in texts)


def _texts(model: Model, node: _Node, where: Location) -> Iterator[Note]:
    """Texts and bytes in attributes; those of ``EPContext`` are a file's name or the binary itself."""
    compiled = node.operator == "EPContext"
    if compiled and model.first(CONTEXT, ""):
        message = "has a node EPContext: code compiled for an accelerator"
        yield Finding(CONTEXT, where, message, evidence=(("operator", "EPContext"),))
    held: list[str] = []
    for name, part in node.texts:
        length = part.end - part.start
        if compiled and name == "ep_cache_context" and not node.numbers.get("embed_mode", 1):
            yield from _context_file(model, part, where)
        elif length > _TEXT_LIMIT or (compiled and name == "ep_cache_context" and length):
            yield Child(f"{node.operator}.{name}"[:_TEXT_LIMIT], model.wire.window(part))
        elif length and len(held) < _STRINGS:
            held.append(model.wire.text(part))
    if any(len(text) >= _SHORT for text in held):
        yield Text("\n".join(held), where, "string")


def _context_file(model: Model, part: Field, where: Location) -> Iterator[Note]:
    path = model.wire.text(part)
    model.files.setdefault(path[:200])
    how = escape(path)
    if how and model.first(EXTERNAL_PATH, path[:200]):
        message = f"a compiled context is taken from {path[:200]!r}, a path that {how}"
        yield Finding(EXTERNAL_PATH, where.at(part.start), message, evidence=(("location", path[:200]),))


def _sparse(model: Model, span: Field, where: Location, depth: int, *, keep: bool) -> Iterator[Note]:
    for part in model.wire.fields(span.start, span.end, depth):
        if part.number in {1, 2}:
            yield from read_tensor(
                model, message(part), where, depth=depth + 1, keep=keep and part.number == 1
            )
        elif part.number != 3:
            yield from model.odd(part, "a sparse tensor", where)


def _value(model: Model, span: Field, where: Location, what: str, depth: int) -> Iterator[Note]:
    """An input or an output: name and type, for people."""
    name, shape = "", ""
    for part in model.wire.fields(span.start, span.end, depth):
        if part.number == 1:
            name = model.wire.text(part)
        elif part.number == 2:
            shape = _type(model, message(part), depth + 1)
        elif part.number == 3:
            yield from document(model, part, where)
        elif part.number == 4:
            yield from model.pair(part, where, depth + 1)
        else:
            yield from model.odd(part, "a value", where)
    model.note(what, f"{name}: {shape}" if shape else name)


def _type(model: Model, span: Field, depth: int) -> str:
    """``f32[batch, 3, 224, 224]`` for a tensor; empty for what is none."""
    shown = ""
    for part in model.wire.fields(span.start, span.end, depth):
        if part.number != 1 or part.kind != LENGTH:
            continue
        extents: list[str] = []
        for inner in model.wire.fields(part.start, part.end, depth + 1):
            if inner.number == 1:
                shown = TYPES.get(scalar(inner), ("?", 0))[0]
            elif inner.number == 2:
                extents += _extents(model, message(inner), depth + 2)
        shown += f"[{', '.join(extents[:_SHAPE])}]"
    return shown


def _extents(model: Model, span: Field, depth: int) -> Iterator[str]:
    for part in model.wire.fields(span.start, span.end, depth):
        shown = "?"
        for inner in model.wire.fields(message(part).start, part.end, depth + 1):
            if inner.number == 1:
                shown = str(scalar(inner))
            elif inner.number == 2:
                shown = model.wire.text(inner)[:40]
        yield shown


def _twice(names: Counter[str], where: Location) -> Iterator[Note]:
    again = sorted(name for name, count in names.items() if count > 1 and name)
    if again:
        shown = ", ".join(name[:80] for name in again[:5])
        message = f"{len(again)} initialisers stand more than once: {shown}"
        yield Finding(TENSOR, where, message, evidence=(("twice", shown),))
