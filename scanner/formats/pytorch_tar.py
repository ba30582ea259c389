"""PyTorch's tar archives of 2016 and 2017: a pickle, and storages and tensors as pickles and numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from scanner.errors import BudgetExceeded, FormatError
from scanner.inspection import Child, Format, Head, Note
from scanner.model import Check, Facts, Finding, Gap, Location, Rule, Severity, Tensor
from scanner.reader import Budget, BytesReader, Cursor, Reader, Window
from scanner.wire.paths import plain
from scanner.wire.pickle import Machine
from scanner.wire.pickle_values import KEPT, Global, Sequence
from scanner.wire.tar import FILE, Member, is_tar, members
from scanner.wire.torch_pickle import Contents, Storage, View, element_of

LAYOUT = Rule(
    id="pytorch-tar/layout",
    title="The tensors do not fit the numbers",
    severity=Severity.MEDIUM,
    check=Check.BOUNDS,
    finds="A tensor whose storage is missing or too short, and bytes behind the last storage or tensor.",
    why="PyTorch refuses the first or reads past the numbers; what lies behind can carry anything.",
    remedy="Load the weights where it can do no harm and save them again in a current format.",
    example="A member `storages` that announces two storages and holds three.",
    references=("CWE-130",),
)
_NAMES = ("sys_info", "pickle", "storages", "tensors")
_DIMENSIONS = 64


def _matches(head: Head) -> bool:
    if not is_tar(head.data):
        return False
    try:
        first = next(members(BytesReader(head.data), Budget(1 << 16, 64)))
    except (FormatError, BudgetExceeded):
        return False
    return isinstance(first, Member) and first.kind == FILE and plain(first.name) in _NAMES


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    found: dict[str, list[Member]] = {name: [] for name in _NAMES}
    for item in members(reader, budget):
        if isinstance(item, Member) and plain(item.name) in found and item.size and not item.sparse:
            budget.spend_bytes(256)
            found[plain(item.name)].append(item)
    contents = Contents()
    numbers = _Numbers(contents)
    # The pickle names the tensors and the storages hold them, hence this order.
    for name, fill in zip(_NAMES, (_plain, _plain, numbers.storages, numbers.tensors), strict=True):
        for member in found[name]:
            yield from _Mixed(member, reader, budget, where.inside(member.name), contents).notes(fill)
    for fault, keys in numbers.faults.items():
        message = f"{fault} tensor {keys[0]}" + (f" ({len(keys)} tensors)" if len(keys) > 1 else "")
        yield Finding(LAYOUT, where, message, evidence=(("fault", fault), ("tensor", keys[0])))
    held = (("storages", str(len(numbers.held))),)
    yield Facts("pytorch-tar", tensors=tuple(numbers.facts), metadata=held)


class _Mixed:
    """A member in which pickles and raw numbers follow each other."""

    def __init__(
        self, member: Member, reader: Reader, budget: Budget, where: Location, contents: Contents
    ) -> None:
        self._window = Window(reader, member.data, min(member.size, max(reader.size - member.data, 0)))
        self._where = where
        self._contents = contents
        self._name = member.name
        self._budget = budget
        self._children: list[Child] = []
        self.start = member.data
        self.cursor = Cursor(self._window, budget, read_ahead=4096)

    def notes(self, fill: Callable[[_Mixed], None]) -> Iterator[Note]:
        """Pickles that do more than build data, and what is malformed or left over."""
        try:
            fill(self)
        except FormatError as error:
            yield from self._children
            yield Gap(self._where.at(error.offset), f"malformed PyTorch tar archive: {error.reason}")
            return
        yield from self._children
        if self.cursor.left:
            start = self.cursor.position
            message = f"{self.cursor.left} bytes lie behind what PyTorch reads"
            yield Finding(LAYOUT, self._where.at(start), message, evidence=(("offset", str(start)),))
            yield self._child(start, self.cursor.left, "")

    def value(self) -> Any:
        """What the pickle that begins here builds.

        Raises:
            FormatError: It is malformed.
        """
        start = self.cursor.position
        self._budget.spend_bytes(64)
        try:
            # The fast path does not tell values, and these are needed.
            value = self._contents.read(Machine(self.cursor, self._budget, shortcuts=False), self._budget)
        except FormatError:
            self._children.append(self._child(start, self.cursor.reader.size - start, "pickle"))
            raise
        if self._contents.effects:
            self._children.append(self._child(start, self.cursor.position - start, "pickle"))
        return value

    def count(self) -> int:
        """A pickled number of things that follow.

        Raises:
            FormatError: It is none.
        """
        value = self.value()
        if not isinstance(value, int) or value < 0:
            raise FormatError("a count is no number", self.cursor.position)
        return value

    def _child(self, start: int, length: int, read_as: str) -> Child:
        whole = start == 0 and length == self._window.size
        name = self._name if whole else f"{self._name} at {start}"
        return Child(name, Window(self._window, start, length), read_as=read_as)


def _plain(mixed: _Mixed) -> None:
    mixed.value()


@dataclass(slots=True)
class _Numbers:
    """The storages and tensors of one archive."""

    contents: Contents
    held: dict[str, tuple[Storage, int]] = field(default_factory=dict)
    """Storages by key, with the place of their numbers in the file."""
    facts: list[Tensor] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)
    _forgotten: bool = False

    def storages(self, mixed: _Mixed) -> None:
        cursor = mixed.cursor
        for _ in range(mixed.count()):
            value = mixed.value()
            kind = value[2] if isinstance(value, tuple) and len(value) == 3 else None
            element = element_of(kind) if isinstance(kind, Global) else None
            if element is None:
                raise FormatError("a storage has no known type", cursor.position)
            count = cursor.i64()
            storage = Storage(*element, str(value[0]), count)
            self.held[storage.key] = (storage, mixed.start + cursor.position)
            cursor.skip(storage.length)
        views = mixed.value()
        if not isinstance(views, Sequence):
            raise FormatError("there is no list of views behind the storages", cursor.position)
        self._forgotten = self._forgotten or len(views.items) >= KEPT
        for view in views.items:
            self._alias(view)

    def _alias(self, view: Any) -> None:
        """A storage that is a part of another one: (key, key of the other one, first element, count)."""
        if not isinstance(view, tuple) or len(view) != 4 or str(view[1]) not in self.held:
            return
        root, place = self.held[str(view[1])]
        first, count = view[2], view[3]
        if isinstance(first, int) and isinstance(count, int) and 0 <= first <= first + count <= root.count:
            part = Storage(root.dtype, root.item, str(view[0]), count)
            self.held[part.key] = (part, place + first * root.item)

    def tensors(self, mixed: _Mixed) -> None:
        cursor = mixed.cursor
        for _ in range(mixed.count()):
            value = mixed.value()
            if not isinstance(value, tuple) or len(value) != 3:
                raise FormatError("a tensor is not a key, a storage and a type", cursor.position)
            dimensions = cursor.i32()
            if not 0 <= dimensions <= _DIMENSIONS:
                raise FormatError(f"a tensor of {dimensions} dimensions", cursor.position)
            cursor.skip(4)  # the number was once written in eight bytes
            shape = tuple(cursor.i64() for _ in range(dimensions))
            strides = tuple(cursor.i64() for _ in range(dimensions))
            self._tensor(value, shape, strides, cursor.i64())

    def _tensor(self, value: Any, shape: tuple[int, ...], strides: tuple[int, ...], first: int) -> None:
        key, owner, kind = value
        name = self.contents.names.get(str(key), str(key)[:40])
        storage, place = self.held.get(str(owner), (None, None))
        if storage is None or place is None:
            element = element_of(kind) if isinstance(kind, Global) else None
            if owner is not None and not self._forgotten:
                self.faults.setdefault("there is no storage for", []).append(name)
            self.facts.append(Tensor(name, element[0] if element else "", tuple(max(n, 0) for n in shape)))
            return
        view = View(name, storage.dtype, storage.item, storage, shape, first, strides)
        if min(first, *shape, *strides, 0) < 0 or not view.fits:
            self.faults.setdefault("the storage is too short for", []).append(name)
            return
        self.facts.append(view.placed(place))


FORMAT = Format(
    name="pytorch-tar",
    title="PyTorch tar archive",
    matches=_matches,
    inspect=_inspect,
    rules=(LAYOUT,),
    suffixes=(".pt", ".pth", ".tar"),
    within=("tar",),
    spec="torch/serialization.py, legacy_load",
)
