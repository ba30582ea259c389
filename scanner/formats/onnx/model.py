"""What has been learnt of an ONNX model so far, and the small messages that stand everywhere in one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.errors import FormatError
from scanner.formats.onnx.rules import PAYLOAD
from scanner.inspection import Child, Note, Text
from scanner.model import Claim, Facts, Finding, Location, Region, Rule, Tensor
from scanner.wire.protobuf import LENGTH, VARINT, Field, Wire, signed

_ODD = 20
_FINDINGS = 500
_SHOWN = 200
_PAIRS = 256
_TEXT = 1 << 20
_FLOATS = frozenset({"f16", "f32", "f64", "bf16"})


@dataclass(slots=True)
class Model:
    """Everything that becomes facts, and every operator with the place of its first node."""

    wire: Wire
    version: str = ""
    tensors: list[Tensor] = field(default_factory=list)
    constants: list[Tensor] = field(default_factory=list)
    """Tensors in attributes: some exporters write the weights as nodes ``Constant``."""
    regions: list[Region] = field(default_factory=list)
    files: dict[str, None] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    metadata: list[tuple[str, str]] = field(default_factory=list)
    operators: dict[tuple[str, str], Location] = field(default_factory=dict)
    functions: set[tuple[str, str]] = field(default_factory=set)
    nodes: int = 0
    odd_fields: int = 0
    told: set[tuple[str, str]] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    def first(self, rule: Rule, evidence: str) -> bool:
        """Whether this is the first finding of its kind, and not one of too many."""
        key = (rule.id, evidence)
        if key in self.told or self.counts[rule.id] >= _FINDINGS:
            return False
        self.told.add(key)
        self.counts[rule.id] += 1
        return True

    def keep(self, tensor: Tensor, *, weight: bool) -> None:
        """One of the model's weights, or a constant of its graph."""
        self.wire.budget.spend_bytes(256 + len(tensor.name))
        (self.tensors if weight else self.constants).append(tensor)

    def take(self, region: Region) -> None:
        """Bytes of another file that the model reads as numbers."""
        self.wire.budget.spend_bytes(256)
        self.regions.append(region)
        self.files.setdefault(region.path[:_SHOWN])

    def note(self, key: str, value: str) -> None:
        """A pair that helps a person."""
        if len(self.metadata) < _PAIRS and value:
            self.metadata.append((key, value[:_SHOWN]))

    def odd(self, part: Field, what: str, where: Location) -> Iterator[Note]:
        """A field that the specification does not know: found, and opened where it has room for something."""
        length = part.end - part.start
        self.odd_fields += 1
        if self.odd_fields > _ODD:
            return
        place = where.at(part.start, length)
        message = f"{what} has a field {part.number} of {length} bytes that ONNX does not know"
        evidence = (("field", str(part.number)), ("in", what))
        yield Finding(PAYLOAD, place, message, evidence=evidence)
        if part.kind == LENGTH and length >= 16:
            yield Child(f"field {part.number} at {part.start}", self.wire.window(part))

    def pair(self, part: Field, where: Location, depth: int) -> Iterator[Note]:
        """A ``StringStringEntryProto`` of ``metadata_props``."""
        if part.end - part.start > _TEXT:
            yield Child(f"metadata at {part.start}", self.wire.window(part))
            return
        key, value = entry(self.wire, part, depth)
        yield Text(f"{key}: {value}", where.at(part.start), "metadata")
        self.note(key[:_SHOWN], value)

    def facts(self) -> Facts:
        """What is known by now."""
        pairs = (*self.metadata, ("nodes", str(self.nodes)))
        floats = (tensor for tensor in self.constants if tensor.dtype in _FLOATS)
        return Facts(
            "onnx",
            self.version,
            tuple(self.tensors or floats),
            tuple(self.claims),
            external_files=tuple(self.files),
            metadata=pairs,
            regions=tuple(self.regions),
        )


def entry(wire: Wire, span: Field, depth: int) -> tuple[str, str]:
    """Key and value of a ``StringStringEntryProto``.

    Raises:
        FormatError: It is no message, or one of them is no text.
    """
    if span.kind != LENGTH:
        raise FormatError("a number stands where a pair of texts is expected", span.start)
    pair = {1: "", 2: ""}
    for part in wire.fields(span.start, span.end, depth):
        if part.number in pair:
            pair[part.number] = wire.text(part)
    return pair[1], pair[2]


def scalar(part: Field) -> int:
    """A number that stands alone.

    Raises:
        FormatError: It is none.
    """
    if part.kind != VARINT:
        raise FormatError(f"field {part.number} is not the number that it should be", part.start)
    return signed(part.value)


def message(part: Field) -> Field:
    """The field, if it can be a message.

    Raises:
        FormatError: It is a number.
    """
    if part.kind != LENGTH:
        raise FormatError(f"field {part.number} is not the message that it should be", part.start)
    return part
