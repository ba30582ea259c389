"""Members of a group: symbol tables (section IV.A.2.r), link messages (2.g), dense storage (2.c)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scanner.errors import FormatError
from scanner.wire.hdf5 import objects, trees
from scanner.wire.hdf5.heaps import FractalHeap
from scanner.wire.hdf5.objects import Message
from scanner.wire.hdf5.storage import Fields, LocalHeap, Storage

_BY_NAME = frozenset({5})


@dataclass(frozen=True, slots=True)
class Link:
    """One member of a group."""

    name: str
    kind: str
    """``hard``, ``soft``, ``external`` or ``user-defined``."""
    address: int = 0
    """Of the object header, for a hard link."""
    target: str = ""
    """Path of a soft or external link."""
    file: str = ""
    """File name of an external link."""
    place: int = 0


def links(storage: Storage, messages: list[Message]) -> Iterator[Link]:
    """Every link of a group.

    Raises:
        FormatError: A structure on the way does not follow the specification.
    """
    for message in messages:
        fields = storage.inner(message.data, message.place)
        if message.type == objects.SYMBOL_TABLE:
            tree, heap = fields.address(), fields.address()
            if tree is not None and heap is not None:
                yield from _symbols(storage, tree, LocalHeap.open(storage, heap))
        elif message.type == objects.LINK:
            yield _link(fields)
        elif message.type == objects.LINK_INFO:
            yield from _dense(storage, fields)


def _symbols(storage: Storage, tree: int, heap: LocalHeap) -> Iterator[Link]:
    entry = 2 * storage.offset_size + 24
    seen: set[int] = set()
    for _, address in trees.leaves(storage, tree, kind=0, key=storage.length_size):
        if address in seen:
            raise FormatError("a group lists the same names twice", storage.place(address))
        seen.add(address)
        head = storage.fields(address, 8)
        head.expect(b"SNOD")
        head.take(2)
        count = head.number(2)
        fields = storage.fields(address + 8, count * entry)
        for _ in range(count):
            place = fields.place + fields.at
            offset = fields.number(storage.offset_size)
            target, cache = fields.address(), fields.number(4)
            fields.take(4)
            scratch = fields.take(16)
            if cache == 2:
                path = heap.name(int.from_bytes(scratch[:4], "little"))
                yield Link(heap.name(offset), "soft", target=path, place=place)
            elif target is not None:
                yield Link(heap.name(offset), "hard", target, place=place)


def _dense(storage: Storage, fields: Fields) -> Iterator[Link]:
    fields.take(1)
    if fields.number(1) & 1:
        fields.take(8)
    heap, tree = fields.address(), fields.address()
    if heap is None or tree is None:
        return
    fractal = FractalHeap.open(storage, heap)
    for record in trees.records(storage, tree, _BY_NAME):
        record.take(4)
        data, place = fractal.get(record.take(record.left))
        yield _link(storage.inner(data, place))


def _link(fields: Fields) -> Link:
    place = fields.place
    if fields.number(1) != 1:
        raise FormatError("a link of unknown version", place)
    flags = fields.number(1)
    kind = fields.number(1) if flags & 8 else 0
    fields.take((8 if flags & 4 else 0) + (1 if flags & 16 else 0))
    name = _text(fields.take(fields.number(1 << (flags & 3))))
    if kind == 0:
        address = fields.address()
        if address is None:
            raise FormatError("a hard link leads nowhere", place)
        return Link(name, "hard", address, place=place)
    value = fields.take(fields.number(2))
    if kind == 1:
        return Link(name, "soft", target=_text(value), place=place)
    if kind == 64:
        file, _, path = value[1:].partition(b"\0")
        return Link(name, "external", target=_text(path.partition(b"\0")[0]), file=_text(file), place=place)
    return Link(name, "user-defined", target=str(kind), place=place)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace")
