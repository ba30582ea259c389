"""Elements that matter even where numbers do not: texts, lumps of bytes, sequences in the global heap."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.wire.hdf5 import trees
from scanner.wire.hdf5.datasets import Dataset
from scanner.wire.hdf5.datatype import Datatype
from scanner.wire.hdf5.heaps import global_object
from scanner.wire.hdf5.storage import Storage


def elements(storage: Storage, kind: Datatype, data: bytes, place: int) -> Iterator[tuple[bytes, int]]:
    """The bytes of every element, and the byte of the file at which they begin.

    Elements of variable length are fetched from the global heap; numbers come as they are stored.

    Raises:
        FormatError: A reference leads nowhere.
    """
    if kind.size == 0:
        return
    for at in range(0, len(data) - kind.size + 1, kind.size):
        storage.budget.spend_items()
        if not kind.kind.startswith("vlen"):
            yield data[at : at + kind.size], place + at
            continue
        fields = storage.inner(data[at : at + kind.size], place + at)
        count, address, index = fields.number(4), fields.address(), fields.number(4)
        if not count or not address:
            yield b"", place + at
            continue
        found, where = global_object(storage, address, index)
        width = kind.of.size if kind.of is not None else 1
        if count * width > len(found):
            raise FormatError("an element is longer than its object in the global heap", where)
        yield found[: count * width], where


def beginning(storage: Storage, found: Dataset, most: int) -> Iterator[tuple[bytes, int, int]]:
    """Give (bytes, place of the first, length of the chunk) of the beginning of a data set, as it is stored.

    One piece for contiguous and compact data, one for each chunk of a B-tree of version 1 or a single
    chunk, up to ``most`` bytes of each. The address is that of a byte of the file.

    Raises:
        FormatError: The data does not lie where it is said to be.
    """
    if found.layout == "compact":
        yield found.inline[:most], found.place, found.length
    elif found.address is None or found.external:
        return
    elif found.layout == "contiguous":
        length = min(found.length, most)
        yield storage.read(found.address, length), storage.place(found.address), found.length
    elif found.layout == "chunked" and found.index in {0, 1}:
        for address, length in _chunks(storage, found):
            yield storage.peek(address, min(length, most)), storage.place(address), length


def _chunks(storage: Storage, found: Dataset) -> Iterator[tuple[int, int]]:
    whole = found.type.size
    for extent in found.chunk:
        whole *= extent
    if found.address is None:
        return
    if found.index == 1:
        yield found.address, whole
        return
    key = 8 + 8 * (len(found.chunk) + 1)
    for raw, address in trees.leaves(storage, found.address, kind=1, key=key):
        yield address, int.from_bytes(raw[:4], "little")
