"""GGUF as bytes: key/value pairs and tensor infos, read forwards once. No opinions.

Grammar: ggml ``docs/gguf.md``, versions 2 and 3; a file of the other byte order is told by its
version number. Arrays of strings are stepped over in bulk, because vocabularies have 280,000.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.errors import BudgetExceeded, FormatError
from scanner.reader import Budget, Reader

STRING, ARRAY = 8, 9
# Value type to struct code: GGUFValueType without STRING and ARRAY.
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_SIZES = {kind: struct.calcsize(code) for kind, code in _SCALARS.items()}

# ggml type to (name, elements of a block, bytes of a block): ggml-common.h, gguf-py GGML_QUANT_SIZES.
# 31-33 and 36-38 are the repacked layouts that files of 2024 have; each block is one of Q4_0 or IQ4_NL.
TYPES: dict[int, tuple[str, int, int]] = {
    0: ("f32", 1, 4),
    1: ("f16", 1, 2),
    2: ("q4_0", 32, 18),
    3: ("q4_1", 32, 20),
    6: ("q5_0", 32, 22),
    7: ("q5_1", 32, 24),
    8: ("q8_0", 32, 34),
    9: ("q8_1", 32, 40),
    10: ("q2_k", 256, 84),
    11: ("q3_k", 256, 110),
    12: ("q4_k", 256, 144),
    13: ("q5_k", 256, 176),
    14: ("q6_k", 256, 210),
    15: ("q8_k", 256, 292),
    16: ("iq2_xxs", 256, 66),
    17: ("iq2_xs", 256, 74),
    18: ("iq3_xxs", 256, 98),
    19: ("iq1_s", 256, 50),
    20: ("iq4_nl", 32, 18),
    21: ("iq3_s", 256, 110),
    22: ("iq2_s", 256, 82),
    23: ("iq4_xs", 256, 136),
    24: ("i8", 1, 1),
    25: ("i16", 1, 2),
    26: ("i32", 1, 4),
    27: ("i64", 1, 8),
    28: ("f64", 1, 8),
    29: ("iq1_m", 256, 56),
    30: ("bf16", 1, 2),
    31: ("q4_0_4_4", 32, 18),
    32: ("q4_0_4_8", 32, 18),
    33: ("q4_0_8_8", 32, 18),
    34: ("tq1_0", 256, 54),
    35: ("tq2_0", 256, 66),
    36: ("iq4_nl_4_4", 32, 18),
    37: ("iq4_nl_4_8", 32, 18),
    38: ("iq4_nl_8_8", 32, 18),
    39: ("mxfp4", 32, 17),
    40: ("nvfp4", 64, 36),
    41: ("q1_0", 128, 18),
}

# LlamaFileType of llama.cpp: what `general.file_type` stands for.
FILE_TYPES = (
    "F32",
    "F16",
    "Q4_0",
    "Q4_1",
    "Q4_1_SOME_F16",
    "Q4_2",
    "Q4_3",
    "Q8_0",
    "Q5_0",
    "Q5_1",
    "Q2_K",
    "Q3_K_S",
    "Q3_K_M",
    "Q3_K_L",
    "Q4_K_S",
    "Q4_K_M",
    "Q5_K_S",
    "Q5_K_M",
    "Q6_K",
    "IQ2_XXS",
    "IQ2_XS",
    "Q2_K_S",
    "IQ3_XS",
    "IQ3_XXS",
    "IQ1_S",
    "IQ4_NL",
    "IQ3_S",
    "IQ3_M",
    "IQ2_S",
    "IQ2_M",
    "IQ4_XS",
    "IQ1_M",
    "BF16",
    "Q4_0_4_4",
    "Q4_0_4_8",
    "Q4_0_8_8",
    "TQ1_0",
    "TQ2_0",
    "MXFP4_MOE",
    "NVFP4",
    "Q1_0",
)

_FIRST_STEP, _LAST_STEP = 64 << 10, 1 << 20
STRING_LIMIT = 16 << 20
KEPT_STRINGS = 4 << 20
_DIMENSIONS = 4  # GGML_MAX_DIMS


@dataclass(frozen=True, slots=True)
class Array:
    """An array value: where its items stand and, for texts that were asked for, what they are."""

    kind: int
    count: int
    length: int
    """Bytes of all items as they stand, length prefixes included."""
    sha256: str = ""
    """Over those bytes; for arrays of strings that were stepped over in bulk."""
    strings: tuple[str, ...] = ()
    cut: bool = False
    """Whether ``strings`` stops before the array does."""


Value = int | float | str | Array | None


@dataclass(frozen=True, slots=True)
class Pair:
    """One key and its value; ``None`` where a string is longer than ``STRING_LIMIT``."""

    key: str
    kind: int
    value: Value
    offset: int
    """Where the value starts, behind its type."""
    length: int


@dataclass(frozen=True, slots=True)
class Info:
    """One tensor info as it stands: dimensions innermost first, offset from the start of the data."""

    name: str
    dimensions: tuple[int, ...]
    kind: int
    offset: int
    place: int
    """Where the info itself starts."""


class Feed:
    """Forward-only decoding over steps that grow, so that ranges over HTTP are few and large."""

    __slots__ = ("_at", "_base", "_budget", "_data", "_order", "_reader", "_step")

    def __init__(self, reader: Reader, budget: Budget) -> None:
        self._reader = reader
        self._budget = budget
        self._order = "<"
        self._base = 0
        self._data = b""
        self._at = 0
        self._step = _FIRST_STEP

    @property
    def position(self) -> int:
        """Offset of the next byte."""
        return self._base + self._at

    @property
    def left(self) -> int:
        """Bytes between here and the end."""
        return self._reader.size - self.position

    def version(self) -> int:
        """The version number behind the magic; from here on, numbers are read in the order that it shows."""
        raw = self._take(8)[4:]
        if raw[:2] == b"\0\0":
            self._order = ">"
        return int.from_bytes(raw, "big" if self._order == ">" else "little")

    @property
    def big(self) -> bool:
        """Whether the file is big-endian."""
        return self._order == ">"

    def u32(self) -> int:
        """Four bytes, unsigned."""
        return int(self._number("I", 4))

    def u64(self) -> int:
        """Eight bytes, unsigned."""
        return int(self._number("Q", 8))

    def count(self, what: str, least: int) -> int:
        """A count of things that take at least ``least`` bytes each.

        Raises:
            FormatError: So many cannot follow.
        """
        place = self.position
        count = self.u64()
        if count * least > self.left:
            raise FormatError(f"{count} {what} are declared, {self.left} bytes are left", place)
        self._budget.spend_items(count)
        return count

    def string(self) -> str | None:
        """A text; ``None``, stepped over, where it is longer than ``STRING_LIMIT``."""
        length = self.u64()
        if length > STRING_LIMIT:
            self._skip(length)
            return None
        return self._take(length).decode("utf-8", "replace")

    def value(self, kind: int, *, bulk: bool, depth: int = 0) -> Value:
        """A value of that type; ``bulk`` steps over arrays of strings instead of keeping them."""
        code = _SCALARS.get(kind)
        if code is not None:
            number: int | float = self._number(code, _SIZES[kind])
            return number
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            return self._array(bulk=bulk, depth=depth + 1)
        raise FormatError(f"a value has the unknown type {kind}", self.position)

    def _array(self, *, bulk: bool, depth: int) -> Array:
        self._budget.check_depth(depth)
        kind = self.u32()
        least = {STRING: 8, ARRAY: 12}.get(kind) or _SIZES.get(kind)
        if least is None:
            raise FormatError(f"an array has items of the unknown type {kind}", self.position - 4)
        if kind in _SIZES:
            count = self.u64()  # numbers are skipped as one piece, so they cost nothing
            self._skip(count * least)
            return Array(kind, count, count * least)
        count = self.count("array items", least)
        start = self.position
        if kind == ARRAY:
            for _ in range(count):
                self._array(bulk=True, depth=depth + 1)
            return Array(kind, count, self.position - start)
        kept = [] if bulk else self._kept(count)
        state = self._strings(count - len(kept))
        length = self.position - start
        return Array(kind, count, length, state if bulk else "", tuple(kept), len(kept) < count and not bulk)

    def _kept(self, count: int) -> list[str]:
        kept: list[str] = []
        start = self.position
        while len(kept) < count and self.position - start < KEPT_STRINGS:
            text = self.string()
            if text is None:
                raise BudgetExceeded("bytes", STRING_LIMIT)
            self._budget.spend_bytes(64 + len(text))
            kept.append(text)
        return kept

    def _strings(self, count: int) -> str:
        """Step over strings; SHA-256 of what was stepped over."""
        state = hashlib.sha256()
        unpack = struct.Struct(self._order + "Q").unpack_from
        while count:
            data, start = self._data, self._at
            at, end, need = start, len(data), 8
            while count and at + 8 <= end:
                need = 8 + unpack(data, at)[0]
                if at + need > end:
                    break
                at += need
                count -= 1
                need = 8
            state.update(memoryview(data)[start:at])
            self._at = at
            if count:
                if need > STRING_LIMIT and need <= self.left:
                    raise BudgetExceeded("bytes", STRING_LIMIT)
                self._fill(need)
        return state.hexdigest()

    def _number(self, code: str, size: int) -> int | float:
        number: int | float = struct.unpack(self._order + code, self._take(size))[0]
        return number

    def _take(self, length: int) -> bytes:
        if self._at + length > len(self._data):
            self._fill(length)
        data = self._data[self._at : self._at + length]
        self._at += length
        return data

    def _fill(self, length: int) -> None:
        """Have at least ``length`` bytes at hand."""
        if length > self.left:
            raise FormatError(f"{length} bytes are declared, {self.left} are left", self.position)
        kept = self._data[self._at :]
        want = max(length - len(kept), self._step)
        self._budget.spend_bytes(want)
        more = self._reader.read_at(self.position + len(kept), want)
        self._base, self._at, self._data = self.position, 0, kept + more
        self._step = min(self._step * 2, _LAST_STEP)
        if length > len(self._data):
            raise FormatError("the data ends early", self._base + len(self._data))

    def _skip(self, length: int) -> None:
        if length > self.left:
            raise FormatError(f"{length} bytes are declared, {self.left} are left", self.position)
        self._at += length
        if self._at > len(self._data):
            self._base, self._at, self._data = self.position, 0, b""


def pairs(feed: Feed, count: int, bulk: str) -> Iterator[Pair]:
    """The key/value pairs; string arrays under keys that begin with ``bulk`` are not kept.

    Raises:
        FormatError: They do not parse.
    """
    for _ in range(count):
        place = feed.position
        key = feed.string()
        if key is None:
            raise FormatError("a key is too long", place)
        kind = feed.u32()
        start = feed.position
        value = feed.value(kind, bulk=key.startswith(bulk))
        yield Pair(key, kind, value, start, feed.position - start)


def infos(feed: Feed, count: int) -> Iterator[Info]:
    """The tensor infos.

    Raises:
        FormatError: They do not parse.
    """
    for _ in range(count):
        place = feed.position
        name = feed.string()
        dimensions = feed.u32()
        if name is None or dimensions > _DIMENSIONS:
            raise FormatError(f"a tensor has {dimensions} dimensions or no proper name", place)
        shape = tuple(feed.u64() for _ in range(dimensions))
        yield Info(name, shape, feed.u32(), feed.u64(), place)
