"""The nodes of a TensorFlow graph and of its function library, as far as anything is judged by them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.errors import FormatError
from scanner.formats.tensorflow_graph.rules import PAYLOAD
from scanner.inspection import Child, Note, Text
from scanner.model import Finding, Location, Tensor
from scanner.wire.protobuf import LENGTH, VARINT, Field, Wire, signed

# DataType of types.proto.
TYPES = {
    1: "f32",
    2: "f64",
    3: "i32",
    4: "u8",
    5: "i16",
    6: "i8",
    7: "string",
    8: "c64",
    9: "i64",
    10: "bool",
    11: "qi8",
    12: "qu8",
    13: "qi32",
    14: "bf16",
    15: "qi16",
    16: "qu16",
    17: "u16",
    18: "c128",
    19: "f16",
    20: "resource",
    21: "variant",
    22: "u32",
    23: "u64",
    24: "f8_e5m2",
    25: "f8_e4m3",
    29: "i4",
    30: "u4",
}
_INPUTS = 64
_STRINGS = 256
_ODD = 20
_TEXT = 1 << 20
_CONTENT, _STRING = 4, 8
_NUMBERS = frozenset({5, 6, 7, 9, 10, 11, 12, 13, 16, 17, 18})


@dataclass(slots=True)
class Node:
    """One node: what the judgement asks for."""

    name: str = ""
    operator: str = ""
    inputs: list[str] = field(default_factory=list)
    strings: list[str] = field(default_factory=list)
    """Strings of a constant."""
    functions: list[str] = field(default_factory=list)
    """Functions of the library that its attributes name."""
    attributes: dict[str, list[str]] = field(default_factory=dict)
    place: int = 0


@dataclass(slots=True)
class Body:
    """A graph, or the body of one function."""

    name: str = ""
    arguments: list[str] = field(default_factory=list)
    nodes: dict[str, Node] = field(default_factory=dict)


@dataclass(slots=True)
class Graphs:
    """Everything that was walked."""

    wire: Wire
    bodies: list[Body] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    assets: set[str] = field(default_factory=set)
    """Nodes whose constant is an asset's path."""
    files: list[str] = field(default_factory=list)
    metadata: list[tuple[str, str]] = field(default_factory=list)
    count: int = 0
    odd_fields: int = 0

    def odd(self, part: Field, what: str, where: Location) -> Iterator[Note]:
        """A field that the specification does not know."""
        length = part.end - part.start
        self.odd_fields += 1
        if self.odd_fields > _ODD:
            return
        message = f"{what} has a field {part.number} of {length} bytes that TensorFlow does not know"
        evidence = (("field", str(part.number)), ("in", what))
        yield Finding(PAYLOAD, where.at(part.start, length), message, evidence=evidence)
        if part.kind == LENGTH and length >= 16:
            yield Child(f"field {part.number} at {part.start}", self.wire.window(part))


def read_graph(graphs: Graphs, span: tuple[int, int], where: Location, depth: int) -> Iterator[Note]:
    """A ``GraphDef``; ``depth`` is that of its fields."""
    body = Body()
    graphs.bodies.append(body)
    for part in graphs.wire.fields(*span, depth):
        if part.number == 1:
            yield from _node(graphs, body, part, where, depth + 1)
        elif part.number == 2:
            yield from _library(graphs, part, where, depth + 1)
        elif part.number not in {3, 4, 5}:
            yield from graphs.odd(part, "a graph", where)


def _library(graphs: Graphs, span: Field, where: Location, depth: int) -> Iterator[Note]:
    for part in graphs.wire.fields(inside(span).start, span.end, depth):
        if part.number == 1:
            yield from _function(graphs, part, where, depth + 1)
        elif part.number not in {2, 3}:
            yield from graphs.odd(part, "a function library", where)


def _function(graphs: Graphs, span: Field, where: Location, depth: int) -> Iterator[Note]:
    body = Body()
    graphs.bodies.append(body)
    for part in graphs.wire.fields(inside(span).start, span.end, depth):
        if part.number == 1:
            _signature(graphs.wire, part, body, depth + 1)
        elif part.number == 3:
            yield from _node(graphs, body, part, where, depth + 1)
        elif part.number not in {2, 4, 5, 6, 7, 8}:
            yield from graphs.odd(part, "a function", where)


