"""TensorFlow checkpoints: the index (``.index``), a sorted table that says where each tensor's numbers are.

The numbers themselves (``.data-00000-of-00001``) have no format: it is the index beside them that says of
each byte whose it is, which ``crosscheck`` holds against the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note
from scanner.model import Check, Facts, Finding, Gap, Location, Region, Rule, Severity, Tensor
from scanner.reader import Budget, BytesReader, Cursor, Reader
from scanner.wire.protobuf import LENGTH, VARINT, Field, Wire, signed, varint

LAYOUT = Rule(
    id="tensorflow-checkpoint/layout",
    title="A tensor's numbers are not as its shape says",
    severity=Severity.MEDIUM,
    check=Check.BOUNDS,
    finds="A tensor whose length is not what its shape and type need; tensors that share bytes.",
    why="Readers refuse such a checkpoint, or take the bytes of one tensor for another's.",
    remedy="Get the files again, or have the publisher save the checkpoint again.",
    example="100 floats in 16 bytes.",
    limits="Tensors that are saved in slices are not compared with their shape.",
    references=("CWE-130",),
)
_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48
_TRAILER = 5  # how a block is compressed, and its checksum
_BLOCK = 64 << 20
_NAMED = 20
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
# DataType of types.proto: name and bytes of an element.
_TYPES = {
    1: ("f32", 4),
    2: ("f64", 8),
    3: ("i32", 4),
    4: ("u8", 1),
    5: ("i16", 2),
    6: ("i8", 1),
    7: ("string", 0),
    8: ("c64", 8),
    9: ("i64", 8),
    10: ("bool", 1),
    11: ("qi8", 1),
    12: ("qu8", 1),
    13: ("qi32", 4),
    14: ("bf16", 2),
    15: ("qi16", 2),
    16: ("qu16", 2),
    17: ("u16", 2),
    18: ("c128", 16),
    19: ("f16", 2),
    22: ("u32", 4),
    23: ("u64", 8),
    24: ("f8_e5m2", 1),
    25: ("f8_e4m3", 1),
}


def _matches(head: Head) -> bool:
    return head.tail.endswith(_MAGIC) and head.size >= _FOOTER


@dataclass(slots=True)
class _Entry:
    """A ``BundleEntryProto``."""

    kind: int = 0
    shape: tuple[int, ...] = ()
    shard: int = 0
    offset: int = 0
    size: int = 0
    slices: int = 0


@dataclass(slots=True)
class _Checkpoint:
    """What the table says."""

    prefix: str
    shards: int = 1
    header: bool = False
    tensors: list[Tensor] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)

    def facts(self) -> Facts:
        files = dict.fromkeys(region.path for region in self.regions)
        pairs = (("shards", str(self.shards)),)
        return Facts(
            "tensorflow-checkpoint",
            "2",
            tuple(self.tensors),
            external_files=tuple(files),
            metadata=pairs,
            regions=tuple(self.regions),
        )


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    name = (where.members or (where.path,))[-1].rpartition("/")[2]
    found = _Checkpoint(name.removesuffix(".index"))
    try:
        for key, value, at in _table(reader, budget):
            if not found.header and not _header(found, key, value, budget):
                yield Gap(where.at(at), "a sorted table that is no checkpoint of TensorFlow 1 or later")
                return
            if key:
                yield from _entry(found, key, value, budget, where.at(at))
    except FormatError:
        yield found.facts()
        raise
    yield found.facts()
    yield from _shared(found, where)


def _header(found: _Checkpoint, key: bytes, value: bytes, budget: Budget) -> bool:
    """Whether the first entry is a ``BundleHeaderProto``."""
    if key:
        return False
    for part in Wire(BytesReader(value), budget).fields():
        if part.number not in {1, 2, 3}:
            return False
        if part.number == 1 and part.kind == VARINT:
            found.shards = part.value
    found.header = True
    return True


def _table(reader: Reader, budget: Budget) -> Iterator[tuple[bytes, bytes, int]]:
    """Key, value and place of every entry, in the order of the table."""
    if reader.size < _FOOTER:
        raise FormatError("there is no footer", reader.size)
    footer = Cursor(reader, budget, reader.size - _FOOTER).read(_FOOTER)
    if not footer.endswith(_MAGIC):
        raise FormatError("the footer is that of no table", reader.size - 8)
    _, at = _handle(footer, 0)
    index, _ = _handle(footer, at)
    for _, value, _ in _block(reader, budget, *index):
        handle, _ = _handle(value, 0)
        yield from _block(reader, budget, *handle)


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Where a block is and how long."""
    offset, at = varint(data, at, len(data))
    size, at = varint(data, at, len(data))
    return (offset, size), at


