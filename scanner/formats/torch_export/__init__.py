"""Packages of ``torch.export`` and AOTInductor (``.pt2``): programs, raw weights, compiled code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from scanner.errors import BudgetExceeded, FormatError
from scanner.formats.torch_export.program import Program
from scanner.formats.torch_export.rules import NATIVE, PAYLOAD, PICKLED, RULES
from scanner.inspection import Child, Format, Head, Note
from scanner.model import Facts, Finding, Gap, Location, Tensor
from scanner.reader import Budget, Reader
from scanner.wire import json
from scanner.wire.torch_export import FORMAT_MARK, payloads, roots
from scanner.wire.zip import METHODS, Entry, LateMember
from scanner.wire.zip_member import content, entries

_LIMIT = 64 << 20
_RECORD = 256
# torch/_export/serde/schema.py, ScalarType.
_DTYPES = {
    1: ("u8", 1),
    2: ("i8", 1),
    3: ("i16", 2),
    4: ("i32", 4),
    5: ("i64", 8),
    6: ("f16", 2),
    7: ("f32", 4),
    8: ("f64", 8),
    9: ("c32", 4),
    10: ("c64", 8),
    11: ("c128", 16),
    12: ("bool", 1),
    13: ("bf16", 2),
    28: ("u16", 2),
    29: ("f8_e4m3", 1),
    30: ("f8_e5m2", 1),
    31: ("f8_e4m3fnuz", 1),
    32: ("f8_e5m2fnuz", 1),
    33: ("f8_e8m0", 1),
    34: ("u32", 4),
    35: ("u64", 8),
}


def _matches(head: Head) -> bool:
    return bool(head.members) and bool(roots(head.members))


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    listed = entries(reader, budget)
    for root in roots(entry.name for entry in listed):
        own = [entry for entry in listed if entry.name.startswith(root)]
        yield from _Package(reader, budget, where, root, own).notes()


@dataclass(slots=True)
class _Package:
    """Everything below one top folder."""

    reader: Reader
    budget: Budget
    where: Location
    root: str
    entries: list[Entry]
    tensors: list[Tensor] = field(default_factory=list)
    used: set[str] = field(default_factory=set)
    operators: dict[str, None] = field(default_factory=dict)

    def notes(self) -> Iterator[Note]:
        compiled = 0
        for entry in self.entries:
            name = entry.name[len(self.root) :]
            if name.startswith("data/aotinductor/") and not name.endswith(".json"):
                compiled += 1
                message = f"loading maps or compiles {json.shown(name.rpartition('/')[2])}"
                yield Finding(
                    NATIVE, self.where.inside(entry.name), message, evidence=(("member", name[:200]),)
                )
            elif name.startswith("models/") and name.endswith(".json"):
                yield from self._program(entry)
            elif name.endswith(("_weights_config.json", "_constants_config.json")):
                yield from self._config(entry, name.rpartition("/")[0])
            elif name.startswith(("data/constants/opaque_obj_", "data/constants/custom_obj_")):
                yield from self._pickled(entry, "pickle" if "opaque_obj_" in name else "")
        yield from self._unused()
        version = self._record("archive_version")
        noted = (
            ("archive format", self._record(FORMAT_MARK)),
            ("byteorder", self._record("byteorder")),
            ("compiled files", str(compiled) if compiled else ""),
        )
        yield Facts(
            "torch-export",
            version,
            tuple(self.tensors),
            entry_points=tuple(self.operators),
            metadata=tuple(pair for pair in noted if pair[1]),
        )

    def _record(self, name: str) -> str:
        entry = next((entry for entry in self.entries if entry.name == self.root + name), None)
        try:
            data = content(self.reader, entry, self.budget, _RECORD) if entry else b""
        except (FormatError, BudgetExceeded):
            return ""
        return data.decode("ascii", "replace").strip()

    def _json(self, entry: Entry) -> json.Document | Gap:
        try:
            return json.parse(content(self.reader, entry, self.budget, _LIMIT))
        except (FormatError, BudgetExceeded) as error:
            return Gap(
                self.where.inside(entry.name), f"cannot be read as part of a torch.export package: {error}"
            )

    def _program(self, entry: Entry) -> Iterator[Note]:
        document = self._json(entry)
        if isinstance(document, Gap):
            yield document
            return
        program = Program(document, self.where.inside(entry.name), self.budget)
        yield from program.judge()
        self.operators |= program.operators

    def _config(self, entry: Entry, folder: str) -> Iterator[Note]:
        """The tensors that a configuration describes, against the payloads that hold their numbers."""
        document = self._json(entry)
        if isinstance(document, Gap):
            yield document
            return
        root = document.value if isinstance(document.value, dict) else {}
        for config in json.every(root, "config"):
            for name in config if isinstance(config, dict) else ():
                for meta in json.every(config, name):
                    self.budget.spend_items()
                    if isinstance(meta, dict):
                        yield from self._described(name, meta, folder)

    def _described(self, name: str, meta: dict[str, Any], folder: str) -> Iterator[Note]:
        for path in json.every(meta, "path_name"):
            if not isinstance(path, str) or path.startswith(("opaque_obj_", "custom_obj_")):
                continue
            found = [e for e in self.entries if e.name.lower() == f"{self.root}{folder}/{path}".lower()]
            if not found:
                yield self._fault(f"nothing is there for the tensor {json.shown(name, 80)}", path)
            self.used.update(entry.name for entry in found)
            for entry in found:
                # Both where the key stands twice: readers differ in which they take.
                switches = json.every(meta, "use_pickle")
                if any(switches):
                    yield from self._pickled(entry, "")
                if not switches or not all(switches):
                    yield from self._numbers(name, meta, entry)

    def _numbers(self, name: str, meta: dict[str, Any], entry: Entry) -> Iterator[Note]:
        for tensor in json.every(meta, "tensor_meta"):
            described = _tensor(tensor) if isinstance(tensor, dict) else None
            if described is None:
                yield Gap(self.where, f"the tensor {json.shown(name, 80)} is described in an unknown way")
                continue
            dtype, shape, needed = described
            if needed > entry.size or entry.method:
                yield self._fault(f"{needed} bytes are needed, {entry.size} are there", entry.name)
            self.budget.spend_bytes(256)
            self.tensors.append(Tensor(json.shown(name, 400), dtype, shape))

    def _pickled(self, entry: Entry, read_as: str) -> Iterator[Note]:
        inside = self.where.inside(entry.name)
        message = f"{json.shown(entry.name)} is unpickled with weights_only=False"
        yield Finding(PICKLED, inside, message, evidence=(("member", json.shown(entry.name)),))
        yield self._child(entry, read_as)

    def _child(self, entry: Entry, read_as: str = "") -> Note:
        codec = METHODS.get(entry.method)
        if codec not in {"", "deflate"}:
            return Gap(self.where.inside(entry.name), f"compression method {entry.method} is not supported")
        late = LateMember(self.reader, entry)
        return Child(entry.name, late, codec, entry.size, read_as, crc=entry.crc)

    def _unused(self) -> Iterator[Note]:
        wanted = payloads(entry.name for entry in self.entries)
        for entry in self.entries:
            if entry.name in wanted and entry.name not in self.used:
                yield self._fault(f"no tensor uses the {entry.size} bytes", entry.name)
                yield self._child(entry)

    def _fault(self, message: str, name: str) -> Finding:
        shown = json.shown(name)
        return Finding(PAYLOAD, self.where, f"{shown}: {message}", evidence=(("member", shown),))


def _tensor(meta: dict[str, Any]) -> tuple[str, tuple[int, ...], int] | None:
    """(dtype, shape, bytes that it reaches over), where all of that is plain numbers."""
    code = meta.get("dtype")
    dtype = _DTYPES.get(code) if isinstance(code, int) else None
    sizes, strides = _plain(meta.get("sizes")), _plain(meta.get("strides"))
    offset = _plain([meta.get("storage_offset")])
    if dtype is None or sizes is None or strides is None or offset is None or len(sizes) != len(strides):
        return None
    if not all(sizes):
        return dtype[0], sizes, 0
    reach = offset[0] + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True)) + 1
    return dtype[0], sizes, reach * dtype[1]


def _plain(values: Any) -> tuple[int, ...] | None:
    """The numbers of a list of ``{"as_int": n}``; nothing where one is an expression or no number."""
    if not isinstance(values, list):
        return None
    found = [value.get("as_int") if isinstance(value, dict) else None for value in values]
    numbers = tuple(n for n in found if type(n) is int and 0 <= n < 1 << 63)
    return numbers if len(numbers) == len(found) else None


FORMAT = Format(
    name="torch-export",
    title="torch.export package",
    matches=_matches,
    inspect=_inspect,
    rules=RULES,
    suffixes=(".pt2",),
    within=("zip",),
    spec="torch/export/pt2_archive; torch/csrc/export/pt2_archive_constants.h",
)
