"""Object headers (section IV.A): the messages of an object, with everything that continues them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from scanner.errors import FormatError
from scanner.wire.hdf5.storage import Fields, Storage

DATASPACE, LINK_INFO, DATATYPE, LINK, EXTERNAL, LAYOUT = 0x01, 0x02, 0x03, 0x06, 0x07, 0x08
PIPELINE, ATTRIBUTE, COMMENT, CONTINUATION, SYMBOL_TABLE, ATTRIBUTE_INFO = 0x0B, 0x0C, 0x0D, 0x10, 0x11, 0x15
_SHARED = 2
_BLOCKS = 10_000
_HEADER_LIMIT = 64 << 20


@dataclass(frozen=True, slots=True)
class Message:
    """One message of an object header."""

    type: int
    data: bytes
    place: int
    """Byte of the file at which the data begins."""
    shared: bool = False
    """The data is not the message but says where it is (section IV.A.2, "shared message")."""


def messages(storage: Storage, address: int) -> list[Message]:
    """Every message of the object whose header is at an address, shared ones resolved.

    Raises:
        FormatError: There is no object header, or one of its blocks lies elsewhere than in the file.
    """
    found = list(_all(storage, address))
    return [resolved(storage, message) if message.shared else message for message in found]


def _all(storage: Storage, address: int) -> Iterator[Message]:
    first = storage.read(address, 8)
    new = first[:4] == b"OHDR"
    if not new and first[0] != 1:
        raise FormatError("there is no object header", storage.place(address))
    start, length, ordered = _prefix_new(storage, address) if new else _prefix_old(storage, address)
    pending, seen = [(start, length)], {start}
    while pending:
        at, size = pending.pop()
        if size > _HEADER_LIMIT:
            raise FormatError(f"an object header of {size} bytes", storage.place(at))
        fields = storage.fields(at, size)
        if new and at != start:
            fields.expect(b"OCHK")
            fields.data = fields.data[:-4]  # its checksum
        for message in _block(fields, new=new, ordered=ordered):
            storage.budget.spend_items()
            if message.type != CONTINUATION:
                yield message
                continue
            inner = storage.inner(message.data, message.place)
            following, more = inner.address(), inner.size()
            if following is None or following in seen or len(seen) > _BLOCKS:
                raise FormatError("an object header continues in a circle", message.place)
            seen.add(following)
            pending.append((following, more))


def _prefix_old(storage: Storage, address: int) -> tuple[int, int, bool]:
    fields = storage.fields(address, 16)
    fields.take(8)
    return address + 16, fields.number(4), False


def _prefix_new(storage: Storage, address: int) -> tuple[int, int, bool]:
    fields = storage.inner(storage.peek(address, 64), storage.place(address))
    fields.expect(b"OHDR")
    if fields.number(1) != 2:
        raise FormatError("an object header of unknown version", storage.place(address))
    flags = fields.number(1)
    fields.take((16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0))
    length = fields.number(1 << (flags & 3))
    return address + fields.at, length, bool(flags & 4)


def _block(fields: Fields, *, new: bool, ordered: bool) -> Iterator[Message]:
    prefix = (6 if ordered else 4) if new else 8
    while fields.left >= prefix:
        kind, size = fields.number(1 if new else 2), fields.number(2)
        flags = fields.number(1)
        fields.take(prefix - (4 if new else 5))
        place = fields.place + fields.at
        yield Message(kind, fields.take(size), place, bool(flags & _SHARED))


def resolved(storage: Storage, message: Message) -> Message:
    """The message that a shared one stands for.

    Raises:
        FormatError: It lies in a heap of shared messages, which is not read, or is not where it is said.
    """
    fields = storage.inner(message.data, message.place)
    version, kind = fields.number(1), fields.number(1)
    if version == 1:
        fields.take(6)
    elif version not in {2, 3} or kind == 1:
        raise FormatError(
            "a message lies in a heap of shared messages, which is not supported", message.place
        )
    address = fields.address()
    if address is None:
        raise FormatError("a shared message has no address", message.place)
    for other in _all(storage, address):
        if other.type == message.type and not other.shared:
            return other
    raise FormatError("a shared message is not where it is said to be", message.place)
