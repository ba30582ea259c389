"""The walk over every object of a file, each once, however many links lead to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.errors import FormatError
from scanner.formats.hdf5 import rules
from scanner.formats.hdf5.values import CONFIGURATIONS, is_configuration, is_pickle, values
from scanner.inspection import Child, Note, Text
from scanner.model import Finding, Gap, Location, Rule, Tensor
from scanner.reader import BytesReader, Reader, Window
from scanner.wire import hdf5, json
from scanner.wire.paths import escape

_FAULTS = 20
_PER_RULE = 200
_TEXTS = 64 << 20
"""Bytes of texts that are handed on, of one file."""
_HELD = 64
_VALUES = 10_000
_TEXT_LIMIT = 1 << 20
_BEGINNING = 4096
_BOMB = 4 << 30
_BOMB_RATIO = 1000
_NUMBERS = frozenset({"fixed", "float", "enum", "bitfield", "complex", "array"})
_MATLAB = b"MATLAB 7.3 MAT-file"
# Keras stores what HDF5 has no type for as bytes and names the type beside them (saving_lib.py, H5Entry).
_NAMED_TYPES = {"bfloat16": "bf16", "float8_e4m3fn": "f8_e4m3", "float8_e5m2": "f8_e5m2"}


@dataclass(slots=True)
class Walk:
    """What was met on the way; the notes come as they are met."""

    storage: hdf5.Storage
    where: Location
    tensors: list[Tensor] = field(default_factory=list)
    external: dict[str, None] = field(default_factory=dict)
    filters: set[str] = field(default_factory=set)
    root: dict[str, str] = field(default_factory=dict)
    """Texts among the root group's attributes."""
    objects: int = 0
    _faults: int = 0
    _counts: Counter[str] = field(default_factory=Counter)
    _judged: set[tuple[int, int, bool]] = field(default_factory=set)
    """Place and length of the values that were looked at, and whether as a configuration."""
    _texts: int = 0

    def notes(self) -> Iterator[Note]:
        """Everything about the objects that the root group leads to."""
        pending: list[tuple[str, int]] = [("", self.storage.root)]
        seen = {self.storage.root}
        while pending:
            path, address = pending.pop()
            self.storage.budget.spend_items()
            below: list[tuple[str, int]] = []
            try:
                found = hdf5.messages(self.storage, address)
                self.objects += 1
                names: dict[str, str] = {}
                yield from self._attributes(path, found, names)
                yield from self._dataset(path, found, names)
                for link in hdf5.links(self.storage, found):
                    yield from self._link(path, link)
                    if link.kind == "hard" and link.address not in seen:
                        seen.add(link.address)
                        below.append((f"{path}/{link.name}", link.address))
            except FormatError as error:
                # What a loader asks for by another path is still readable: so the walk goes on.
                self._faults += 1
                if self._faults <= _FAULTS:
                    place = self.where.at(error.offset)
                    yield Gap(place, f"malformed HDF5 object {json.shown(path) or '/'}: {error.reason}")
            pending += reversed(below)
        if self._faults > _FAULTS:
            yield Gap(self.where, f"{self._faults} malformed HDF5 objects in all")

    def _find(self, rule: Rule, place: int, message: str, *evidence: tuple[str, str]) -> Iterator[Finding]:
        self._counts[rule.id] += 1
        if self._counts[rule.id] <= _PER_RULE:  # found often enough; what is nested is judged all the same
            yield Finding(rule, self.where.at(place), message, evidence=evidence)

    def _attributes(self, path: str, found: list[hdf5.Message], names: dict[str, str]) -> Iterator[Note]:
        for attribute in hdf5.attributes(self.storage, found):
            for value, place in values(self.storage, attribute, _VALUES):
                forced = not path and attribute.name in CONFIGURATIONS
                key = (place, len(value), forced)
                if key not in self._judged:
                    self._judged.add(key)
                    yield from self._value(f"{path}@{attribute.name}", value, place, forced=forced)
                if not value.startswith(b"\x80"):
                    text = value[:200].rstrip(b"\0").decode("utf-8", "backslashreplace")
                    names.setdefault(attribute.name, text)
                    if not path:
                        self.root.setdefault(attribute.name, text)

    def _value(self, name: str, value: bytes, place: int, *, forced: bool) -> Iterator[Note]:
        if is_pickle(value):
            yield from self._pickled(name, value, place)
        elif forced or is_configuration(value):
            member = json.shown(name.removeprefix("@"))
            length = len(value.rstrip(b"\0"))
            yield Child(member, self._part(value[:length], place), read_as="keras-config")
        elif value:
            self._texts += len(value)
            if self._texts <= _TEXTS:
                text = value[:_TEXT_LIMIT].rstrip(b"\0").decode("utf-8", "replace")
                yield Text(text, self.where.at(place, len(value)), "metadata")
            elif self._texts - len(value) <= _TEXTS:
                yield Gap(self.where.at(place), f"more than {_TEXTS} bytes of texts: the rest is not read")

    def _part(self, value: bytes, place: int) -> Reader:
        """A value as a part of the file, so that nothing is held; short ones can lie within an address."""
        if len(value) <= _HELD or place + len(value) > self.storage.reader.size:
            return BytesReader(value)
        return Window(self.storage.reader, place, len(value))

    def _pickled(self, name: str, value: bytes, place: int) -> Iterator[Note]:
        shown = json.shown(name)
        yield from self._find(rules.PICKLED, place, f"{shown} is a pickle", ("object", shown))
        yield Child(shown, self._part(value, place), read_as="pickle")

    def _link(self, path: str, link: hdf5.Link) -> Iterator[Finding]:
        shown = json.shown(f"{path}/{link.name}")
        if link.kind == "external":
            yield from self._other_file(f"the link {shown}", shown, link.file, link.place)
        elif link.kind == "user-defined":
            message = (
                f"the link {shown} is of the class {link.target}, which only its own software can follow"
            )
            yield from self._find(
                rules.EXTERNAL, link.place, message, ("object", shown), ("class", link.target)
            )

    def _other_file(
        self, what: str, shown: str, file: str, place: int, *, raw: bool = False
    ) -> Iterator[Finding]:
        name = json.shown(file)
        self.external[name] = None
        leaves = escape(file) or ("is an address" if "://" in file else "")
        rule = rules.EXTERNAL_ESCAPE if leaves or raw else rules.EXTERNAL
        message = f"{what} reads {name}" + (f", which {leaves}" if leaves else "")
        yield from self._find(rule, place, message, ("object", shown), ("file", name))

    def _dataset(self, path: str, found: list[hdf5.Message], names: dict[str, str]) -> Iterator[Note]:
        dataset = hdf5.dataset(self.storage, found)
        if dataset is None:
            return
        shown, place = json.shown(path), found[0].place
        for file in dataset.external:
            yield from self._other_file(f"the data set {shown}", shown, file, place, raw=True)
        for file in dataset.sources:
            if file != ".":
                yield from self._other_file(f"the virtual data set {shown}", shown, file, place)
        for name in dataset.filters:
            if name[:1].isdigit() and name not in self.filters:
                yield from self._find(
                    rules.PLUGIN,
                    place,
                    f"{shown} needs the filter {json.shown(name)}",
                    ("filter", json.shown(name)),
                )
            self.filters.add(name)
        size = dataset.elements * dataset.type.size
        if size > _BOMB and size > _BOMB_RATIO * self.storage.reader.size:
            message = f"{shown} claims {size} bytes, the file has {self.storage.reader.size}"
            yield from self._find(rules.BOMB, place, message, ("object", shown))
        self._tensor(shown, dataset, names)
        yield from self._contents(shown, dataset, names)

    def _tensor(self, shown: str, dataset: hdf5.Dataset, names: dict[str, str]) -> None:
        kind = dataset.type
        dtype = _NAMED_TYPES.get(names.get("dtype", ""), kind.name)
        if dataset.shape is None or (kind.kind not in _NUMBERS and dtype == kind.kind):
            return
        direct = dataset.layout == "contiguous" and dataset.address is not None
        start = self.storage.place(dataset.address or 0) if direct else None
        length = dataset.length if direct else None
        self.storage.budget.spend_bytes(256)
        self.tensors.append(Tensor(shown, dtype, dataset.shape, start, length))

    def _contents(self, shown: str, dataset: hdf5.Dataset, names: dict[str, str]) -> Iterator[Note]:
        """Pickles among the data: lumps of bytes, and the objects of PyTables and pandas."""
        objects = names.get("PSEUDOATOM") == "object"
        kind = dataset.type
        sequences = kind.kind == "vlen" and kind.of is not None and kind.of.size == 1
        if not (kind.is_bytes or sequences):
            return
        if dataset.filters and set(dataset.filters) != {"deflate"}:
            if objects:
                packed = ", ".join(dataset.filters)
                yield Gap(self.where, f"the pickled objects of {shown} are packed with {packed}: not read")
            return
        if objects and dataset.layout == "chunked" and dataset.index > 1:
            yield Gap(self.where, f"the pickled objects of {shown} lie behind an index that is not read")
        if sequences:
            yield from self._sequences(shown, dataset)
            return
        for data, place, length in hdf5.beginning(self.storage, dataset, _BEGINNING):
            if dataset.filters:
                continue
            if is_pickle(data, complete=length <= _BEGINNING):
                yield from self._find(rules.PICKLED, place, f"{shown} is a pickle", ("object", shown))
                yield Child(shown, Window(self.storage.reader, place, length), read_as="pickle")
            return

    def _sequences(self, shown: str, dataset: hdf5.Dataset) -> Iterator[Note]:
        left = _VALUES
        for data, place, _ in hdf5.beginning(self.storage, dataset, 16 * _VALUES):
            for value, at in hdf5.elements(self.storage, dataset.type, data, place):
                left -= 1
                if left < 0:
                    yield Gap(self.where, f"only the first {_VALUES} elements of {shown} were looked at")
                    return
                key = (at, len(value), False)
                if key not in self._judged and is_pickle(value):
                    self._judged.add(key)
                    yield from self._pickled(f"{shown}[{_VALUES - left - 1}]", value, at)

    def around(self) -> Iterator[Note]:
        """What lies in front of the file's own bytes and behind them."""
        reader, storage = self.storage.reader, self.storage
        start = min(storage.base, reader.size)
        if start:
            self.storage.budget.spend_bytes(min(start, _TEXT_LIMIT))
            first = reader.read_at(0, min(start, _TEXT_LIMIT))
            if first.startswith(_MATLAB) and not first[128:].strip(b"\0"):
                yield Text(first[:116].decode("latin-1"), self.where.at(0, 116), "metadata")
            elif first.strip(b"\0"):
                yield from self._find(
                    rules.HIDDEN, 0, f"a user block of {start} bytes", ("bytes", "user block")
                )
                yield Child("user block", Window(reader, 0, start))
        if 0 < storage.end < reader.size:
            length = reader.size - storage.end
            yield from self._behind(storage.end, length)

    def _behind(self, end: int, length: int) -> Iterator[Note]:
        blank = length <= _TEXT_LIMIT and not self.storage.reader.read_at(end, length).strip(b"\0")
        if not blank:
            yield from self._find(
                rules.HIDDEN, end, f"{length} bytes lie behind the end", ("bytes", "trailing")
            )
            yield Child(f"bytes at {end}", Window(self.storage.reader, end, length))