def _block(reader: Reader, budget: Budget, offset: int, size: int) -> Iterator[tuple[bytes, bytes, int]]:
    """The entries of one block, keys put together from what they share with the one before."""
    if size > _BLOCK or size < 4 or offset + size + _TRAILER > reader.size:
        raise FormatError(f"a block of {size} bytes lies outside the table", offset)
    data = Cursor(reader, budget, offset).read(size + _TRAILER)
    if data[size]:
        raise FormatError(f"a block is compressed by method {data[size]}, which is not read", offset)
    end = size - 4 - 4 * int.from_bytes(data[size - 4 : size], "little")
    if end < 0:
        raise FormatError("a block has more restart points than bytes", offset)
    at, key = 0, b""
    while at < end:
        budget.spend_items()
        place = offset + at
        shared, at = varint(data, at, end)
        own, at = varint(data, at, end)
        length, at = varint(data, at, end)
        if shared > len(key) or at + own + length > end:
            raise FormatError("an entry reaches past its block", place)
        key = key[:shared] + data[at : at + own]
        budget.spend_bytes(len(key) + length)
        yield key, data[at + own : at + own + length], place
        at += own + length


def _entry(found: _Checkpoint, key: bytes, value: bytes, budget: Budget, place: Location) -> Iterator[Note]:
    entry, name = _read_entry(value, budget), key.decode("utf-8", "replace")
    if not 0 <= entry.shard < found.shards <= 100_000:
        raise FormatError(f"{name[:80]!r} is in shard {entry.shard} of {found.shards}", place.offset)
    budget.spend_bytes(512)
    if not entry.slices:
        path = f"{found.prefix}.data-{entry.shard:05d}-of-{found.shards:05d}"
        found.regions.append(Region(path, entry.offset, entry.size, name))
    dtype, width = _TYPES.get(entry.kind, (f"type {entry.kind}", 0))
    if key.startswith(b"\0") or name == _OBJECTS:  # a slice of a tensor, or how objects hang together
        return
    tensor = Tensor(name, dtype, entry.shape, None, entry.size)
    found.tensors.append(tensor)
    if width and not entry.slices and tensor.elements * width != entry.size:
        message = (
            f"the tensor {name[:200]!r} has {entry.size} bytes for {tensor.elements} elements of {dtype}"
        )
        yield Finding(LAYOUT, place, message, evidence=(("tensor", name[:200]),))


def _read_entry(value: bytes, budget: Budget) -> _Entry:
    wire, entry = Wire(BytesReader(value), budget), _Entry()
    for part in wire.fields():
        if part.number == 2 and part.kind == LENGTH:
            entry.shape = tuple(_shape(wire, part))
        elif part.number == 7:
            entry.slices += 1
        elif part.kind == VARINT and part.number == 1:
            entry.kind = part.value
        elif part.kind == VARINT and part.number in {3, 4, 5}:
            setattr(entry, ("shard", "offset", "size")[part.number - 3], part.value)
    return entry


def _shape(wire: Wire, span: Field) -> Iterator[int]:
    for part in wire.fields(span.start, span.end, 1):
        if part.number == 2 and part.kind == LENGTH:
            sizes = [p.value for p in wire.fields(part.start, part.end, 2) if p.number == 1]
            extent = signed(sizes[-1]) if sizes else 0
            if extent < 0:
                raise FormatError("a tensor has a negative extent")
            yield extent


def _shared(found: _Checkpoint, where: Location) -> Iterator[Note]:
    """Regions that overlap: a writer lays tensors out one behind the other."""
    at, path, told = 0, "", 0
    for region in sorted(found.regions, key=lambda r: (r.path, r.offset, r.length)):
        if region.path == path and region.offset < at and region.length and told < _NAMED:
            told += 1
            message = f"the tensor {region.name[:200]!r} shares bytes with another one"
            yield Finding(LAYOUT, where, message, evidence=(("shared", region.name[:200]),))
        at = max(at if region.path == path else 0, region.offset + region.length)
        path = region.path


FORMAT = Format(
    name="tensorflow-checkpoint",
    title="TensorFlow checkpoint",
    matches=_matches,
    inspect=_inspect,
    rules=(LAYOUT,),
    spec="https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/tensor_bundle.proto",
)
