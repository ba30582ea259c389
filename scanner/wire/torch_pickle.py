"""What PyTorch puts into its pickles: storages as persistent ids, tensors as calls that view them.

The shapes are those of ``torch/serialization.py`` and ``torch/_utils.py``; no opinions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from scanner.errors import FormatError
from scanner.model import Tensor
from scanner.reader import Budget
from scanner.wire.pickle import Machine
from scanner.wire.pickle_values import Event, Global, Result

# The name of a storage class or dtype: the safetensors spelling of its element, and its size in bytes.
_ELEMENTS: Final = {
    "float": ("f32", 4), "double": ("f64", 8), "half": ("f16", 2), "bfloat16": ("bf16", 2),
    "long": ("i64", 8), "int": ("i32", 4), "short": ("i16", 2), "char": ("i8", 1), "byte": ("u8", 1),
    "bool": ("bool", 1), "complexfloat": ("c64", 8), "complexdouble": ("c128", 16),
    "qint8": ("qi8", 1), "quint8": ("qu8", 1), "qint32": ("qi32", 4), "quint4x2": ("qu4x2", 1),
    "quint2x4": ("qu2x4", 1), "untyped": ("u8", 1),
    "float32": ("f32", 4), "float64": ("f64", 8), "float16": ("f16", 2),
    "int64": ("i64", 8), "int32": ("i32", 4), "int16": ("i16", 2), "int8": ("i8", 1),
    "uint64": ("u64", 8), "uint32": ("u32", 4), "uint16": ("u16", 2), "uint8": ("u8", 1),
    "complex32": ("c32", 4), "complex64": ("c64", 8), "complex128": ("c128", 16),
    "float8_e4m3fn": ("f8_e4m3", 1), "float8_e5m2": ("f8_e5m2", 1), "float8_e8m0fnu": ("f8_e8m0", 1),
    "float8_e4m3fnuz": ("f8_e4m3fnuz", 1), "float8_e5m2fnuz": ("f8_e5m2fnuz", 1),
    "float4_e2m1fn_x2": ("f4x2", 1), "bits8": ("bits8", 1), "bits16": ("bits16", 2),
}  # fmt: skip
_VIEWS: Final = frozenset(
    f"torch._utils.{name}"
    for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_qtensor")
)
_AROUND: Final = frozenset({"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"})

# The number 0x1950a86a20f9469cfc6c as protocols 0 to 5 pickle it.
_LEGACY = re.compile(
    rb"(?:\x80[\x02-\x05](?:\x95.{8})?\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19|L119547037146038801333356L\n)\.",
    re.DOTALL,
)


def has_legacy_magic(data: bytes) -> bool:
    """Whether bytes begin with the pickled magic number of the stream layout before PyTorch 1.6."""
    return data[:1] in {b"\x80", b"L"} and _LEGACY.match(data) is not None


@dataclass(frozen=True, slots=True)
class Storage:
    """A run of numbers that a pickle asks its loader for."""

    dtype: str
    item: int
    """Bytes of one element."""
    key: str
    count: int
    """Elements."""

    @property
    def length(self) -> int:
        """Bytes of all elements."""
        return self.item * self.count


@dataclass(frozen=True, slots=True)
class View:
    """A tensor over a storage."""

    name: str
    dtype: str
    item: int
    storage: Storage
    shape: tuple[int, ...]
    first: int
    """Its first element, counted from the start of the storage."""
    strides: tuple[int, ...]

    @property
    def fits(self) -> bool:
        """Whether every element lies inside the storage."""
        if 0 in self.shape:
            return True
        steps = zip(self.shape, self.strides, strict=True)
        last = self.first + sum((extent - 1) * stride for extent, stride in steps)
        return min(self.first, *self.strides, 0) >= 0 and (last + 1) * self.item <= self.storage.length

    def placed(self, start: int | None) -> Tensor:
        """As a fact; with its place where it is one run of bytes and its storage begins at ``start``."""
        expected, dense = 1, True
        for extent, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            dense = dense and (extent == 1 or stride == expected)
            expected *= extent
        if start is None or not (dense or expected == 0) or not self.fits:
            return Tensor(self.name, self.dtype, self.shape)
        return Tensor(self.name, self.dtype, self.shape, start + self.first * self.item, expected * self.item)


@dataclass(slots=True)
class Contents:
    """What was seen in one or several pickles."""

    storages: dict[str, Storage] = field(default_factory=dict)
    views: list[View] = field(default_factory=list)
    sources: list[Any] = field(default_factory=list)
    """Source text of module classes, as the layouts before 1.6 keep it: a text or a ``Blob``."""
    classes: dict[str, int] = field(default_factory=dict)
    """TorchScript names (``__torch__.…``) that are looked up, and where first."""
    names: dict[str, str] = field(default_factory=dict)
    """Persistent ids other than storages, as the tar layout has them: under which name each stands first."""
    unclear: int = 0
    """Persistent ids of which a part is not known."""
    effects: int = 0
    """Things other than building data and naming element types that the last pickle read would do."""

    def read(self, machine: Machine, budget: Budget) -> Any:
        """Run one pickle; returns what it stops with.

        Raises:
            FormatError: It is malformed; what was seen before stands.
            BudgetExceeded: From the machine.
        """
        self.effects = 0
        for event in machine.run():
            if event.kind == "stop":
                return event.value
            if event.kind == "import" and element_of(event.target):
                continue
            self.effects += 1
            if event.kind == "persistent":
                self._storage(event.value, budget)
            elif event.kind == "set":
                self._named(event, budget)
            elif event.kind == "import":
                self._class(event, budget)
        raise FormatError("a pickle has no end", machine.cursor.position)

    def _storage(self, ident: Any, budget: Budget) -> None:
        if isinstance(ident, tuple) and ident[:1] == ("module",):
            budget.spend_bytes(8192)
            self.sources += [part for part in ident[3:4] if part is not None]
            return
        storage = storage_of(ident)
        if storage is None:
            self.unclear += 1
        elif storage.key not in self.storages:
            budget.spend_bytes(256)
            self.storages[storage.key] = storage

    def _named(self, event: Event, budget: Budget) -> None:
        view = _view(event.key, event.value)
        budget.spend_bytes(512)
        if view is not None:
            self.views.append(view)
        elif event.value.of is None and len(event.value.arguments) == 1:
            ident = event.value.arguments[0]
            if isinstance(ident, str | int):
                self.names.setdefault(str(ident), event.key)

    def _class(self, event: Event, budget: Budget) -> None:
        name = str(event.target)
        if name.startswith("__torch__") and name not in self.classes:
            budget.spend_bytes(256)
            self.classes[name] = event.offset


def element_of(found: Global) -> tuple[str, int] | None:
    """(dtype, bytes of an element) of a class such as ``torch.FloatStorage``, or of a dtype."""
    module, _, name = str(found).rpartition(".")
    if module not in {"torch", "torch.storage", "torch.cuda"}:
        return None
    for ending in ("Storage", "Tensor"):
        if name.endswith(ending):
            return _ELEMENTS.get(name.removesuffix(ending).lower())
    return _ELEMENTS.get(name)


def storage_of(ident: Any) -> Storage | None:
    """The storage that a persistent id ``("storage", class, key, location, count, …)`` asks for."""
    if not isinstance(ident, tuple) or len(ident) < 5 or ident[0] != "storage":
        return None
    kind, key, count = ident[1], ident[2], ident[4]
    element = element_of(kind) if isinstance(kind, Global) else None
    if element is None or not isinstance(key, str | int) or not isinstance(count, int) or count < 0:
        return None
    return Storage(element[0], element[1], str(key), count)


def _view(name: str, value: Any) -> View | None:
    for _ in range(4):
        if not isinstance(value, Result) or not value.arguments:
            return None
        if str(value.of) in _AROUND:
            value = value.arguments[0]
        elif str(value.of) == "torch._tensor._rebuild_from_type_v2" and len(value.arguments) > 2:
            function, arguments = value.arguments[0], value.arguments[2]
            if not isinstance(function, Global) or not isinstance(arguments, tuple):
                return None
            value = Result(function, arguments)
        else:
            break
    if not isinstance(value, Result) or str(value.of) not in _VIEWS or len(value.arguments) < 4:
        return None
    place, first, shape, strides = value.arguments[:4]
    storage = storage_of(place.arguments[0]) if isinstance(place, Result) and place.arguments else None
    if storage is None or not _whole((first,)) or not _whole(shape) or not _whole(strides):
        return None
    if len(shape) != len(strides) or len(shape) > 64:
        return None
    dtype, item = storage.dtype, storage.item
    if str(value.of).endswith("_v3") and len(value.arguments) > 6:
        named = value.arguments[6]
        element = element_of(named) if isinstance(named, Global) else None
        if element is None:
            return None
        dtype, item = element
    return View(name, dtype, item, storage, shape, first, strides)


def _whole(values: Any) -> bool:
    return isinstance(values, tuple) and all(type(value) is int and 0 <= value < 1 << 63 for value in values)


def text_list(data: bytes) -> list[str] | None:
    """The texts of a pickled list of texts, all of them; ``None`` where the pickle is anything else.

    The machine forgets the items of long lists; PyTorch's list of storage keys is needed whole.
    """
    texts: list[str] = []
    pending: list[str] = []
    state = ""
    at = 0
    while at < len(data):
        code = data[at]
        if code in _TEXTS and state:
            start = at + 1 + _TEXTS[code]
            at = start + int.from_bytes(data[at + 1 : start], "little")
            pending.append(data[start:at].decode("utf-8", "replace"))
            continue
        if code not in _SKIPPED:
            allowed = (state, code, min(len(pending), 2)) in _STEPS or (state, code) == ("(", 0x65)
            if not allowed:
                return None
            if code == 0x2E:
                return texts if at == len(data) - 1 else None
            if code in b"ae":
                texts += pending
                pending = []
            state = "(" if code == 0x28 else "]"
        at += _SKIPPED.get(code, 1)
    return None


_TEXTS: Final = {0x55: 1, 0x54: 4, 0x8C: 1, 0x58: 4, 0x8D: 8}
# PROTO, FRAME, BINPUT, LONG_BINPUT, MEMOIZE: lengths with their arguments.
_SKIPPED: Final = {0x80: 2, 0x95: 9, 0x71: 2, 0x72: 5, 0x94: 1}
# EMPTY_LIST, MARK, APPEND and STOP, each with the state and the number of waiting texts that it needs.
_STEPS: Final = frozenset({("", 0x5D, 0), ("]", 0x28, 0), ("]", 0x61, 1), ("]", 0x2E, 0)})
