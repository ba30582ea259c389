"""HDF5: which objects a file has, which other files it opens, and what in it others would run."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.formats.hdf5.producer import claims, parameters
from scanner.formats.hdf5.rules import RULES
from scanner.formats.hdf5.walk import Walk
from scanner.inspection import Format, Head, Note
from scanner.model import Facts, Location
from scanner.reader import Budget, Reader
from scanner.wire import hdf5


def _matches(head: Head) -> bool:
    return hdf5.SIGNATURE in head.data and hdf5.signature_at(head.data) is not None


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    storage = hdf5.Storage.open(reader, budget)
    walk = Walk(storage, where)
    yield from walk.notes()
    yield from walk.around()
    weights, state = parameters(walk.tensors)
    noted = {
        "objects": str(walk.objects),
        "optimiser arrays": str(state) if state else "",
        "filters": ", ".join(sorted(walk.filters)),
        **{name: text for name, text in walk.root.items() if len(text) <= 200},
    }
    yield Facts(
        "hdf5",
        f"superblock {storage.version}",
        weights,
        claims(walk.root),
        tuple(walk.external),
        metadata=tuple((key, value) for key, value in noted.items() if value),
    )
    if reader.size < storage.end:
        raise FormatError(f"{storage.end} bytes are declared, {reader.size} are there", reader.size)


FORMAT = Format(
    name="hdf5",
    title="HDF5",
    matches=_matches,
    inspect=_inspect,
    rules=RULES,
    suffixes=(".h5", ".hdf5", ".he5", ".h5ad", ".nc4", ".loom"),
    spec="HDF5 File Format Specification version 3.0",
)
