"""Arrays as joblib keeps them: their bytes stand between the opcodes (joblib/numpy_pickle.py).

How many there are is said by a wrapper's state. What is not exactly as joblib writes it is an error: a
reader that takes opcodes for numbers, or numbers for opcodes, has been led astray.
"""

from __future__ import annotations

import re
from typing import Any, Final

from scanner.errors import FormatError
from scanner.reader import Cursor
from scanner.wire.pickle_values import Global, Result, Sequence, Table

WRAPPERS: Final = frozenset(
    {
        Global("joblib.numpy_pickle", "NumpyArrayWrapper"),
        Global("sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"),
    }
)
_CODE = re.compile(r"[<>|=]?([biufcSUVOMm])([0-9]{1,9})")
_WIDTHS = {
    "b": {1},
    "i": {1, 2, 4, 8},
    "u": {1, 2, 4, 8},
    "f": {2, 4, 8, 10, 12, 16},
    "c": {8, 16, 20, 24, 32},
}
_HAS_OBJECTS = 1
_DEEPEST = 8


def is_pickled(state: Any, frame_end: int, cursor: Cursor) -> bool:
    """What follows the BUILD of a wrapper: a pickle of its own, or numbers, which are stepped over.

    Raises:
        FormatError: That cannot be told.
    """
    place = cursor.position
    # joblib runs the Python unpickler, which has read the whole frame and goes on behind it.
    if frame_end > place:
        raise FormatError("an array stands inside of a frame", place)
    if not isinstance(state, Table) or not state.whole:
        raise FormatError("an array of unknown type or shape", place)
    size, objects = _element(state.items.get("dtype"), place, 0)
    if objects:
        return True
    shape = state.items.get("shape")
    if not isinstance(shape, tuple) or not all(type(extent) is int and extent >= 0 for extent in shape):
        raise FormatError("an array of unknown shape", place)
    for extent in shape:
        size *= extent
    padded = state.items.get("numpy_array_alignment_bytes")
    if padded is not None and type(padded) is not int:
        raise FormatError("an array with an unknown padding", place)
    if padded is not None:
        cursor.skip(cursor.u8())
    cursor.skip(size)
    return False


def _element(dtype: Any, place: int, depth: int) -> tuple[int, bool]:
    """(bytes of one element, whether it holds objects) of a ``numpy.dtype`` with its state."""
    known = isinstance(dtype, Result) and str(dtype.of) == "numpy.dtype" and dtype.arguments
    code = dtype.arguments[0] if known else None
    found = _CODE.fullmatch(code) if isinstance(code, str) else None
    if found is None or depth > _DEEPEST:
        raise FormatError("an array of unknown type", place)
    kind, width = found[1], int(found[2])
    if width not in _WIDTHS.get(kind, {width}):
        raise FormatError("an array of unknown type", place)
    size, objects = width * (4 if kind == "U" else 1), kind == "O"
    if dtype.built:
        size, objects = _restored(dtype.state, kind, size, place, depth)
    return size, objects


def _restored(state: Any, kind: str, size: int, place: int, depth: int) -> tuple[int, bool]:
    """The same after ``dtype.__setstate__`` (NumPy's multiarray/descriptor.c), if it fits the code."""
    if not isinstance(state, tuple) or len(state) not in {8, 9} or type(state[5]) is not int:
        raise FormatError("an array of unknown type", place)
    base, names, fields, width, flags = state[2], state[3], state[4], state[5], state[7]
    if type(flags) is not int or (kind != "V" and width not in {-1, size}):
        raise FormatError("an array whose type contradicts itself", place)
    objects = kind == "O"
    if kind == "V":
        size = size if width == -1 else width
        parts = [base[0]] if isinstance(base, tuple) and base else _fields(names, fields, place)
        objects = _any_objects(parts, place, depth + 1)
    if objects != bool(flags & _HAS_OBJECTS) or size < 0:
        raise FormatError("an array whose type contradicts itself", place)
    return size, objects


def _any_objects(parts: list[Any], place: int, depth: int) -> bool:
    found = [_element(part, place, depth) for part in parts]  # each of them is looked at
    return any(objects for _, objects in found)


def _fields(names: Any, fields: Any, place: int) -> list[Any]:
    if fields is None:
        return []
    if not isinstance(fields, Table) or not fields.whole or not isinstance(names, tuple | Sequence):
        raise FormatError("an array of unknown type", place)
    return [part[0] if isinstance(part, tuple) and part else None for part in fields.items.values()]
