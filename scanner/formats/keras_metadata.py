"""Keras metadata of a SavedModel (``keras_metadata.pb``): the configuration of each layer, as JSON."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Child, Format, Head, Note, Text
from scanner.model import Facts, Location
from scanner.reader import Budget, Reader
from scanner.wire.protobuf import LENGTH, VARINT, Wire, varint

# SavedObject of saved_metadata.proto, field to wire type.
_KINDS = {2: VARINT, 3: LENGTH, 4: LENGTH, 5: LENGTH, 6: LENGTH}
_PATH, _IDENTIFIER, _METADATA = 3, 4, 5
_KNOWN = 1000


def _matches(head: Head) -> bool:
    data = head.data
    if data[:1] != b"\x0a" or b"_tf_keras_" not in data[:1024]:
        return False
    try:
        length, at = varint(data, 1, 11)
        stop = at + length
        if not length or stop > head.size:
            return False
        while at < min(stop, len(data)):
            tag, at = varint(data, at, len(data))
            if _KINDS.get(tag >> 3) != tag & 7:
                return False
            value, at = varint(data, at, len(data))
            at += value if tag & 7 == LENGTH else 0
    except FormatError:
        return False
    return at <= stop


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    wire, layers = Wire(reader, budget), list[tuple[str, str]]()
    for node in wire.fields():
        if node.number != 1 or node.kind != LENGTH:
            raise FormatError(f"a field {node.number} that Keras metadata does not have", node.start)
        path, identifier, config = "", "", None
        for part in wire.fields(node.start, node.end, 1):
            if _KINDS.get(part.number) != part.kind:
                raise FormatError(f"a field {part.number} that no layer has", part.start)
            if part.number == _PATH:
                path = wire.text(part)
            elif part.number == _IDENTIFIER:
                identifier = wire.text(part)
                yield Text(identifier, where.at(part.start), "metadata")
            elif part.number == _METADATA:
                config = part
        budget.spend_bytes(256)
        if len(layers) < _KNOWN:
            layers.append((path[:200], identifier[:200]))
        if config is not None and config.end > config.start:
            yield Child(f"{path[:200] or identifier[:200]}", wire.window(config), read_as="keras-config")
    yield Facts("keras-metadata", metadata=tuple(layers))


FORMAT = Format(
    name="keras-metadata",
    title="Keras metadata of a SavedModel",
    matches=_matches,
    inspect=_inspect,
    spec="https://github.com/keras-team/tf-keras/blob/master/tf_keras/protobuf/saved_metadata.proto",
)
