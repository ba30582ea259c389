"""CatBoost's binary models (``.cbm``): a FlatBuffer of trees and texts, then tables of counters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Text
from scanner.model import Claim, Claimed, Facts, Location
from scanner.reader import Budget, Reader, Window
from scanner.wire.flatbuffers import Flat

MAGIC = b"CBM1"
_HEAD = 8
_VERSION = "FlabuffersModel_v1"  # as CatBoost spells it
# catboost/libs/model/flatbuffers/model.fbs: TModelCore and TKeyValue.
_FORMAT, _TREES, _INFO = 0, 1, 2
_KEY, _VALUE = 0, 1
_SHOWN = 400
_RELEASE = re.compile(r"CatBoost release (\d[\d.]{0,20}\d)")
_TREE_DEPTHS = 2  # TModelTrees.TreeSizes


def _matches(head: Head) -> bool:
    return head.data.startswith(MAGIC)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    head = reader.read_at(0, _HEAD)
    length = int.from_bytes(head[4:], "little")
    if len(head) < _HEAD or length > reader.size - _HEAD:
        raise FormatError(
            f"{length} bytes of a model are declared, {max(reader.size - _HEAD, 0)} are left", 4
        )
    root = Flat(Window(reader, _HEAD, length), budget).root()
    version = root.text(_FORMAT)
    if version != _VERSION:
        raise FormatError(f"is of the version {version[:40]!r}, which is not known", _HEAD)
    noted: list[tuple[str, str]] = []
    claims: list[Claim] = []
    for pair in root.vector(_INFO).tables():
        budget.spend_items()
        key, value = pair.text(_KEY), pair.text(_VALUE)
        noted.append((key[:80], value[:_SHOWN]))
        yield Text(f"{key}: {value}", where, "metadata")
        if key == "catboost_version_info":
            release = _RELEASE.search(value)
            claims += [Claim(Claimed.PRODUCER, f"catboost {release[1]}", key)] if release else []
        elif key == "train_finish_time":
            claims.append(Claim(Claimed.CREATED, value[:40], key))
    trees = root.table(_TREES)
    if trees is not None:
        noted.append(("trees", str(trees.vector(_TREE_DEPTHS).count)))
    yield Facts("catboost", "1", claims=tuple(claims), metadata=tuple(noted))


FORMAT = Format(
    name="catboost",
    title="CatBoost model",
    matches=_matches,
    inspect=_inspect,
    suffixes=(".cbm",),
    spec="catboost/libs/model/flatbuffers/model.fbs",
)
