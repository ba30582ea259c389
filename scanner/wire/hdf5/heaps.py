"""Heaps of objects: the fractal heap (section III.G) of groups and attributes, the global heap (III.E)."""

from __future__ import annotations

from dataclasses import dataclass

from scanner.errors import FormatError
from scanner.wire.hdf5.storage import Fields, Storage
from scanner.wire.hdf5.trees import records

_OBJECT_LIMIT = 64 << 20
_ROWS = 64


@dataclass(slots=True)
class FractalHeap:
    """An open fractal heap; :meth:`get` gives the bytes of an object for its heap ID."""

    storage: Storage
    place: int
    flags: int = 0
    filtered: int = 0
    huge: int | None = None
    width: int = 0
    first: int = 0
    """Bytes of a block of the first row."""
    largest: int = 0
    """Bytes of the largest direct block."""
    bits: int = 0
    rows: int = 0
    root: int | None = None
    length_width: int = 0

    @classmethod
    def open(cls, storage: Storage, address: int) -> FractalHeap:
        """Read the heap's header.

        Raises:
            FormatError: It is none, or its sizes make no sense.
        """
        size, heap = storage.length_size, cls(storage, storage.place(address))
        fields = storage.fields(address, 22 + 12 * size + 3 * storage.offset_size)
        fields.expect(b"FRHP")
        fields.take(3)
        heap.filtered, heap.flags = fields.number(2), fields.number(1)
        object_limit = fields.number(4)
        fields.size()
        heap.huge = fields.address()
        fields.size()
        fields.address()
        fields.take(8 * size)
        heap.width, heap.first, heap.largest = fields.number(2), fields.size(), fields.size()
        heap.bits = fields.number(2)
        fields.take(2)
        heap.root, heap.rows = fields.address(), fields.number(2)
        powers = all(n and n & (n - 1) == 0 for n in (heap.width, heap.first, heap.largest))
        if not powers or heap.first > heap.largest or heap.bits > 64 or heap.rows > _ROWS:
            raise FormatError("a fractal heap whose blocks have impossible sizes", heap.place)
        of_blocks = (heap.largest.bit_length() + 6) // 8
        heap.length_width = min(of_blocks, max(object_limit.bit_length() - 1, 0) // 8 + 1)
        return heap

    def get(self, identifier: bytes) -> tuple[bytes, int]:
        """The bytes of an object, and the byte of the file at which they begin.

        Raises:
            FormatError: The ID leads nowhere, or the heap is compressed.
        """
        fields = self.storage.inner(identifier, self.place)
        first = fields.number(1)
        match first >> 4 & 3:
            case 0:
                offset = fields.number((self.bits + 7) // 8)
                return self._managed(offset, fields.number(self.length_width))
            case 1:
                return self._huge(fields)
            case 2:
                return fields.take(min((first & 15) + 1, fields.left)), self.place
        raise FormatError("an object in a fractal heap of unknown kind", self.place)

    def _read(self, address: int, length: int) -> tuple[bytes, int]:
        if self.filtered:
            raise FormatError("a compressed fractal heap is not supported", self.place)
        if length > _OBJECT_LIMIT:
            raise FormatError(f"an object of {length} bytes in a fractal heap", self.place)
        return self.storage.read(address, length), self.storage.place(address)

    def _managed(self, offset: int, length: int) -> tuple[bytes, int]:
        address, start, rows = self.root, 0, self.rows
        for _ in range(_ROWS):
            if address is None:
                break
            if rows == 0:
                return self._read(address + offset - start, length)
            row, column, begin, block = self._cell(offset - start)
            if row >= rows:
                break
            direct = (self.largest // self.first).bit_length() + 1
            child = self._child(address, row, column, direct)
            address, start = child, start + begin
            # A block of that many bytes holds as many rows as its doubling table needs (III.G, "rows").
            rows = 0 if row < direct else (block // (self.first * self.width)).bit_length()
        raise FormatError("an object lies outside its fractal heap", self.place)

    def _cell(self, offset: int) -> tuple[int, int, int, int]:
        """Row, column, first offset and size of the block that holds an offset."""
        whole = self.first * self.width
        row = (offset // whole).bit_length()
        block = self.first << max(row - 1, 0)
        begin = whole << (row - 1) if row else 0
        column = (offset - begin) // block
        return row, column, begin + column * block, block

    def _child(self, address: int, row: int, column: int, direct: int) -> int | None:
        storage = self.storage
        if self.filtered:
            raise FormatError("a compressed fractal heap is not supported", self.place)
        del direct
        prefix = 5 + storage.offset_size + (self.bits + 7) // 8
        head = storage.fields(address, 4)
        head.expect(b"FHIB")
        at = address + prefix + (row * self.width + column) * storage.offset_size
        return storage.fields(at, storage.offset_size).address()

    def _huge(self, fields: Fields) -> tuple[bytes, int]:
        storage = self.storage
        if fields.left >= storage.offset_size + storage.length_size:
            address, length = fields.address(), fields.size()
            if address is not None:
                return self._read(address, length)
        elif self.huge is not None:
            wanted = fields.number(min(fields.left, storage.length_size))
            for record in records(storage, self.huge, frozenset({1})):
                address, length, found = record.address(), record.size(), record.size()
                if found == wanted and address is not None:
                    return self._read(address, length)
        raise FormatError("a huge object is not where its heap says", self.place)


def global_object(storage: Storage, address: int, index: int) -> tuple[bytes, int]:
    """An object of a collection of the global heap, and the byte of the file at which it begins.

    Raises:
        FormatError: There is no such collection or object.
    """
    if address not in storage.collections:
        storage.collections[address] = _collection(storage, address)
    found = storage.collections[address].get(index)
    if found is None:
        raise FormatError(f"the global heap has no object {index}", storage.place(address))
    at, size = found
    if size > _OBJECT_LIMIT:
        raise FormatError(f"an object of {size} bytes in the global heap", storage.place(at))
    return storage.read(at, size), storage.place(at)


def _collection(storage: Storage, address: int) -> dict[int, tuple[int, int]]:
    """Where the objects of a collection lie; the first of each number counts, as in the library."""
    head = storage.fields(address, 8 + storage.length_size)
    head.expect(b"GCOL")
    head.take(4)
    end = address + head.size()
    prefix = 8 + storage.length_size
    at = address + prefix
    found: dict[int, tuple[int, int]] = {}
    while at + prefix <= end:
        fields = storage.fields(at, prefix)
        index = fields.number(2)
        fields.take(6)
        size = fields.size()
        at += prefix
        if index == 0:  # the free space at the end
            break
        if at + size > end:
            raise FormatError(f"an object of {size} bytes in the global heap", storage.place(at))
        storage.budget.spend_bytes(128)
        found.setdefault(index, (at, size))
        at += size + -size % 8
    return found
