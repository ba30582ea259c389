"""MessagePack: Flax checkpoints, spaCy's and thinc's models; arrays in it, and what would be unpickled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.errors import BudgetExceeded, FormatError
from scanner.inspection import Child, Format, Head, Note, Text
from scanner.model import Check, Facts, Finding, Location, Rule, Severity, Tensor
from scanner.reader import Budget, BytesReader, Cursor, Reader, Window
from scanner.wire.msgpack import Item, walk

PICKLED = Rule(
    id="msgpack/pickled-array",
    title="An array is restored by unpickling",
    severity=Severity.HIGH,
    check=Check.CODE_EXECUTION,
    finds="An array of Python objects as msgpack-numpy writes it: `kind` is `O`.",
    why="msgpack-numpy, and srsly with it, hand its data to `pickle.loads`.",
    remedy="Refuse the file; arrays of numbers need no pickle. The pickle was judged on its own.",
    example='`{"kind": "O", "data": …}`',
    references=("CWE-502",),
)
TRAILING = Rule(
    id="msgpack/trailing-data",
    title="Something lies behind the object",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes behind the object that are no further object.",
    why="A loader stops or ignores them; another program may use them.",
    remedy="Refuse the file unless its publisher explains the bytes. They were inspected on their own.",
    example="A zip archive appended to a checkpoint.",
    references=("CWE-646",),
)
_OBJECTS = 100_000
_TEXT = 64
_SIGNS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04", b"\x7fELF", b"MZ", b"#!")
# flax/serialization.py, _MsgpackExtType.
_ARRAY, _SCALAR = 1, 3
_DTYPES = {"float": "f", "bfloat": "bf", "int": "i", "uint": "u", "complex": "c"}
_TRIED = 24
_SURE = 5


def _matches(head: Head) -> bool:
    data = head.data
    if not data or not (0x80 < data[0] < 0x90 or data[0] in {0xDE, 0xDF}):
        return data == b"\x80"  # an empty map, which spaCy writes where it has nothing to say
    return begins(data, head.size)


def begins(data: bytes, size: int) -> bool:
    """Whether a file's head is a map of texts or numbers, as far as it is tried."""
    cursor = Cursor(BytesReader(data), Budget(items=2 * _TRIED))
    seen = 0
    named = True
    try:
        for item in walk(cursor):
            if seen == 1 and item.kind == "number":
                named = False
            elif seen == 1 and not (item.kind == "str" and item.value.isprintable() and item.value):
                return False
            seen += 1
            if seen > _TRIED:
                return True
    except (FormatError, BudgetExceeded):
        # The head may cut an item; what is whole may not.
        return named and seen > 1 and size > len(data)
    # A short object with something behind it may be anything, and so may numbers: PNG and HDF5 begin like
    # a map of nine of them.
    return cursor.left == 0 or (named and seen >= _SURE)


@dataclass(slots=True)
class _Arrays:
    """What msgpack-numpy's maps say, by the path of the map."""

    kinds: dict[tuple[str, ...], str] = field(default_factory=dict)
    data: dict[tuple[str, ...], Item] = field(default_factory=dict)

    def take(self, item: Item, reader: Reader, budget: Budget) -> None:
        last = item.path[-1] if item.path else ""
        if item.is_key or last not in {"kind", "data"}:
            return
        budget.spend_bytes(128)
        if last == "data" and item.kind == "bin":
            self.data[item.path[:-1]] = item
        elif last == "kind" and item.length <= 4:
            raw = reader.read_at(item.offset, item.length)
            self.kinds[item.path[:-1]] = raw.decode("latin-1") if item.kind in {"str", "bin"} else ""

    def pickled(self) -> Iterator[Item]:
        for path, kind in self.kinds.items():
            if kind == "O" and path in self.data:
                yield self.data[path]


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    cursor = Cursor(reader, budget)
    arrays = _Arrays()
    tensors: list[Tensor] = []
    kinds: dict[int, None] = {}
    objects, start = 0, 0
    problem: FormatError | None = None
    while (cursor.left or not objects) and objects < _OBJECTS:
        start = cursor.position
        try:
            for item in walk(cursor):
                arrays.take(item, reader, budget)
                if item.kind == "ext":
                    kinds[item.value] = None
                    tensors += _tensor(item, reader, budget)
                yield from _leaf(item, reader, where)
        except FormatError as error:
            problem = error
            break
        objects += 1
    for item in arrays.pickled():
        place = where.at(item.offset, item.length)
        name = "/".join(item.path)[:200]
        yield Finding(PICKLED, place, f"the array {name!r} is unpickled", evidence=(("array", name),))
        yield Child(f"bytes at {item.offset}", Window(reader, item.offset, item.length), read_as="pickle")
    noted = (("extension types", ", ".join(map(str, sorted(kinds)))),) if kinds else ()
    yield Facts("msgpack", tensors=tuple(tensors), metadata=noted)
    if problem is not None and not objects:
        raise problem
    if problem is not None or cursor.left:
        message = f"{reader.size - start} bytes lie behind the object"
        yield Finding(TRAILING, where.at(start), message, evidence=(("offset", str(start)),))
        yield Child(f"bytes at {start}", Window(reader, start, reader.size - start))


def _leaf(item: Item, reader: Reader, where: Location) -> Iterator[Note]:
    if item.kind == "str" and item.length >= _TEXT:
        yield Text(item.value, where.at(item.offset), "string")
    elif item.kind == "bin" and reader.read_at(item.offset, min(item.length, 4)).startswith(_SIGNS):
        # Numbers may begin so by chance: then it is no format that anybody knows, and nothing is said.
        yield Child(f"bytes at {item.offset}", Window(reader, item.offset, item.length))


def _tensor(item: Item, reader: Reader, budget: Budget) -> Iterator[Tensor]:
    """An array of Flax: within the extension stand its shape, the name of its type and its bytes."""
    if item.value not in {_ARRAY, _SCALAR}:
        return
    inner = list[Item]()
    cursor = Cursor(Window(reader, item.offset, item.length), budget, read_ahead=256)
    try:
        for part in walk(cursor):
            inner.append(part)
            if len(inner) > 64:
                return
    except FormatError:
        return
    shape = tuple(p.value for p in inner if p.kind == "number" and len(p.path) == 2)
    names = [p.value for p in inner if p.kind == "str"]
    data = next((p for p in inner if p.kind == "bin"), None)
    if names and data is not None and all(isinstance(n, int) and n >= 0 for n in shape):
        budget.spend_bytes(256)
        where = item.offset + data.offset
        yield Tensor("/".join(item.path)[:400], _dtype(names[0]), shape, where, data.length)


def _dtype(name: str) -> str:
    letters = name.rstrip("0123456789")
    return f"{_DTYPES[letters]}{name[len(letters) :]}" if letters in _DTYPES else name[:40].lower()


FORMAT = Format(
    name="msgpack",
    title="MessagePack",
    matches=_matches,
    inspect=_inspect,
    rules=(PICKLED, TRAILING),
    suffixes=(".msgpack",),
    spec="https://github.com/msgpack/msgpack/blob/master/spec.md; flax/serialization.py",
)
