"""Datatype and dataspace messages (sections IV.A.2.b and IV.A.2.d)."""

from __future__ import annotations

from dataclasses import dataclass

from scanner.errors import FormatError
from scanner.wire.hdf5.storage import Fields

_DEPTH = 32
_FLOATS = {
    (2, 10): "f16",
    (2, 7): "bf16",
    (4, 23): "f32",
    (8, 52): "f64",
    (1, 3): "f8_e4m3",
    (1, 2): "f8_e5m2",
}
_KINDS = (
    "fixed", "float", "time", "string", "bitfield", "opaque", "compound", "reference", "enum", "vlen",
    "array", "complex",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Datatype:
    """What one element is."""

    kind: str
    """``fixed``, ``float``, ``string``, ``opaque``, ``compound``, ``vlen``, ``vlen-string`` …"""
    size: int
    """Bytes of one element where the data lies."""
    name: str
    """``f32``, ``u8``, ``bool``, ``c64``; else the kind."""
    members: tuple[tuple[str, Datatype], ...] = ()
    """Of a compound: name and type."""
    of: Datatype | None = None
    """What a sequence, an array or an enumeration consists of."""
    tag: str = ""
    """What an opaque type calls itself."""

    @property
    def is_bytes(self) -> bool:
        """Whether an element is one byte, or a text or lump of bytes that nobody interprets."""
        return self.kind in {"string", "opaque"} or self.name in {"u8", "i8"}


def datatype(fields: Fields, depth: int = 0) -> Datatype:
    """Decode one datatype, with everything that it consists of.

    Raises:
        FormatError: It is of an unknown class, cut, or nested more than 32 deep.
    """
    if depth > _DEPTH:
        raise FormatError(f"a datatype is nested more than {_DEPTH} deep", fields.place + fields.at)
    place = fields.place + fields.at
    first = fields.number(1)
    number, version = first & 15, first >> 4
    bits, size = fields.number(3), fields.number(4)
    if number >= len(_KINDS) or not 1 <= version <= 5:
        raise FormatError(f"a datatype of class {number}, version {version}", place)
    kind = _KINDS[number]
    match kind:
        case "fixed" | "bitfield":
            fields.take(4)
            return Datatype(kind, size, f"{'i' if bits & 8 and kind == 'fixed' else 'u'}{8 * size}")
        case "float":
            fields.take(7)
            mantissa = fields.number(1)
            fields.take(4)
            return Datatype(kind, size, _FLOATS.get((size, mantissa), f"f{8 * size}"))
        case "time" | "opaque":
            tag = fields.take(bits & 255 if kind == "opaque" else 2)
            return Datatype(kind, size, kind, tag=tag.rstrip(b"\0").decode("latin-1"))
        case "compound":
            return _compound(fields, version, bits & 0xFFFF, size, depth)
        case "enum":
            return _enum(fields, version, bits & 0xFFFF, size, depth)
        case "array":
            return _array(fields, version, size, depth)
        case "vlen" | "complex":
            of = datatype(fields, depth + 1)
            kind = "vlen-string" if kind == "vlen" and bits & 15 == 1 else kind
            return Datatype(kind, size, f"c{8 * size}" if kind == "complex" else kind, of=of)
    return Datatype(kind, size, kind)


def _name(fields: Fields, version: int) -> str:
    start = fields.at
    name = fields.text()
    if version < 3:
        fields.take(min(-(fields.at - start) % 8, fields.left))
    return name.decode("utf-8", "backslashreplace")


def _compound(fields: Fields, version: int, count: int, size: int, depth: int) -> Datatype:
    width = max(1, (size.bit_length() + 7) // 8) if version >= 3 else 4
    members = []
    for _ in range(count):
        name = _name(fields, version)
        fields.take(width)
        extents: tuple[int, ...] = ()
        if version == 1:
            rank = fields.number(1)
            fields.take(11)
            extents = tuple(fields.number(4) for _ in range(4))[: min(rank, 4)]
        member = datatype(fields, depth + 1)
        members.append((name, Datatype("array", size, "array", of=member) if extents else member))
    parts = [member.name for _, member in members]
    names = [name for name, _ in members]
    pair = len(parts) == 2 and parts[0] == parts[1] and members[0][1].kind == "float"
    shown = f"c{8 * size}" if pair and names in (["r", "i"], ["real", "imag"]) else "compound"
    return Datatype("compound", size, shown, tuple(members))


def _enum(fields: Fields, version: int, count: int, size: int, depth: int) -> Datatype:
    of = datatype(fields, depth + 1)
    names = [_name(fields, version) for _ in range(count)]
    fields.take(count * of.size)
    return Datatype("enum", size, "bool" if names == ["FALSE", "TRUE"] else of.name, of=of)


def _array(fields: Fields, version: int, size: int, depth: int) -> Datatype:
    rank = fields.number(1)
    fields.take((3 if version < 3 else 0) + rank * (8 if version < 3 else 4))
    return Datatype("array", size, "array", of=datatype(fields, depth + 1))


def dataspace(fields: Fields) -> tuple[int, ...] | None:
    """Extents of a dataspace; ``()`` for a scalar, ``None`` where it has no element at all.

    Raises:
        FormatError: It is of an unknown version, or cut.
    """
    place = fields.place + fields.at
    version, rank = fields.number(1), fields.number(1)
    fields.take(1)  # whether there are maximal extents behind the extents
    if version == 1:
        fields.take(5)
    elif version == 2:
        if fields.number(1) == 2:
            return None
    else:
        raise FormatError(f"a dataspace of version {version}", place)
    if rank > 32:
        raise FormatError(f"a dataspace of rank {rank}", place)
    return tuple(fields.size() for _ in range(rank))
