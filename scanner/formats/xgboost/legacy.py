"""The binary of XGBoost before 2.1: parameters, two names, then trees as numbers."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Note
from scanner.model import Claim, Claimed, Facts
from scanner.reader import Budget, Cursor, Reader

MAGIC = b"binf"
# src/learner.cc, LearnerModelParamLegacy: base score, features, classes, switches, version, targets, padding.
_PARAMETERS = struct.Struct("<fIiiiIII")
_RESERVED = 136
_NAME = 256


def legacy(reader: Reader, budget: Budget) -> Iterator[Note]:
    """The head of the file; what follows are numbers and a table of attributes that are not interpreted.

    Raises:
        FormatError: It is not laid out so.
    """
    cursor = Cursor(reader, budget, len(MAGIC))
    raw = cursor.read(_RESERVED)
    _, features, classes, _, _, major, minor, _ = _PARAMETERS.unpack_from(raw)
    objective, booster = _name(cursor), _name(cursor)
    version = f"{major}.{minor}" if 0 < major < 100 else ""
    claims = [Claim(Claimed.ARCHITECTURE, booster, "name_gbm")]
    if version:
        claims.append(Claim(Claimed.PRODUCER, f"xgboost {version}", "major_version"))
    noted = (
        ("encoding", "binary"),
        ("objective", objective),
        ("features", str(features)),
        ("classes", str(classes)),
    )
    yield Facts("xgboost", version, claims=tuple(claims), metadata=noted)


def _name(cursor: Cursor) -> str:
    length = cursor.u64()
    if length > _NAME:
        raise FormatError(f"a name of {length} bytes", cursor.position)
    raw = cursor.read(length)
    if not raw.isascii() or not raw.decode().isprintable():
        raise FormatError("a name is no text", cursor.position - length)
    return raw.decode()
