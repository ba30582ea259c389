"""Attributes of an object (section IV.A.2.m), in its header or in dense storage (IV.A.2.v)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scanner.errors import FormatError
from scanner.wire.hdf5 import objects, trees
from scanner.wire.hdf5.datatype import Datatype, dataspace, datatype
from scanner.wire.hdf5.heaps import FractalHeap
from scanner.wire.hdf5.objects import Message, resolved
from scanner.wire.hdf5.storage import Fields, Storage

_BY_NAME = frozenset({8})


@dataclass(frozen=True, slots=True)
class Attribute:
    """A named value of an object."""

    name: str
    type: Datatype
    shape: tuple[int, ...] | None
    data: bytes
    """The elements; those of variable length are references into the global heap."""
    place: int


def attributes(storage: Storage, messages: list[Message]) -> Iterator[Attribute]:
    """Every attribute of an object.

    Raises:
        FormatError: A structure on the way does not follow the specification.
    """
    for message in messages:
        fields = storage.inner(message.data, message.place)
        if message.type == objects.ATTRIBUTE:
            yield _attribute(storage, fields)
        elif message.type == objects.ATTRIBUTE_INFO:
            yield from _dense(storage, fields)


def _dense(storage: Storage, fields: Fields) -> Iterator[Attribute]:
    fields.take(1)
    if fields.number(1) & 1:
        fields.take(2)
    heap, tree = fields.address(), fields.address()
    if heap is None or tree is None:
        return
    fractal = FractalHeap.open(storage, heap)
    for record in trees.records(storage, tree, _BY_NAME):
        identifier, flags = record.take(8), record.number(1)
        if flags & 2:
            raise FormatError(
                "an attribute lies in a heap of shared messages, which is not supported", record.place
            )
        data, place = fractal.get(identifier)
        yield _attribute(storage, storage.inner(data, place))


def _attribute(storage: Storage, fields: Fields) -> Attribute:
    version, flags = fields.number(1), fields.number(1)
    if not 1 <= version <= 3:
        raise FormatError(f"an attribute of version {version}", fields.place)
    sizes = [fields.number(2) for _ in range(3)]
    if version == 3:
        fields.take(1)
    parts = []
    for size in sizes:
        place = fields.place + fields.at
        parts.append(storage.inner(fields.take(size), place))
        if version == 1:
            fields.take(min(-size % 8, fields.left))
    name = parts[0].data.rstrip(b"\0").decode("utf-8", "backslashreplace")
    kind = _part(storage, parts[1], objects.DATATYPE, flags & 1)
    space = _part(storage, parts[2], objects.DATASPACE, flags & 2)
    place = fields.place + fields.at
    return Attribute(name, datatype(kind), dataspace(space), fields.take(fields.left), place)


def _part(storage: Storage, fields: Fields, kind: int, shared: int) -> Fields:
    if not shared:
        return fields
    found = resolved(storage, Message(kind, fields.data, fields.place))
    return storage.inner(found.data, found.place)
