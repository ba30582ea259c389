"""NumPy arrays (.npy): a literal header of type, order and shape, then numbers or a pickle of objects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scanner.errors import FormatError
from scanner.inspection import Child, Format, Head, Note
from scanner.model import Check, Facts, Finding, Gap, Location, Rule, Severity, Tensor
from scanner.reader import Budget, Cursor, Reader, Window
from scanner.wire.python_literal import parse_literal

MAGIC = b"\x93NUMPY"
_HEADER_LIMIT = 1 << 20  # NumPy itself stops at 10,000 characters unless pickles are allowed
_FIELDS = 10_000
_SPEC = "numpy/lib/format.py"

OBJECTS = Rule(
    id="npy/object-array",
    title="The array holds Python objects",
    severity=Severity.MEDIUM,
    check=Check.CODE_EXECUTION,
    finds="An array of type object, or a structured one with a field of that type: its content is a pickle.",
    why="Loading it needs `allow_pickle=True`, and then the pickle runs whatever it names.",
    remedy="Ask for the array with a numeric or text type. The pickle was inspected on its own.",
    example="`numpy.save('a.npy', numpy.array([{}], dtype=object))`",
    references=("CVE-2019-6446", "CWE-502"),
)
TRAILING = Rule(
    id="npy/trailing-data",
    title="Something lies behind the array",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes behind the last element that are no further array.",
    why="NumPy ignores them; another program may read or run them.",
    remedy="Save the array again. The bytes were inspected on their own.",
    example="A zip archive appended to an array.",
    references=("CWE-646",),
)

_CODE = re.compile(r"([<>|=]?)([biufcSaUVOmM?])([0-9]{0,9})(?:\[[0-9]{0,9}[a-zA-Zμ]{1,12}\])?\Z")
_WIDTHS = {
    "b": {1}, "i": {1, 2, 4, 8}, "u": {1, 2, 4, 8}, "f": {2, 4, 8, 10, 12, 16}, "c": {8, 16, 20, 24, 32},
    "m": {8}, "M": {8},
}  # fmt: skip
_NAMES = {"S": "bytes", "a": "bytes", "U": "text", "V": "void", "m": "timedelta", "M": "datetime"}


@dataclass(frozen=True, slots=True)
class _Type:
    """An element type: its name, its size in bytes, and whether it holds Python objects."""

    name: str
    size: int
    objects: bool = False
    order: str = ""


def _matches(head: Head) -> bool:
    return head.data[:6] == MAGIC


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    cursor = Cursor(reader, budget)
    name = (where.members or (where.path,))[-1].rpartition("/")[2].removesuffix(".npy")
    tensors: list[Tensor] = []
    notes: tuple[tuple[str, str], ...] = ()
    version = ""
    # numpy.save may be called several times on one open file: the arrays then follow each other.
    while not tensors or reader.read_at(cursor.position, 6) == MAGIC:
        start = cursor.position
        budget.spend_items()
        budget.spend_bytes(256)
        version, text = _header(cursor)
        try:
            kind, shape, order = _described(text)
        except FormatError as error:
            # NumPy knows more spellings of types than it writes; whatever it is, it may be a pickle.
            yield Gap(where.at(start), f"an array that cannot be read: {error.reason}")
            yield Child(f"data at {cursor.position}", Window(reader, cursor.position, cursor.left))
            return
        notes = notes or (("order", order), ("byteorder", kind.order or "none"))
        if kind.objects:
            tensors.append(Tensor(name, kind.name, shape))
            message = "the array holds Python objects: its content is a pickle"
            yield Finding(OBJECTS, where.at(cursor.position), message)
            yield Child("pickle", Window(reader, cursor.position, cursor.left), read_as="pickle")
            cursor.skip(cursor.left)
        else:
            length = _length(kind, shape, cursor)
            tensors.append(Tensor(name, kind.name, shape, cursor.position, length))
            cursor.skip(length)
    yield Facts("npy", version, tuple(tensors), metadata=notes)
    if cursor.left:
        start = cursor.position
        message = f"{cursor.left} bytes lie behind the array"
        yield Finding(TRAILING, where.at(start), message, evidence=(("offset", str(start)),))
        yield Child(f"bytes at {start}", Window(reader, start, cursor.left))


def _header(cursor: Cursor) -> tuple[str, str]:
    """Version and header text of the array that begins here."""
    start = cursor.position
    raw = cursor.read(8)
    major, minor = raw[6], raw[7]
    if raw[:6] != MAGIC or major not in {1, 2, 3} or minor:
        raise FormatError(f"version {major}.{minor} of the format is unknown", start)
    length = cursor.u16() if major == 1 else cursor.u32()
    if length > _HEADER_LIMIT:
        raise FormatError(f"a header of {length} bytes is declared", start + 8)
    try:
        text = cursor.read(length).decode("utf-8" if major == 3 else "latin-1")
    except UnicodeDecodeError as error:
        raise FormatError("the header is no UTF-8", start + 12) from error
    return f"{major}.{minor}", text


def _described(text: str) -> tuple[_Type, tuple[int, ...], str]:
    """Element type, shape and order, as the header says."""
    header = parse_literal(text)
    if not isinstance(header, dict) or set(header) != {"descr", "fortran_order", "shape"}:
        raise FormatError("the header is not descr, fortran_order and shape")
    shape, fortran = header["shape"], header["fortran_order"]
    if not _is_shape(shape) or not isinstance(fortran, bool):
        raise FormatError("the header has no valid shape or order")
    return _type_of(header["descr"], [0]), shape, "fortran" if fortran else "c"


def _is_shape(shape: Any) -> bool:
    whole = isinstance(shape, tuple) and len(shape) <= 64
    return whole and all(type(extent) is int and 0 <= extent < 1 << 63 for extent in shape)


def _type_of(descr: Any, fields: list[int]) -> _Type:
    """``numpy.lib.format.descr_to_dtype``, for what ``dtype_to_descr`` writes."""
    if isinstance(descr, str):
        return _simple(descr)
    if isinstance(descr, tuple) and len(descr) == 2:
        inner = _type_of(descr[0], fields)
        return _Type(inner.name, inner.size * _count(descr[1]), inner.objects, inner.order)
    if not isinstance(descr, list):
        raise FormatError("the element type is not in NumPy's spelling")
    size, objects = 0, False
    for field in descr:
        fields[0] += 1
        if fields[0] > _FIELDS or not isinstance(field, tuple) or len(field) not in {2, 3}:
            raise FormatError("a field is not a name, a type and perhaps a shape")
        inner = _type_of(field[1], fields)
        size += inner.size * (_count(field[2]) if len(field) == 3 else 1)
        objects = objects or inner.objects
    return _Type("struct", size, objects)


def _count(shape: Any) -> int:
    if not _is_shape(shape):
        raise FormatError("a field has no valid shape")
    count = 1
    for extent in shape:
        count = min(count * extent, 1 << 80)
    return count


def _simple(code: str) -> _Type:
    found = _CODE.match(code)
    if found is None:
        raise FormatError(f"the element type {code[:40]!r} is not in NumPy's spelling")
    order, kind, digits = found.groups()
    size = int(digits or 0)
    if kind == "O":
        return _Type("object", 8, objects=True)
    if kind == "?":
        kind, size = "b", 1
    if kind in _WIDTHS and size not in _WIDTHS[kind]:
        raise FormatError(f"the element type {code[:40]!r} has no valid size")
    byteorder = {"<": "little", ">": "big"}.get(order, "")
    if kind == "b":
        return _Type("bool", 1)
    if kind in "iufc":
        return _Type(f"{kind}{size * 8}", size, order=byteorder)
    return _Type(f"{_NAMES[kind]}{digits}", size * 4 if kind == "U" else size, order=byteorder)


def _length(kind: _Type, shape: tuple[int, ...], cursor: Cursor) -> int:
    """Bytes of all elements, exactly; NumPy multiplies in 64 bits, where a product can wrap round."""
    length = kind.size
    nothing = 0 in shape
    for extent in shape:
        length *= extent or 1
        if length >= 1 << 63:
            raise FormatError("the shape's product does not fit into 64 bits", cursor.position)
    length = 0 if nothing else length
    if length > cursor.left:
        raise FormatError(f"{length} bytes of elements are declared, {cursor.left} are left", cursor.position)
    return length


FORMAT = Format(
    name="npy",
    title="NumPy array",
    matches=_matches,
    inspect=_inspect,
    rules=(OBJECTS, TRAILING),
    suffixes=(".npy",),
    spec=_SPEC,
)
