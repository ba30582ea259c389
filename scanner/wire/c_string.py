"""Texts that end with a zero byte, as native libraries name each other."""

from __future__ import annotations

from scanner.reader import Reader

LIMIT = 256


def c_string(reader: Reader, offset: int) -> str:
    """The text at an offset, up to its zero byte or ``LIMIT`` bytes; empty behind the end."""
    return reader.read_at(offset, LIMIT).partition(b"\0")[0].decode("utf-8", "backslashreplace")
