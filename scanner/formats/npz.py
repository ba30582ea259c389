"""NumPy archives (.npz): a zip archive of .npy members and nothing else; the zip format reads the members."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note
from scanner.model import Facts, Location
from scanner.reader import Budget, Reader
from scanner.wire.zip import METHODS, central_directory, find_end

_TAIL = 64 << 10


def _matches(head: Head) -> bool:
    return bool(head.members) and all(name.endswith(".npy") for name in head.members)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    del where
    start = max(reader.size - _TAIL, 0)
    end = find_end(reader, reader.read_at(start, _TAIL), start)
    if end is None:
        raise FormatError("there is no end of a zip archive", reader.size)
    entries = central_directory(reader, end, budget)
    packed = [METHODS.get(entry.method) or f"method {entry.method}" for entry in entries if entry.method]
    yield Facts(
        "npz",
        metadata=(
            ("arrays", str(len(entries))),
            ("compressed", f"{len(packed)} by {', '.join(sorted(set(packed)))}" if packed else "none"),
        ),
    )


FORMAT = Format(
    name="npz",
    title="NumPy archive",
    matches=_matches,
    inspect=_inspect,
    suffixes=(".npz",),
    within=("zip",),
    spec="numpy/lib/_npyio_impl.py, savez",
)
