"""Which members of a zip archive PyTorch opens, and as what; no opinions.

It looks below one folder, whatever the case of the names. The layout is that of
``caffe2/serialize/inline_container.cc``, ``torch/serialization.py`` and ``torch/csrc/jit/serialization``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum

_DATA = "data.pkl"


class Role(Enum):
    """As what PyTorch opens a member."""

    PICKLE = "pickle"
    CODE = "code"
    """TorchScript source."""
    STORAGE = "storage"
    """Raw numbers, for which a pickle asks by the last part of the name."""


def folders(names: Iterable[str]) -> tuple[str, ...]:
    """Top folders (with their slash) that hold a ``data.pkl``."""
    found = (name for name in names if name.lower().endswith(f"/{_DATA}") and name.count("/") == 1)
    return tuple(dict.fromkeys(name[: -len(_DATA)] for name in found))


def below(names: Iterable[str], top: str) -> Iterator[tuple[str, Role | None]]:
    """For each name below a top folder: the rest of it in lower case, and its role."""
    rests = [name[len(top) :].lower() for name in names if name.lower().startswith(top.lower())]
    archives = {rest.removesuffix(".pkl") for rest in rests if rest.endswith(".pkl") and "/" not in rest}
    for rest in rests:
        folder, _, last = rest.rpartition("/")
        if rest.endswith((".pkl", "debug_pkl")):
            yield rest, Role.PICKLE
        elif rest.startswith("code/") and rest.endswith(".py"):
            yield rest, Role.CODE
        elif folder in archives and last.isascii() and last.isdigit():
            yield rest, Role.STORAGE
        else:
            yield rest, None


def roles(names: Iterable[str]) -> dict[str, Role]:
    """The members of all top folders that PyTorch opens, by their full names."""
    listed = list(names)
    found: dict[str, Role] = {}
    for top in folders(listed):
        own = [name for name in listed if name.lower().startswith(top.lower())]
        for name, (_, role) in zip(own, below(own, top), strict=True):
            if role is not None:
                found[name] = role
    return found
