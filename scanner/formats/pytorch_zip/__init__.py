"""PyTorch's zip archives since 1.6, TorchScript among them: pickles, numbers they refer to, and code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.errors import BudgetExceeded, FormatError
from scanner.formats.pytorch_zip.members import Members
from scanner.formats.pytorch_zip.rules import RULES, STORAGE, UNUSED
from scanner.formats.pytorch_zip.script import Script
from scanner.inspection import Format, Head, Note
from scanner.model import Facts, Finding, Gap, Location
from scanner.reader import Budget, Cursor, Reader
from scanner.wire.pickle import Machine
from scanner.wire.torch_pickle import Contents, Storage
from scanner.wire.torch_zip import Role, below, folders
from scanner.wire.zip import Entry


def _matches(head: Head) -> bool:
    tops = folders(head.members)
    # Whatever has numbers in the place of storages is ours, even without the version that PyTorch demands.
    wanted = tuple(f"{top}{mark}".lower() for top in tops for mark in ("version", ".data/version", "data/"))
    return bool(tops) and any(name.lower().startswith(wanted) for name in head.members)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    members = Members(reader, budget)
    tops = folders(entry.name for entry in members.entries)
    if not tops:
        raise FormatError("there is no data.pkl", reader.size)
    for top in tops:
        yield from _Checkpoint(members, top, where).notes()


@dataclass(slots=True)
class _Checkpoint:
    """One top folder: PyTorch uses that of the first member, and all are judged."""

    members: Members
    top: str
    where: Location
    contents: dict[str, Contents] = field(default_factory=dict)
    """By folder of storages: ``data`` for ``data.pkl``, ``constants`` for ``constants.pkl``."""
    records: dict[str, Entry] = field(default_factory=dict)
    storages: list[Entry] = field(default_factory=list)
    """Members in the place of storages, whether or not a pickle asks for them."""
    alignment: int = 64

    def notes(self) -> Iterator[Note]:
        own = [entry for entry in self.members.entries if entry.name.lower().startswith(self.top.lower())]
        named = [(name, role, entry) for entry, (name, role) in zip(own, self._below(own), strict=True)]
        for name, _, entry in named:
            self.records.setdefault(name, entry)
        self._align()
        for name, role, entry in named:
            if role is Role.PICKLE:
                folder = name.removesuffix(".pkl")
                contents = Contents() if "/" in folder else self.contents.setdefault(folder, Contents())
                yield from self._pickle(entry, contents)
            elif role is Role.STORAGE:
                self.storages.append(entry)
        script = Script(self.members)
        code = [entry for _, role, entry in named if role is Role.CODE]
        yield from script.sources(code, self.where)
        for folder, contents in self.contents.items():
            yield from script.native(contents.classes, self.where.inside(f"{self.top}{folder}.pkl"))
        yield from self._storages()
        yield self._facts(script, len(code))

    def _below(self, own: list[Entry]) -> Iterator[tuple[str, Role | None]]:
        return below([entry.name for entry in own], self.top)

    def _align(self) -> None:
        text = self.members.record(self.records.get(".storage_alignment"))
        if text.isascii() and text.isdigit() and 0 < int(text) <= 1 << 20:
            self.alignment = int(text)

    def _pickle(self, entry: Entry, contents: Contents) -> Iterator[Note]:
        """Hand a pickle on, unless it is seen to build plain data and nothing else."""
        plain = False
        try:
            child = self.members.child(entry, "pickle")
        except FormatError as error:
            contents.unclear += 1
            yield Gap(self.where.inside(entry.name), f"a pickle that cannot be read: {error.reason}")
            return
        try:
            with self.members.content(child) as content:
                cursor = Cursor(content, self.members.budget)
                contents.read(Machine(cursor, self.members.budget), self.members.budget)
                plain = not contents.effects and not cursor.left and self.members.is_sound(content, child)
        except (FormatError, BudgetExceeded):
            contents.unclear += 1
        if not plain:
            yield child

    def _entry(self, folder: str, storage: Storage) -> Entry | None:
        """A storage's member: in the folder of its own pickle, or of another one (mobile bytecode)."""
        places = dict.fromkeys((folder, *self.contents))
        found = (self.records.get(f"{place}/{storage.key}".lower()) for place in places)
        return next((entry for entry in found if entry is not None), None)

    def _storages(self) -> Iterator[Note]:
        used: set[int] = set()
        faults: dict[str, list[str]] = {}
        for folder, contents in self.contents.items():
            for storage in contents.storages.values():
                entry = self._entry(folder, storage)
                if entry is not None:
                    used.add(id(entry))
                if fault := _fault(entry, storage, folder):
                    faults.setdefault(fault, []).append(storage.key)
            for view in contents.views:
                if not view.fits:
                    faults.setdefault("tensors reach past the end of", []).append(view.storage.key)
        for fault, keys in faults.items():
            named = ", ".join(ascii(key[:40])[1:-1] for key in keys[:3]) + (", …" if len(keys) > 3 else "")
            evidence = (("fault", fault), ("storages", named))
            message = (
                f"{fault} {len(keys)} storages: {named}" if len(keys) > 1 else f"{fault} storage {named}"
            )
            yield Finding(STORAGE, self.where, message, evidence=evidence)
        if any(contents.unclear for contents in self.contents.values()):
            yield Gap(self.where, "a pickle asks for storages in a way that cannot be followed")
        else:
            yield from self._unused(used)

    def _unused(self, used: set[int]) -> Iterator[Note]:
        for entry in self.storages:
            if id(entry) not in used:
                named = ascii(entry.name[:120])[1:-1]
                message = f"no tensor uses the {entry.size} bytes of {named}"
                yield Finding(UNUSED, self.where.inside(entry.name), message, evidence=(("member", named),))
                try:
                    yield self.members.child(entry)
                except FormatError as error:
                    yield Gap(self.where.inside(entry.name), f"cannot be read: {error.reason}")

    def _facts(self, script: Script, code: int) -> Facts:
        record, get = self.members.record, self.records.get
        tensors = []
        for folder, contents in self.contents.items():
            for view in contents.views:
                entry = self._entry(folder, view.storage)
                start = self.members.place(entry, self.alignment) if entry is not None else None
                tensors.append(view.placed(start))
        storages = sum(len(contents.storages) for contents in self.contents.values())
        noted = {
            "byteorder": record(get("byteorder")),
            "storages": str(storages),
            "torchscript": f"{code} files of code" if code else "",
            "serialization_id": record(get(".data/serialization_id")),
        }
        return Facts(
            "pytorch-zip",
            record(get("version") or get(".data/version")),
            tuple(tensors),
            entry_points=tuple(script.names),
            metadata=tuple((key, value) for key, value in noted.items() if value),
        )


def _fault(entry: Entry | None, storage: Storage, folder: str) -> str:
    if entry is None:
        return "nothing is there for"
    if entry.method:
        return "compression hides from mapping readers"
    if entry.size == 0 and folder == "traced_inputs":
        return ""  # torch.jit.trace notes which inputs it had, and keeps no numbers of them
    return "" if entry.size == storage.length else "the length is another one than declared for"


FORMAT = Format(
    name="pytorch-zip",
    title="PyTorch zip archive",
    matches=_matches,
    inspect=_inspect,
    rules=RULES,
    suffixes=(".pt", ".pth", ".ptl", ".tar"),
    within=("zip",),
    spec="torch/serialization.py; caffe2/serialize/inline_container.cc",
)
