"""ExecuTorch programs (``.pte``): operators, delegates, tensors, and the segments behind the FlatBuffer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from scanner.errors import BudgetExceeded, FormatError
from scanner.inspection import Child, Format, Head, Note
from scanner.model import Check, Facts, Finding, Location, Rule, Severity, Tensor
from scanner.reader import Budget, Reader, Window
from scanner.wire.flatbuffers import Flat, Table

_SPEC = "https://github.com/pytorch/executorch/blob/main/schema/program.fbs"
CUSTOM = Rule(
    id="executorch/custom-operator",
    title="The program needs operators that ExecuTorch does not bring",
    severity=Severity.MEDIUM,
    check=Check.GRAPH_CODE,
    finds="An operator outside the namespaces of PyTorch and ExecuTorch.",
    why="The application has to link native code for it, and nobody here vouches for that.",
    remedy="Ask the publisher which library it is, and judge that library.",
    example="`mylib::run.out`",
    references=("CWE-829", _SPEC),
)
DELEGATE = Rule(
    id="executorch/compiled-code",
    title="The program brings code compiled for a backend",
    severity=Severity.MEDIUM,
    check=Check.GRAPH_CODE,
    finds="A delegate whose data is a program for an accelerator or a driver.",
    why="The driver runs it as it is; it says nothing about what it computes.",
    remedy="Prefer a program without it, or lower the model yourself.",
    example="A delegate `QnnBackend`.",
    limits="XNNPACK and Vulkan describe a graph and are no finding. What a delegate is given is not read.",
    references=("CWE-829", _SPEC),
)
LAYOUT = Rule(
    id="executorch/layout",
    title="Bytes behind the program that belong to no segment",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="More than 4 KiB between or behind the segments that the program lists.",
    why="The runtime never reads them, so they can carry anything.",
    remedy="Refuse the file unless its publisher explains the bytes. They were inspected on their own.",
    example="A zip archive behind the last segment.",
    limits="What lies behind a program without an extended header is not told apart.",
    references=("CWE-506",),
)
_OWN = frozenset(
    {
        "aten",
        "quantized_decomposed",
        "dim_order_ops",
        "executorch_prim",
        "llama",
        "prim",
        "torchao",
        "quantized",
    }
)
_GRAPHS = frozenset({"XnnpackBackend", "VulkanBackend"})
_TENSOR = 5  # in the union KernelTypes
# c10::ScalarType, name and bytes of an element.
_TYPES = (
    *(("u8", 1), ("i8", 1), ("i16", 2), ("i32", 4), ("i64", 8), ("f16", 2), ("f32", 4), ("f64", 8)),
    *(("c32", 4), ("c64", 8), ("c128", 16), ("bool", 1), ("qi8", 1), ("qu8", 1), ("qi32", 4), ("bf16", 2)),
)
_PADDING = 4096
_SHOWN = 200
_FOUND = 100


def _matches(head: Head) -> bool:
    return head.data[4:6] == b"ET" and head.data[6:8].isdigit() and head.size >= 16


@dataclass(slots=True)
class _Program:
    flat: Flat
    version: str = ""
    base: int = 0
    """Where the segments begin; 0 where there are none."""
    end: int = 0
    """Where the FlatBuffer ends, as the extended header says."""
    tensors: list[Tensor] = field(default_factory=list)
    metadata: list[tuple[str, str]] = field(default_factory=list)
    operators: dict[str, int] = field(default_factory=dict)
    delegates: dict[str, int] = field(default_factory=dict)
    segments: list[tuple[int, int]] = field(default_factory=list)
    constants: list[int] = field(default_factory=list)
    """Where each constant begins; the last one ends with its segment."""

    def facts(self) -> Facts:
        used = ("operators", ", ".join(sorted(self.operators))[:2000])
        given = ("delegates", ", ".join(sorted(self.delegates))[:_SHOWN])
        pairs = tuple(pair for pair in (*self.metadata, used, given) if pair[1])
        return Facts("executorch", self.version, tuple(self.tensors), metadata=pairs)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    program = _Program(Flat(reader, budget))
    try:
        _read(program)
    except (FormatError, BudgetExceeded):
        yield from _judge(program, where)
        yield program.facts()
        raise
    yield from _judge(program, where)
    yield program.facts()
    yield from _layout(program, reader, where)


def _read(program: _Program) -> None:
    flat = program.flat
    if flat.bytes_at(8, 4) == b"eh00":
        program.end, program.base = flat.number(16, 8), flat.number(24, 8)
        if max(program.end, program.base) > flat.reader.size:
            raise FormatError("the extended header leads past the end", 16)
    root = flat.root()
    program.version = str(root.number(0, 4))
    for segment in root.vector(4).tables():
        start, size = program.base + segment.number(0, 8), segment.number(1, 8)
        if start + size > flat.reader.size:
            raise FormatError("a segment reaches past the end", segment.at)
        program.segments.append((start, size))
    _constants(program, root)
    for plan in root.vector(1).tables():
        _plan(program, plan)


def _constants(program: _Program, root: Table) -> None:
    held = root.table(5)
    if held is None or not program.segments:
        return
    number, offsets = held.number(0, 4), held.vector(1, 8).numbers(8, 1 << 20, signed=False)
    if number < len(program.segments) and offsets:
        start, size = program.segments[number]
        program.constants = [*(start + offset for offset in offsets), start + size]


def _plan(program: _Program, plan: Table) -> None:
    program.metadata.append(("method", plan.text(0)[:_SHOWN]))
    for operator in plan.vector(6).tables():
        name = ".".join(filter(None, (operator.text(0), operator.text(1))))
        program.operators.setdefault(name, operator.at)
    for delegate in plan.vector(7).tables():
        program.delegates.setdefault(delegate.text(0), delegate.at)
    for value in plan.vector(2).tables():
        tensor = value.table(1) if value.number(0, 1) == _TENSOR else None
        if tensor is not None and tensor.number(5, 4):
            _tensor(program, tensor)


def _tensor(program: _Program, tensor: Table) -> None:
    """A tensor that has its numbers in the file."""
    program.flat.budget.spend_bytes(256)
    kind, number, extra = tensor.number(0, 1), tensor.number(5, 4), tensor.table(9)
    shape = tuple(max(extent, 0) for extent in tensor.vector(2).numbers(4, 64))
    dtype, width = _TYPES[kind] if kind < len(_TYPES) else (f"type {kind}", 0)
    name = extra.text(1) if extra else ""
    told = Tensor(name or f"constant {number}", dtype, shape)
    if number + 1 < len(program.constants):
        told = Tensor(told.name, dtype, shape, program.constants[number], told.elements * width)
    if told not in program.tensors[-1:]:
        program.tensors.append(told)


def _judge(program: _Program, where: Location) -> Iterator[Note]:
    custom = [name for name in program.operators if name.partition("::")[0] not in _OWN]
    for name in custom[:_FOUND]:
        shown = ascii(name[:120])[1:-1]
        message = f"needs the operator {shown}, which ExecuTorch does not bring"
        place = where.at(program.operators[name])
        yield Finding(CUSTOM, place, message, evidence=(("operator", shown),))
    for name in [name for name in program.delegates if name not in _GRAPHS][:_FOUND]:
        shown = ascii(name[:120])[1:-1]
        message = f"brings a program for the backend {shown}"
        place = where.at(program.delegates[name])
        yield Finding(DELEGATE, place, message, evidence=(("delegate", shown),))


def _layout(program: _Program, reader: Reader, where: Location) -> Iterator[Note]:
    if not program.end:
        return
    ends = sorted((start, start + size) for start, size in program.segments)
    spans = [(0, program.end), *ends, (reader.size, reader.size)]
    for (_, end), (start, _) in pairwise(spans):
        if start - end > _PADDING:
            message = f"{start - end} bytes belong to no segment"
            yield Finding(LAYOUT, where.at(end, start - end), message, evidence=(("at", str(end)),))
            yield Child(f"bytes at {end}", Window(reader, end, start - end))


FORMAT = Format(
    name="executorch",
    title="ExecuTorch program",
    matches=_matches,
    inspect=_inspect,
    rules=(CUSTOM, DELEGATE, LAYOUT),
    suffixes=(".pte",),
    spec=_SPEC,
)
