"""B-trees of version 1 and 2 (sections III.A): their leaves, in order, each node once."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.wire.hdf5.storage import Fields, Storage

_LEVELS = 32
_NODES = 1_000_000


def leaves(storage: Storage, root: int, *, kind: int, key: int) -> Iterator[tuple[bytes, int]]:
    """(key, address) of every child of the lowest level of a version 1 B-tree (III.A.1).

    ``kind`` is 0 for groups and 1 for chunks; ``key`` is the width of a key in bytes.

    Raises:
        FormatError: A node is none, leads in a circle, or does not lie in the file.
    """
    pending, seen = [root], {root}
    while pending:
        address = pending.pop()
        head = storage.fields(address, 8 + 2 * storage.offset_size)
        head.expect(b"TREE")
        if head.number(1) != kind:
            raise FormatError("a B-tree of another kind", storage.place(address))
        level, count = head.number(1), head.number(2)
        start = 8 + 2 * storage.offset_size
        fields = storage.fields(address + start, count * (key + storage.offset_size))
        below: list[int] = []
        for _ in range(count):
            name, child = fields.take(key), fields.address()
            if child is None:
                continue
            if level == 0:
                yield name, child
            elif child not in seen and len(seen) < _NODES:
                seen.add(child)
                below.append(child)
            else:
                raise FormatError("a B-tree leads in a circle", storage.place(address))
        pending += reversed(below)


def _width(limit: int) -> int:
    """Bytes that hold numbers up to a limit (H5VM_limit_enc_size)."""
    return max(limit.bit_length() - 1, 0) // 8 + 1


def records(storage: Storage, address: int, wanted: frozenset[int]) -> Iterator[Fields]:
    """Every record of a version 2 B-tree (III.A.2) whose type is one of those wanted.

    Raises:
        FormatError: A node is none, is deeper than the tree, or does not lie in the file.
    """
    head = storage.fields(address, 16 + storage.offset_size + 2 + storage.length_size)
    head.expect(b"BTHD")
    head.take(1)
    kind, node_size, record_size, depth = head.number(1), head.number(4), head.number(2), head.number(2)
    head.take(2)
    root, count = head.address(), head.number(2)
    if kind not in wanted or not record_size or depth > _LEVELS or node_size < 16:
        raise FormatError(f"a B-tree of type {kind}, depth {depth}", storage.place(address))
    if root is None:
        return
    own = _width(max((node_size - 10) // record_size, 1))
    whole = [0]  # bytes of the number of all records below a child, by depth of the child
    most = max((node_size - 10) // record_size, 1)
    for _ in range(depth):
        here = max((node_size - 10 - storage.offset_size - own - whole[-1]), 0)
        here //= record_size + storage.offset_size + own + whole[-1]
        most = (here + 1) * most + here
        whole.append(_width(max(most, 1)))
    pending, seen = [(root, count, depth)], {root}
    while pending:
        at, number, level = pending.pop()
        pointer = storage.offset_size + own + whole[level - 1] if level else 0
        length = 6 + number * record_size + (number + 1) * pointer
        if length > node_size:
            raise FormatError(f"a B-tree node of {number} records", storage.place(at))
        fields = storage.fields(at, length)
        fields.expect(b"BTIN" if level else b"BTLF")
        fields.take(2)
        for _ in range(number):
            storage.budget.spend_items()
            place = fields.place + fields.at
            yield storage.inner(fields.take(record_size), place)
        for _ in range(number + 1 if level else 0):
            child, below = fields.address(), fields.number(own)
            fields.take(whole[level - 1])
            if child is None or child in seen or len(seen) >= _NODES:
                raise FormatError("a B-tree leads in a circle", storage.place(at))
            seen.add(child)
            pending.append((child, below, level - 1))
