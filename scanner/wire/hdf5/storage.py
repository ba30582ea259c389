"""Addresses of an HDF5 file: the superblock (section II), checked reads in blocks, and the local heap."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from scanner.errors import FormatError
from scanner.reader import Budget, Reader

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_BLOCK = 16 << 10
_KEPT = 256
_PLACES = (0, 512, 1024, 2048)
"""Where a signature can stand within what identification sees; user blocks are powers of two."""


def signature_at(data: bytes) -> int | None:
    """Where in the beginning of a file the superblock stands; ``None`` without one."""
    return next((at for at in _PLACES if data.startswith(SIGNATURE, at)), None)


class Fields:
    """Little-endian fields of a piece of bytes; a field that is not there is a ``FormatError``."""

    __slots__ = ("_storage", "at", "data", "place")

    def __init__(self, data: bytes, storage: Storage, place: int) -> None:
        self.data = data
        self.at = 0
        self.place = place
        """Byte of the file at which ``data`` begins, for messages."""
        self._storage = storage

    @property
    def left(self) -> int:
        """Bytes that are left."""
        return len(self.data) - self.at

    def take(self, length: int) -> bytes:
        """The next bytes.

        Raises:
            FormatError: There are not that many.
        """
        if length < 0 or length > self.left:
            raise FormatError(f"{length} bytes are declared, {self.left} are left", self.place + self.at)
        self.at += length
        return self.data[self.at - length : self.at]

    def number(self, width: int) -> int:
        """An unsigned number of ``width`` bytes."""
        return int.from_bytes(self.take(width), "little")

    def address(self) -> int | None:
        """An address; ``None`` for the undefined one, which is all ones."""
        raw = self.take(self._storage.offset_size)
        return None if raw.strip(b"\xff") == b"" else int.from_bytes(raw, "little")

    def size(self) -> int:
        """A length or an offset into a heap, of the width that the superblock sets."""
        return self.number(self._storage.length_size)

    def text(self) -> bytes:
        """Bytes up to a NUL, which is taken as well."""
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise FormatError("a name has no end", self.place + self.at)
        return self.take(end + 1 - self.at)[:-1]

    def expect(self, magic: bytes) -> None:
        """The signature of a structure.

        Raises:
            FormatError: Something else stands there.
        """
        found = self.take(len(magic))
        if found != magic:
            raise FormatError(f"{magic.decode()} is expected", self.place + self.at - len(magic))


@dataclass(slots=True)
class Storage:
    """One open file: what its superblock says, and reads by address."""

    reader: Reader
    budget: Budget
    base: int = 0
    """Byte of the file at which address 0 lies: the length of the user block."""
    end: int = 0
    """First byte behind everything that belongs to the file, counted from its beginning."""
    version: int = 0
    offset_size: int = 8
    length_size: int = 8
    root: int = 0
    """Address of the root group's object header."""
    collections: dict[int, dict[int, tuple[int, int]]] = field(default_factory=dict)
    """Of each collection of the global heap that was read: index to address and size of its objects."""
    _blocks: OrderedDict[int, bytes] = field(default_factory=OrderedDict)

    @classmethod
    def open(cls, reader: Reader, budget: Budget) -> Storage:
        """Read the superblock (section II.A).

        Raises:
            FormatError: There is none, or it is of a version that does not exist.
        """
        first = reader.read_at(0, 4096)
        at = signature_at(first)
        if at is None:
            raise FormatError("has no superblock", 0)
        storage = cls(reader, budget)
        fields = Fields(first[at + 8 : at + 8 + 160], storage, at + 8)
        storage.version = fields.number(1)
        if storage.version in {0, 1}:
            storage._old(fields)
        elif storage.version in {2, 3}:
            storage._new(fields)
        else:
            raise FormatError(f"superblock version {storage.version} does not exist", at + 8)
        return storage

    def _widths(self, fields: Fields) -> None:
        self.offset_size, self.length_size = fields.number(1), fields.number(1)
        if {self.offset_size, self.length_size} - {2, 4, 8}:
            raise FormatError("addresses are 2, 4 or 8 bytes wide", fields.place + fields.at)

    def _addresses(self, fields: Fields) -> None:
        self.base = fields.address() or 0
        fields.address()  # free space, or the superblock's extension
        self.end = fields.address() or 0

    def _old(self, fields: Fields) -> None:
        fields.take(4)
        self._widths(fields)
        fields.take(9 if self.version == 0 else 13)
        self._addresses(fields)
        fields.address()  # driver information
        fields.size()  # the root's name in a heap that it has not
        self._root(fields)

    def _new(self, fields: Fields) -> None:
        self._widths(fields)
        fields.take(1)
        self._addresses(fields)
        self._root(fields)

    def _root(self, fields: Fields) -> None:
        root = fields.address()
        if root is None:
            raise FormatError("there is no root group", fields.place + fields.at)
        self.root = root

    def place(self, address: int) -> int:
        """The byte of the file at which an address lies."""
        return self.base + address

    def read(self, address: int, length: int) -> bytes:
        """Exactly ``length`` bytes at an address.

        Raises:
            FormatError: They do not lie in the file.
            BudgetExceeded: The budget does not allow that many.
        """
        data = self.peek(address, length)
        if len(data) < length:
            raise FormatError(f"{length} bytes are declared, {len(data)} are there", self.place(address))
        return data

    def peek(self, address: int, length: int) -> bytes:
        """Up to ``length`` bytes at an address; fewer only at the end of the file."""
        start = self.place(address)
        if start > self.reader.size:
            raise FormatError("an address lies behind the end of the file", start)
        length = min(length, self.reader.size - start)
        self.budget.spend_items(1 + length // 64)
        if length > _BLOCK:
            self.budget.spend_bytes(length)
            return self.reader.read_at(start, length)
        block = start // _BLOCK
        data = self._block(block)[start % _BLOCK :]
        if len(data) < length:
            data += self._block(block + 1)
        return data[:length]

    def _block(self, index: int) -> bytes:
        if index in self._blocks:
            self._blocks.move_to_end(index)
            return self._blocks[index]
        data = self.reader.read_at(index * _BLOCK, _BLOCK)
        self._blocks[index] = data
        if len(self._blocks) > _KEPT:
            self._blocks.popitem(last=False)
        return data

    def fields(self, address: int, length: int) -> Fields:
        """The fields of exactly ``length`` bytes at an address."""
        return Fields(self.read(address, length), self, self.place(address))

    def inner(self, data: bytes, place: int) -> Fields:
        """The fields of bytes that were read already."""
        return Fields(data, self, place)


_HEAP_NAME = 4096
"""Longest name that is read from a local heap: a path has no more."""


@dataclass(frozen=True, slots=True)
class LocalHeap:
    """Names of a group (section III.D)."""

    storage: Storage
    address: int
    size: int

    @classmethod
    def open(cls, storage: Storage, address: int) -> LocalHeap:
        """Read the heap's header.

        Raises:
            FormatError: It is none.
        """
        fields = storage.fields(address, 8 + 2 * storage.length_size + storage.offset_size)
        fields.expect(b"HEAP")
        fields.take(4)
        size = fields.size()
        fields.size()
        segment = fields.address()
        if segment is None:
            raise FormatError("a heap has no data", storage.place(address))
        return cls(storage, segment, size)

    def name(self, offset: int) -> str:
        """The NUL-terminated text at an offset.

        Raises:
            FormatError: The offset lies outside, or the text has no end.
        """
        if offset >= self.size:
            raise FormatError("a name lies outside its heap", self.storage.place(self.address))
        length = min(self.size - offset, _HEAP_NAME)
        data = self.storage.peek(self.address + offset, length)
        end = data.find(b"\0")
        if end < 0:
            raise FormatError("a name has no end", self.storage.place(self.address + offset))
        return data[:end].decode("utf-8", "backslashreplace")
