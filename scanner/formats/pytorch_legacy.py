"""PyTorch's stream before 1.6: a magic number, four more pickles, and numbers each behind their count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scanner.errors import FormatError
from scanner.inspection import Child, Format, Head, Note, Text
from scanner.model import Check, Facts, Finding, Gap, Location, Rule, Severity
from scanner.reader import Budget, Cursor, Reader, Window
from scanner.wire.pickle import Machine
from scanner.wire.pickle_values import Blob, Table
from scanner.wire.torch_pickle import Contents, has_legacy_magic, text_list

STORAGE = Rule(
    id="pytorch-legacy/storage",
    title="A tensor's numbers are not as its pickle says",
    severity=Severity.MEDIUM,
    check=Check.BOUNDS,
    finds="A storage with another number of elements than the pickle declares, one for which the pickle "
    "does not ask, or a tensor that reaches past the end of its storage.",
    why="PyTorch refuses such a file after the pickles in front of the numbers have run.",
    remedy="Get the file again, or save it again with `torch.save`.",
    example="A storage of 4 elements for a tensor of 100.",
    references=("CWE-130",),
)
TRAILING = Rule(
    id="pytorch-legacy/trailing-data",
    title="Something lies behind the last tensor",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes behind the last storage.",
    why="PyTorch ignores them; another program, or a second call of `torch.load`, may read or run them.",
    remedy="Refuse the file unless its publisher explains the bytes. They were inspected on their own.",
    example="A second pickle behind the weights.",
    references=("CWE-646",),
)
_PARTS = ("magic number", "protocol", "system", "data", "storage keys")
_PROTOCOL = 1001
_KEYS_LIMIT = 64 << 20
_TEXT_LIMIT = 1 << 20


def _matches(head: Head) -> bool:
    return has_legacy_magic(head.data)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    cursor = Cursor(reader, budget)
    contents = Contents()
    values: list[Any] = []
    start = 0
    for part in _PARTS:
        start = cursor.position
        try:
            machine = Machine(cursor, budget, shortcuts=part == "data")  # the others' values are needed
            values.append(contents.read(machine, budget))
        except FormatError:
            yield Child(part, Window(reader, start, reader.size - start), read_as="pickle")
            raise
        if contents.effects:  # what has none only builds data
            yield Child(part, Window(reader, start, cursor.position - start), read_as="pickle")
        if part == "protocol" and values[-1] != _PROTOCOL:
            rest = Window(reader, cursor.position, cursor.left)
            yield Child(f"bytes at {cursor.position}", rest, read_as="pickle")
            raise FormatError("the protocol is another one than 1001", start)
    yield from _sources(reader, budget, contents, where)
    numbers = _Numbers(contents, Cursor(reader, budget, cursor.position, read_ahead=512), where)
    keys = _keys(reader, budget, start, cursor.position)
    if keys is None:
        yield Gap(where.at(start), "the storage keys are computed, so where the numbers lie cannot be told")
    else:
        yield from numbers.notes(keys)
    tensors = tuple(view.placed(numbers.places.get(view.storage.key)) for view in contents.views)
    system = values[2].items if isinstance(values[2], Table) else {}
    order = "big" if system.get("little_endian") is False else "little"
    noted = (("byteorder", order), ("storages", str(len(contents.storages))))
    yield Facts("pytorch-legacy", str(_PROTOCOL), tensors, metadata=noted)


def _sources(reader: Reader, budget: Budget, contents: Contents, where: Location) -> Iterator[Text]:
    """Source text of module classes, which PyTorch compares with the code at hand."""
    for source in contents.sources:
        if isinstance(source, Blob):
            length = min(source.length, _TEXT_LIMIT)
            budget.spend_bytes(length)
            text = reader.read_at(source.offset, length).decode("utf-8", "replace")
            yield Text(text, where.at(source.offset), "code")
        elif isinstance(source, str):
            yield Text(source, where, "code")


def _keys(reader: Reader, budget: Budget, start: int, end: int) -> list[str] | None:
    if end - start > _KEYS_LIMIT:
        return None
    budget.spend_bytes(4 * (end - start))
    return text_list(reader.read_at(start, end - start))


class _Numbers:
    """The storages behind the pickles: an int64 count, then that many elements, for each key."""

    def __init__(self, contents: Contents, cursor: Cursor, where: Location) -> None:
        self.places: dict[str, int] = {}
        self._contents = contents
        self._cursor = cursor
        self._where = where

    def notes(self, keys: list[str]) -> Iterator[Note]:
        """Findings about the storages and about what lies behind them.

        Raises:
            FormatError: They reach past the end.
        """
        cursor, storages = self._cursor, self._contents.storages
        faults: dict[str, list[str]] = {}
        for key in keys:
            storage = storages.get(key)
            if storage is None:
                faults.setdefault("no pickle asks for", []).append(key)
                break
            count = cursor.i64()
            if count != storage.count:
                faults.setdefault("another number of elements is declared for", []).append(key)
            self.places[key] = cursor.position
            cursor.skip(count * storage.item)
        for view in self._contents.views:
            if not view.fits:
                faults.setdefault("a tensor reaches past the end of", []).append(view.storage.key)
        missing = [key for key in storages if key not in self.places]
        if missing:
            faults.setdefault("there are no numbers for", []).extend(missing)
        yield from self._found(faults)
        if self._contents.unclear:
            yield Gap(self._where, "a pickle asks for storages in a way that cannot be followed")
        if cursor.left:
            start = cursor.position
            message = f"{cursor.left} bytes lie behind the last tensor"
            yield Finding(TRAILING, self._where.at(start), message, evidence=(("offset", str(start)),))
            yield Child(f"bytes at {start}", Window(cursor.reader, start, cursor.left))

    def _found(self, faults: dict[str, list[str]]) -> Iterator[Finding]:
        for fault, keys in faults.items():
            named = ", ".join(ascii(key[:40])[1:-1] for key in keys[:3]) + (", …" if len(keys) > 3 else "")
            message = f"{fault} storage {named}" + (f" ({len(keys)} storages)" if len(keys) > 1 else "")
            yield Finding(STORAGE, self._where, message, evidence=(("fault", fault), ("storages", named)))


FORMAT = Format(
    name="pytorch-legacy",
    title="PyTorch stream",
    matches=_matches,
    inspect=_inspect,
    rules=(STORAGE, TRAILING),
    suffixes=(".pt", ".pth", ".tar"),
    within=("pickle",),
    spec="torch/serialization.py, _legacy_load",
)
