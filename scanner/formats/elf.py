"""ELF: native programs and libraries of Linux and its kin, and GPU code; headers, never code."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note
from scanner.model import Check, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Cursor, Reader
from scanner.wire.c_string import c_string

PRESENT = Rule(
    id="elf/present",
    title="The artefact brings native code (ELF)",
    severity=Severity.MEDIUM,
    check=Check.EXECUTABLE,
    finds="A program, a shared library, an object file or GPU code in the ELF format.",
    why="Weights need no native code. No loader of weights runs it by itself, but whatever is told to open "
    "it (a plug-in setting, an import, a curious user) runs it with all rights of that user, and its code "
    "was not judged.",
    remedy="Use the artefact without the file, or build the library yourself from its source.",
    example="`libcustom_ops.so` beside the weights.",
    limits="Headers and the names of needed libraries are read; machine code is not.",
    references=("CWE-829", "https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html"),
)

_TYPES = {1: "object file", 2: "executable", 3: "shared object", 4: "core dump"}
_MACHINES = {
    2: "sparc",
    3: "x86",
    8: "mips",
    20: "powerpc",
    21: "powerpc64",
    22: "s390",
    40: "arm",
    62: "x86-64",
    183: "aarch64",
    190: "cuda",
    224: "amdgpu",
    243: "riscv",
    247: "bpf",
    258: "loongarch",
}
_LOAD, _DYNAMIC, _INTERPRETER = 1, 2, 3
_NULL, _NEEDED, _STRINGS, _RPATH, _RUNPATH = 0, 1, 5, 15, 29
_LIBRARIES = 128
_DYNAMIC_LIMIT = 1 << 20


def _matches(head: Head) -> bool:
    return head.data.startswith(b"\x7fELF")


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    length: int


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    cursor = Cursor(reader, budget)
    ident = cursor.read(16)
    wide, order = ident[4] == 2, ">" if ident[5] == 2 else "<"
    if ident[4] not in {1, 2} or ident[5] not in {1, 2}:
        yield Finding(PRESENT, where, "has the magic number of native code (ELF)")
        raise FormatError("neither 32 nor 64 bit, or of no byte order", 4)
    code = order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH")
    raw = cursor.read(struct.calcsize(code))
    kind, machine, _, _, table, _, _, _, width, count = struct.unpack(code, raw)[:10]
    # Position-independent executables have the type of a shared object; they name an interpreter.
    what, made_for = _TYPES.get(kind, f"type {kind}"), _MACHINES.get(machine, f"machine {machine}")
    evidence = (("type", what), ("architecture", made_for))
    yield Finding(PRESENT, where, f"is native code: {what} for {made_for}", evidence=evidence)
    segments = _segments(reader, budget, table, (order, wide, width, count))
    libraries, paths = _needed(reader, budget, segments, order, wide=wide)
    facts = {
        "type": "executable" if any(s.kind == _INTERPRETER for s in segments) else what,
        "architecture": made_for,
        "bits": "64" if wide else "32",
        "libraries": ", ".join(libraries),
        "library paths": ", ".join(paths),
    }
    yield Facts("elf", metadata=tuple((name, value) for name, value in facts.items() if value))


def _segments(
    reader: Reader, budget: Budget, table: int, layout: tuple[str, bool, int, int]
) -> list[_Segment]:
    order, wide, width, count = layout
    code = order + ("IIQQQQQQ" if wide else "IIIIIIII")
    if count and width != struct.calcsize(code):
        raise FormatError(f"program headers of {width} bytes", table)
    budget.spend_items(count)
    raw = Cursor(reader, budget, table).read(width * count)
    segments = []
    for values in struct.iter_unpack(code, raw):
        # 64 bit: type, flags, offset, address, …; 32 bit: type, offset, address, …
        kind, offset, address, length = (
            (values[0], values[2], values[3], values[5])
            if wide
            else (values[0], values[1], values[2], values[4])
        )
        if offset + length > reader.size and kind == _LOAD:
            raise FormatError("a segment reaches past the end of the file", table)
        segments.append(_Segment(kind, offset, address, length))
    return segments


def _needed(
    reader: Reader, budget: Budget, segments: list[_Segment], order: str, *, wide: bool
) -> tuple[list[str], list[str]]:
    """Names of needed libraries and where they are searched."""
    dynamic = next((s for s in segments if s.kind == _DYNAMIC), None)
    if dynamic is None:
        return [], []
    code = order + ("QQ" if wide else "II")
    size = struct.calcsize(code)
    length = min(dynamic.length, _DYNAMIC_LIMIT) // size * size
    budget.spend_items(length // size)
    raw = Cursor(reader, budget, dynamic.offset).read(length)
    entries: list[tuple[int, int]] = []
    for tag, value in struct.iter_unpack(code, raw):
        if tag == _NULL:
            break
        entries.append((tag, value))
    strings = next((value for tag, value in entries if tag == _STRINGS), None)
    home = next(
        (
            s
            for s in segments
            if s.kind == _LOAD and strings is not None and 0 <= strings - s.address < s.length
        ),
        None,
    )
    if home is None or strings is None:
        return [], []
    start = home.offset + strings - home.address
    named = [(tag, c_string(reader, start + value)) for tag, value in entries if tag in _NAMES][:_LIBRARIES]
    return [n for tag, n in named if tag == _NEEDED], [n for tag, n in named if tag != _NEEDED]


_NAMES = frozenset({_NEEDED, _RPATH, _RUNPATH})

FORMAT = Format(
    name="elf",
    title="native code (ELF)",
    matches=_matches,
    inspect=_inspect,
    rules=(PRESENT,),
    suffixes=(".so", ".elf", ".cubin", ".ko"),
    spec="https://refspecs.linuxfoundation.org/elf/gabi4+/contents.html",
)
