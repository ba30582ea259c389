"""FlexBuffers, as far as TensorFlow Lite uses them for options: a vector of texts. No opinions.

Grammar: flatbuffers.dev/flexbuffers.
"""

from __future__ import annotations

from scanner.errors import FormatError

_VECTOR, _TEXTS = frozenset({10, 11, 14, 15}), frozenset({4, 5, 25})
_ITEMS = 64


def texts(data: bytes) -> list[bytes]:
    """The texts (or blobs) of the vector that ``data`` is; other elements are left out.

    Raises:
        FormatError: It is no vector, or an offset leads outside.
    """
    if len(data) < 3:
        raise FormatError("a FlexBuffer of less than three bytes", 0)
    width, packed = data[-1], data[-2]
    kind = packed >> 2
    if kind not in _VECTOR or width not in {1, 2, 4, 8}:
        raise FormatError("the FlexBuffer is no vector", len(data) - 2)
    root = len(data) - 2 - width
    start = root - _number(data, root, width)
    width = 1 << (packed & 3)
    count = _number(data, start - width, width)
    if count > _ITEMS:
        raise FormatError(f"the FlexBuffer has {count} elements", start)
    found = []
    for index in range(count):
        at = start + index * width
        typed = kind if kind in {14, 15} else _number(data, start + count * width + index, 1)
        own = {14: 4, 15: 5}.get(kind, typed >> 2)
        if own in _TEXTS:
            found.append(_text(data, at - _number(data, at, width), own, 1 << (typed & 3)))
    return found


def _text(data: bytes, at: int, kind: int, width: int) -> bytes:
    if kind == 4:
        end = data.find(b"\0", max(at, 0))
        length = end - at
    else:
        length = _number(data, at - width, width)
    if at < 0 or length < 0 or at + length > len(data):
        raise FormatError("a text of a FlexBuffer reaches outside", max(at, 0))
    return data[at : at + length]


def _number(data: bytes, at: int, width: int) -> int:
    if at < 0 or at + width > len(data):
        raise FormatError("an offset of a FlexBuffer leads outside", max(at, 0))
    return int.from_bytes(data[at : at + width], "little")
