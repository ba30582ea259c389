"""Metadata of a TensorFlow Lite model: which buffers it is in, and what it claims."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.model import Claim, Claimed
from scanner.wire.flatbuffers import Flat, Table, Vector

# ModelMetadata of metadata_schema.fbs, slot to claim.
_CLAIMS = {
    0: Claimed.NAME,
    1: Claimed.DESCRIPTION,
    2: Claimed.VERSION,
    4: Claimed.AUTHOR,
    5: Claimed.LICENCE,
}
_SHOWN = 2000


def read_metadata(claims: list[Claim], entries: Vector, buffers: Vector) -> Iterator[tuple[str, int, Vector]]:
    """Name, number and place of every metadata buffer; what two of them claim is added to ``claims``.

    Raises:
        FormatError: A number is that of no buffer, or a buffer is broken.
    """
    flat = entries.flat
    for entry in entries.tables():
        name, number = entry.text(0), entry.number(1, 4)
        if number >= buffers.count:
            raise FormatError(f"the metadata {name[:80]!r} is in no buffer", entry.at)
        place = flat.table(flat.follow(buffers.start + 4 * number)).vector(0, 1)
        if name == "TFLITE_METADATA" and place.count >= 8:
            root = _nested(flat, place)
            for slot, what in _CLAIMS.items():
                if text := root.text(slot):
                    claims.append(Claim(what, text[:_SHOWN], name))
        elif name == "CONVERSION_METADATA" and place.count >= 8:
            environment = _nested(flat, place).table(0)
            if environment and (version := environment.text(0)):
                claims.append(Claim(Claimed.PRODUCER, f"tensorflow {version[:80]}", name))
        yield name, number, place


def _nested(flat: Flat, place: Vector) -> Table:
    return Flat(place.window(), flat.budget).root()
