"""What the values of attributes are to those who read them: texts, pickles, Keras' configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.errors import BudgetExceeded, FormatError
from scanner.reader import Budget, BytesReader, Cursor
from scanner.wire import hdf5
from scanner.wire.pickle import Machine
from scanner.wire.pickle_values import Event

CONFIGURATIONS = ("model_config", "training_config")
"""Attributes of the root that Keras deserialises (keras/src/legacy/saving/legacy_h5_format.py)."""
_CONFIGURATION = re.compile(rb'\s*[\[{].{0,4000}"class_name"\s*:', re.DOTALL)
_SEEN = 4096
_NAMED = re.compile(r"[\w.]+")


def values(storage: hdf5.Storage, found: hdf5.Attribute, most: int) -> Iterator[tuple[bytes, int]]:
    """Texts and lumps of bytes of an attribute, with the byte at which they begin.

    A sequence of single bytes is one lump.

    Raises:
        FormatError: A reference into the global heap leads nowhere.
    """
    kind = found.type
    if kind.kind in {"string", "opaque"} or kind.kind.startswith("vlen"):
        if kind.of is not None and kind.of.size != 1:
            return
        for index, (value, place) in enumerate(hdf5.elements(storage, kind, found.data, found.place)):
            if index >= most:
                return
            yield value, place
    elif kind.name in {"u8", "i8"} and len(found.data) > 2:
        yield found.data, found.place


def is_configuration(value: bytes) -> bool:
    """Whether a text is a serialised Keras object in JSON."""
    return _CONFIGURATION.match(value) is not None


def is_pickle(data: bytes, *, complete: bool = True) -> bool:
    """Whether bytes run as a pickle: with a protocol in front, or to a STOP that is their last byte.

    ``complete`` says that nothing was cut off.
    """
    data = data[:_SEEN] if not complete else data.rstrip(b"\0")
    if len(data) < 3 or data[0] not in b"\x80c(]}iVSIFLNl)\x8c\x93XU\x95":
        return False
    magic = data[0] == 0x80 and 1 <= data[1] <= 5
    if not magic and not data.endswith(b"."):
        return False
    cursor = Cursor(BytesReader(data), Budget())
    events: list[Event] = []
    try:
        events.extend(Machine(cursor, Budget(items=_SEEN)).run())
    except FormatError as error:
        cut = not complete and (error.offset is None or error.offset >= len(data) - 64)
        return magic and (cut or _acts(events))
    except BudgetExceeded:
        return True  # thousands of opcodes in order: no text begins like that
    return magic or not cursor.left


def _acts(events: list[Event]) -> bool:
    return any(event.kind == "import" and _NAMED.fullmatch(str(event.target)) for event in events)
