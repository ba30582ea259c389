"""MessagePack as a stream of items with their places; binary data and extensions are stepped over.

Grammar: github.com/msgpack/msgpack/blob/master/spec.md. The walk keeps its own stack. No opinions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scanner.errors import FormatError
from scanner.reader import Cursor

DEPTH = 128
_KEY = 4096
_FLOATS = {0xCA: struct.Struct(">f"), 0xCB: struct.Struct(">d")}
# Marker: kind and width of its length.
_SIZED = {
    0xC4: ("bin", 1),
    0xC5: ("bin", 2),
    0xC6: ("bin", 4),
    0xC7: ("ext", 1),
    0xC8: ("ext", 2),
    0xC9: ("ext", 4),
    0xD9: ("str", 1),
    0xDA: ("str", 2),
    0xDB: ("str", 4),
    0xDC: ("array", 2),
    0xDD: ("array", 4),
    0xDE: ("map", 2),
    0xDF: ("map", 4),
}
_FIXED_EXT = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


@dataclass(frozen=True, slots=True)
class Item:
    """One value: a leaf, or the head of a container."""

    kind: str
    """``str``, ``bin``, ``ext``, ``array``, ``map``, ``number``, ``constant``."""
    value: Any
    """A number, a constant, a text of up to 4096 bytes, a container's count, an extension's type."""
    offset: int
    """Where its content begins."""
    length: int = 0
    """Bytes of a text, of binary data or of an extension."""
    path: tuple[str, ...] = ()
    """Keys and indices that lead to it."""
    is_key: bool = False


@dataclass(slots=True)
class _Frame:
    is_map: bool
    left: int
    """Items that follow; two for each pair of a map."""
    path: tuple[str, ...]
    key: str = ""


def walk(cursor: Cursor) -> Iterator[Item]:
    """The items of one object, depth first.

    Raises:
        FormatError: A marker that does not exist, a length past the end, or a nesting past :data:`DEPTH`.
        BudgetExceeded: More items than the budget allows.
    """
    frames: list[_Frame] = []
    while True:
        frame = frames[-1] if frames else None
        is_key = frame is not None and frame.is_map and frame.left % 2 == 0
        path = () if frame is None else (*frame.path, frame.key)
        item = _item(cursor, path, is_key=is_key)
        yield item
        if frame is not None:
            frame.left -= 1
            if is_key:
                frame.key = str(item.value)[:_KEY]
            elif not frame.is_map:
                frame.key = str(int(frame.key) + 1)
        if item.kind in {"array", "map"} and item.value:
            if len(frames) >= DEPTH:
                raise FormatError(f"nested more than {DEPTH} deep", item.offset)
            is_map = item.kind == "map"
            frames.append(_Frame(is_map, item.value * (2 if is_map else 1), path, "" if is_map else "0"))
        while frames and not frames[-1].left:
            frames.pop()
        if not frames:
            return


def _item(cursor: Cursor, path: tuple[str, ...], *, is_key: bool) -> Item:
    cursor.budget.spend_items()
    mark = cursor.u8()
    at = cursor.position
    if mark < 0x80 or mark >= 0xE0:
        return Item("number", mark if mark < 0x80 else mark - 256, at, path=path, is_key=is_key)
    if mark in _CONSTANTS:
        return Item("constant", _CONSTANTS[mark], at, path=path, is_key=is_key)
    if mark in _FLOATS:
        layout = _FLOATS[mark]
        return Item("number", layout.unpack(cursor.read(layout.size))[0], at, path=path, is_key=is_key)
    if 0xCC <= mark <= 0xD3:
        width = 1 << (mark & 3)
        number = int.from_bytes(cursor.read(width), "big", signed=mark >= 0xD0)
        return Item("number", number, at, path=path, is_key=is_key)
    kind, count = _counted(cursor, mark)
    if kind in {"array", "map"}:
        if count * (2 if kind == "map" else 1) > cursor.left:
            raise FormatError(f"{count} items are declared, {cursor.left} bytes are left", at)
        return Item(kind, count, cursor.position, path=path, is_key=is_key)
    value: int | str | None = None
    if kind == "ext":
        value = int.from_bytes(cursor.read(1), "big", signed=True)
    start = cursor.position
    if kind == "str":
        value = cursor.read(min(count, _KEY)).decode("utf-8", "replace")
    cursor.skip(start + count - cursor.position)
    return Item(kind, value, start, count, path, is_key)


def _counted(cursor: Cursor, mark: int) -> tuple[str, int]:
    """Kind and count of what has a length."""
    if mark < 0xC0:
        return (
            ("map", mark & 15) if mark < 0x90 else ("array", mark & 15) if mark < 0xA0 else ("str", mark & 31)
        )
    if mark in _FIXED_EXT:
        return "ext", _FIXED_EXT[mark]
    if mark not in _SIZED:
        raise FormatError("a marker that MessagePack does not have", cursor.position - 1)
    kind, width = _SIZED[mark]
    return kind, int.from_bytes(cursor.read(width), "big")
