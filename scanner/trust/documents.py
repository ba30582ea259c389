"""JSON of strangers, read strictly: what two readers could understand differently is refused."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, TypeVar

from scanner.errors import FormatError

T = TypeVar("T")
_ITEMS = 2_000_000
"""A model signature over half a million files; what is parsed is held in memory."""
_NAMES = {dict: "an object", list: "a list", str: "text", bool: "true or false", int: "a whole number"}


def parse_json(data: bytes, what: str) -> Any:
    """The value of a JSON document.

    Raises:
        FormatError: It is no JSON in UTF-8, repeats a key, nests too deeply, is too large or holds NaN.
    """
    if sum(map(data.count, (b"[", b"{", b","))) > _ITEMS:
        raise FormatError(f"{what} holds more than {_ITEMS} items")
    try:
        return json.loads(
            data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_constant, parse_float=_number
        )
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise FormatError(f"{what} is malformed JSON: {reason}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is repeated, which readers understand differently")
    return found


def _constant(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")


def _number(text: str) -> int | float:
    """``400.0`` is the whole number 400: protobuf's JSON writes all numbers of a struct so."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 1 << 53 else value


def take(holder: Any, key: str, kind: type[T]) -> T:
    """A member that has to be there and of that kind.

    Raises:
        FormatError: It is not.
    """
    value = optional(holder, key, kind)
    if value is None:
        raise FormatError(f"{key} is missing")
    return value


def optional(holder: Any, key: str, kind: type[T]) -> T | None:
    """A member of that kind; ``None`` where it is absent or null.

    Raises:
        FormatError: It is of another kind, or what should hold it is no object.
    """
    if not isinstance(holder, dict):
        raise FormatError(f"an object with {key} is missing")
    value = holder.get(key)
    if value is None:
        return None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise FormatError(f"{key} is not {_NAMES.get(kind, kind.__name__)}")
    return value


def base64_of(holder: Any, key: str) -> bytes:
    """A member that has to be there, decoded from base64.

    Raises:
        FormatError: It is missing or is no strict base64.
    """
    return decode_base64(take(holder, key, str), key)


def decode_base64(text: str, what: str) -> bytes:
    """Strict base64 (line breaks aside), so that no reader sees other bytes in it.

    Raises:
        FormatError: It holds anything else.
    """
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(f"{what} is no base64") from error