def _signature(wire: Wire, span: Field, body: Body, depth: int) -> None:
    for part in wire.fields(inside(span).start, span.end, depth):
        if part.number == 1:
            body.name = wire.text(part)
        elif part.number == 2:
            names = [
                wire.text(p) for p in wire.fields(inside(part).start, part.end, depth + 1) if p.number == 1
            ]
            body.arguments += names


def _node(graphs: Graphs, body: Body, span: Field, where: Location, depth: int) -> Iterator[Note]:
    wire, node = graphs.wire, Node(place=span.start)
    graphs.count += 1
    wire.budget.spend_bytes(400)
    for part in wire.fields(inside(span).start, span.end, depth):
        if part.number == 1:
            node.name = wire.text(part)
        elif part.number == 2:
            node.operator = wire.text(part)
        elif part.number == 3:
            if len(node.inputs) < _INPUTS:
                node.inputs.append(wire.text(part))
        elif part.number == 5:
            for key, tensor in _attribute(wire, inside(part), node, depth + 1):
                yield from _tensor(graphs, node, tensor, where, depth=depth + 3, keep=key == "value")
        elif part.number not in {4, 6, 7}:
            yield from graphs.odd(part, "a node", where)
    # A second node of one name is refused by TensorFlow; it is judged all the same.
    body.nodes[node.name if node.name not in body.nodes else f"{node.name}\0{span.start}"] = node


def _attribute(wire: Wire, span: Field, node: Node, depth: int) -> Iterator[tuple[str, Field]]:
    """Note the texts and functions of an attribute (a map entry); gives its tensors."""
    key, values = "", []
    for part in wire.fields(span.start, span.end, depth):
        if part.number == 1:
            key = wire.text(part)
        elif part.number == 2:
            values.append(inside(part))
    for value in values:
        for part in wire.fields(value.start, value.end, depth + 1):
            if part.number == 8:
                yield key, inside(part)
            elif part.number == 1:
                for item in wire.fields(inside(part).start, part.end, depth + 2):
                    _value(wire, key, item, node, function=item.number == 9)
            else:
                _value(wire, key, part, node, function=part.number == 10)


def _value(wire: Wire, key: str, part: Field, node: Node, *, function: bool) -> None:
    if function:
        node.functions += (
            wire.text(p) for p in wire.fields(inside(part).start, part.end, 1) if p.number == 1
        )
    elif part.number == 2 and part.kind == LENGTH and part.end - part.start <= _TEXT:
        held = node.attributes.setdefault(key, [])
        if len(held) < _STRINGS:
            held.append(wire.text(part))


def _tensor(
    graphs: Graphs, node: Node, span: Field, where: Location, *, depth: int, keep: bool
) -> Iterator[Note]:
    """A ``TensorProto`` in an attribute: strings as text, numbers as a tensor of the node's name."""
    wire, kind, content, held = graphs.wire, 0, None, 0
    shape: tuple[int, ...] = ()
    for part in wire.fields(span.start, span.end, depth):
        if part.number == 1 and part.kind == VARINT:
            kind = part.value
        elif part.number == 2:
            shape = read_shape(wire, inside(part), depth + 1)
        elif part.number == _CONTENT:
            content = part
        elif part.number == _STRING and held <= _TEXT:
            held += part.end - part.start
            node.strings.append(wire.piece(inside(part), _TEXT).decode("utf-8", "replace"))
        elif part.number not in {3, 8, 14, 15} and part.number not in _NUMBERS:
            yield from graphs.odd(part, "a tensor", where)
    if node.strings:
        yield Text("\n".join(node.strings), where.at(span.start), "string")
    if keep and content is not None and all(extent >= 0 for extent in shape):
        dtype = TYPES.get(kind, f"type {kind}")
        length = content.end - content.start
        graphs.tensors.append(Tensor(node.name, dtype, shape, content.start, length))


def read_shape(wire: Wire, span: Field, depth: int) -> tuple[int, ...]:
    """A ``TensorShapeProto``; -1 for what is unknown."""
    extents = []
    for part in wire.fields(span.start, span.end, depth):
        if part.number == 2:
            sizes = [p.value for p in wire.fields(inside(part).start, part.end, depth + 1) if p.number == 1]
            extents.append(signed(sizes[-1]) if sizes else 0)
    return tuple(extents)


def inside(part: Field) -> Field:
    """The field, if it has a content.

    Raises:
        FormatError: It is a number.
    """
    if part.kind != LENGTH:
        raise FormatError(f"field {part.number} is not the message that it should be", part.start)
    return part
