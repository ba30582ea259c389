"""What bytes are: one module a format, found by folder; identification gives every format that matches.

A module (or package) of this folder that has a ``FORMAT`` is a format. There is no order and no
priority: a file that two formats match is read as both.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from scanner.inspection import Format, Head


@cache
def all_formats() -> tuple[Format, ...]:
    """Every format, in name order."""
    names = sorted(module.name for module in iter_modules(__path__))
    modules = (import_module(f"{__name__}.{name}") for name in names)
    return tuple(module.FORMAT for module in modules if hasattr(module, "FORMAT"))


@cache
def by_name() -> dict[str, Format]:
    """Every format by its name."""
    return {fmt.name: fmt for fmt in all_formats()}


def identify(head: Head) -> tuple[Format, ...]:
    """Every format whose bytes these may be; empty where nobody knows them."""
    return tuple(fmt for fmt in all_formats() if fmt.matches(head))


def suspected(head: Head) -> tuple[Format, ...]:
    """Formats whose bytes these may be though the head cannot tell: their inspection decides."""
    return tuple(fmt for fmt in all_formats() if fmt.suspects and fmt.suspects(head))
