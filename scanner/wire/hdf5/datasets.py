"""Data sets: their type and shape, and where their data lies (sections IV.A.2.h, i, l)."""

from __future__ import annotations

from dataclasses import dataclass

from scanner.errors import FormatError
from scanner.wire.hdf5 import objects
from scanner.wire.hdf5.datatype import Datatype, dataspace, datatype
from scanner.wire.hdf5.heaps import global_object
from scanner.wire.hdf5.objects import Message
from scanner.wire.hdf5.storage import Fields, LocalHeap, Storage

_SOURCES = 100_000
_FILTERS = {
    1: "deflate", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 32000: "lzf",
    32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32013: "zfp", 32015: "zstd", 32026: "blosc2",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dataset:
    """One data set."""

    type: Datatype
    shape: tuple[int, ...] | None
    layout: str
    """``compact``, ``contiguous``, ``chunked`` or ``virtual``."""
    address: int | None = None
    """Of the data if it is contiguous, of the index of chunks; ``None`` where nothing was written."""
    length: int = 0
    """Bytes of contiguous or compact data."""
    inline: bytes = b""
    """Compact data itself."""
    place: int = 0
    """Byte of the file at which compact data begins."""
    chunk: tuple[int, ...] = ()
    index: int = 0
    """How chunks are found: 0 a B-tree of version 1, 1 to 5 as in layout version 4."""
    filters: tuple[str, ...] = ()
    external: tuple[str, ...] = ()
    """Files that hold the data instead."""
    sources: tuple[str, ...] = ()
    """Files from which a virtual data set is put together; this one is ``.``."""

    @property
    def elements(self) -> int:
        """Number of elements; 1 for a scalar, 0 where there is none."""
        count = 0 if self.shape is None else 1
        for extent in self.shape or ():
            count *= extent
        return count


def dataset(storage: Storage, messages: list[Message]) -> Dataset | None:
    """The data set that an object is; ``None`` where it is something else.

    Raises:
        FormatError: One of its messages does not follow the specification.
    """
    by_type = {message.type: storage.inner(message.data, message.place) for message in reversed(messages)}
    if not {objects.DATATYPE, objects.DATASPACE, objects.LAYOUT} <= by_type.keys():
        return None
    kind, shape = datatype(by_type[objects.DATATYPE]), dataspace(by_type[objects.DATASPACE])
    found = _layout(storage, by_type[objects.LAYOUT], kind, shape)
    filters = _pipeline(by_type[objects.PIPELINE]) if objects.PIPELINE in by_type else ()
    external = _external(storage, by_type[objects.EXTERNAL]) if objects.EXTERNAL in by_type else ()
    return Dataset(
        kind, shape, found.layout, found.address, found.length, found.inline, found.place, found.chunk,
        found.index, filters, external, found.sources,
    )  # fmt: skip


def _layout(storage: Storage, fields: Fields, kind: Datatype, shape: tuple[int, ...] | None) -> Dataset:
    version = fields.number(1)
    if version in {1, 2}:
        return _layout_old(fields, kind, shape)
    if version not in {3, 4, 5}:
        raise FormatError(f"a data layout of version {version}", fields.place)
    match fields.number(1):
        case 0:
            length = fields.number(2)
            place = fields.place + fields.at
            return Dataset(kind, shape, "compact", None, length, fields.take(length), place)
        case 1:
            return Dataset(kind, shape, "contiguous", fields.address(), fields.size())
        case 2 if version == 3:
            rank, address = fields.number(1), fields.address()
            chunk = tuple(fields.number(4) for _ in range(rank))[:-1]
            return Dataset(kind, shape, "chunked", address, chunk=chunk)
        case 2:
            return _chunked(fields, kind, shape)
        case 3:
            address, index = fields.address(), fields.number(4)
            sources = _sources(storage, address, index) if address else ()
            return Dataset(kind, shape, "virtual", sources=sources)
    raise FormatError("a data layout of unknown class", fields.place)


def _layout_old(fields: Fields, kind: Datatype, shape: tuple[int, ...] | None) -> Dataset:
    rank, number = fields.number(1), fields.number(1)
    fields.take(5)
    address = fields.address() if number else None
    extents = tuple(fields.number(4) for _ in range(rank))
    if number == 0:
        length = fields.number(4)
        place = fields.place + fields.at
        return Dataset(kind, shape, "compact", None, length, fields.take(length), place)
    if number == 2:
        return Dataset(kind, shape, "chunked", address, chunk=extents[:-1] if rank else ())
    length = kind.size
    for extent in extents:
        length *= extent
    return Dataset(kind, shape, "contiguous", address, length)


def _chunked(fields: Fields, kind: Datatype, shape: tuple[int, ...] | None) -> Dataset:
    """Read a chunked layout of version 4; of the index, only where it lies (IV.A.2.i)."""
    flags, rank, width = fields.number(1), fields.number(1), fields.number(1)
    if not 1 <= width <= 8:
        raise FormatError("extents of chunks are 1 to 8 bytes wide", fields.place + fields.at)
    chunk = tuple(fields.number(width) for _ in range(rank))[:-1]
    index = fields.number(1)
    match index:
        case 1:
            if flags & 2:
                fields.size()
                fields.take(4)
        case 3:
            fields.take(1)
        case 4:
            fields.take(5)
        case 5:
            fields.take(6)
    return Dataset(kind, shape, "chunked", fields.address(), chunk=chunk, index=index)


def _pipeline(fields: Fields) -> tuple[str, ...]:
    version, count = fields.number(1), fields.number(1)
    if version == 1:
        fields.take(6)
    elif version != 2:
        raise FormatError(f"a filter pipeline of version {version}", fields.place)
    names = []
    for _ in range(count):
        number = fields.number(2)
        length = fields.number(2) if version == 1 or number >= 256 else 0
        fields.take(2)
        values = fields.number(2)
        own = fields.take(length + (-length % 8 if version == 1 else 0)).partition(b"\0")[0]
        fields.take(4 * (values + (values & 1 if version == 1 else 0)))
        names.append(_FILTERS.get(number) or f"{number} {own.decode('latin-1')}".strip())
    return tuple(names)


def _external(storage: Storage, fields: Fields) -> tuple[str, ...]:
    fields.take(4)
    fields.take(2)
    used, heap = fields.number(2), fields.address()
    if heap is None:
        raise FormatError("names of external files have no heap", fields.place)
    names = LocalHeap.open(storage, heap)
    found: dict[str, None] = {}
    for _ in range(used):
        found[names.name(fields.size())] = None
        fields.size()
        fields.size()
    return tuple(found)


def _sources(storage: Storage, address: int, index: int) -> tuple[str, ...]:
    """Read the file names of a virtual data set's mapping (section VII.B of the specification's appendix)."""
    data, place = global_object(storage, address, index)
    fields = storage.inner(data, place)
    if fields.number(1) != 0:
        raise FormatError("a virtual mapping of unknown version", place)
    count = fields.size()
    found: dict[str, None] = {}
    for _ in range(min(count, _SOURCES)):
        storage.budget.spend_items()
        found[fields.text().decode("utf-8", "backslashreplace")] = None
        fields.text()
        _selection(fields)
        _selection(fields)
    if count > _SOURCES:
        raise FormatError(f"a virtual data set of {count} sources", place)
    return tuple(found)


def _selection(fields: Fields) -> None:
    """Step over a dataspace selection (IV.A, appendix "dataspace selection")."""
    kind, version = fields.number(4), fields.number(4)
    if kind in {0, 3}:
        fields.take(8)
    elif version == 1:
        fields.take(4)
        fields.take(fields.number(4))
    elif kind == 2 and version == 2:
        fields.take(1)
        fields.take(fields.number(4))
    elif kind == 2 and version == 3:
        flags, width, rank = fields.number(1), fields.number(1), fields.number(4)
        blocks = 2 if flags & 1 else fields.number(width)
        fields.take(min(2 * rank * width * blocks, 1 << 32))
    else:
        raise FormatError("a selection of unknown kind", fields.place + fields.at)
