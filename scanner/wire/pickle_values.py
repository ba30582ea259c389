"""What the symbolic pickle machine works with: stand-ins for objects, and how people are shown them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

KEPT = 64
"""How many items of a container are remembered."""


class Forgotten:
    """A value that was not kept. Never a :class:`Global`: those are kept, or the machine gives up."""

    __slots__ = ()


FORGOTTEN: Final = Forgotten()


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes (or a long text) that stand in the stream; where, so that they can be looked at."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Global:
    """What ``find_class`` would return; ``?`` for a part that is computed while loading."""

    module: str
    name: str

    def __str__(self) -> str:
        """``module.name`` as the stream spells it."""
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Result:
    """What came out of a call, or an object that a loader was asked for."""

    of: Global | None
    """What was called, or the class of which an instance was made."""
    arguments: tuple[Any, ...]
    state: Any = None
    built: bool = False
    """Whether it has been given its state."""

    def again(self) -> Result:
        """Another object of the same kind."""
        return Result(self.of, self.arguments, self.state, self.built)

    @property
    def names(self) -> Global | None:
        """The class that it stands for, where it is a persistent id by which PyTorch before 1.6 names one.

        Whole modules were written so (torch/serialization.py, ``persistent_load``).
        """
        ident = self.arguments[0] if self.of is None and len(self.arguments) == 1 else None
        named = ident[1] if isinstance(ident, tuple) and ident[:1] == ("module",) and len(ident) > 1 else None
        return named if isinstance(named, Global) else None


@dataclass(slots=True, eq=False)
class Table:
    """A dict; a few of its items with text keys."""

    items: dict[str, Any] = field(default_factory=dict)
    whole: bool = True
    """Whether these are all that have a text as their key."""
    hollow: bool = False
    """Whether it stands for many, and remembers nothing."""

    def add(self, items: list[Any]) -> None:
        """Keys and values in turn, as SETITEMS finds them on the stack."""
        for key, value in zip(items[::2], items[1::2], strict=False) if not self.hollow else ():
            if isinstance(key, str) and (len(self.items) < KEPT or key in self.items):
                self.items[key] = value
            elif isinstance(key, str | Forgotten | Result | Global):
                self.whole = False


@dataclass(slots=True, eq=False)
class Sequence:
    """A list or a set; its first items."""

    items: list[Any] = field(default_factory=list)
    hollow: bool = False
    """Whether it stands for many, and remembers nothing."""

    def add(self, items: list[Any]) -> None:
        """More items; beyond :data:`KEPT` they are not remembered."""
        if len(self.items) < KEPT and not self.hollow:
            self.items += items[: KEPT - len(self.items)]


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """Something that a loader would do.

    ``import`` looks ``target`` up; ``call`` calls it and ``new`` makes an instance without its constructor,
    with the arguments ``value``; ``items`` and ``appends`` put something into ``target``; ``state`` hands
    ``value`` to its ``__setstate__`` or ``__dict__``; ``set`` puts ``value`` into a mapping under the text
    ``key``; ``persistent`` asks the loader for the object ``value``; ``stop`` ends the pickle with ``value``.
    """

    kind: str
    offset: int
    target: Any = None
    value: Any = None
    key: str = ""


def show(value: Any, depth: int = 0) -> str:
    """Arguments for people, bounded and printable."""
    if isinstance(value, str):
        return ascii(value[:80]) if len(value) <= 80 else ascii(value[:77]) + "…"
    if isinstance(value, Global):
        return ascii(str(value)[:120])[1:-1]
    if isinstance(value, Result):
        return f"{show(value.of)}(…)" if value.of else "…"
    if isinstance(value, Blob):
        return f"<{value.length} bytes>"
    if isinstance(value, bool | int) or value is None:
        return repr(value) if value is not None else "…"
    inner = value.items if isinstance(value, Sequence) else value
    if isinstance(inner, tuple | list) and depth < 3:
        text = ", ".join(show(item, depth + 1) for item in inner[:4]) + (", …" if len(inner) > 4 else "")
        return f"[{text}]" if isinstance(value, Sequence) else f"({text})"
    return "…"
