"""PE: native programs and libraries of Windows; headers and import names, never code."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note
from scanner.model import Check, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Cursor, Reader
from scanner.wire.c_string import c_string

PRESENT = Rule(
    id="pe/present",
    title="The artefact brings native code (PE)",
    severity=Severity.MEDIUM,
    check=Check.EXECUTABLE,
    finds="A Windows program, driver or library (EXE, DLL, SYS, PYD).",
    why="Weights need no native code. No loader of weights runs it by itself, but Windows looks for "
    "libraries in the current folder first, and whatever opens the file runs it with all rights of its user.",
    remedy="Use the artefact without the file, or build the library yourself from its source.",
    example="`cudart64.dll` beside the weights.",
    limits="Headers and the names of imported libraries are read; machine code is not.",
    references=("CWE-829", "CWE-427", "https://learn.microsoft.com/windows/win32/debug/pe-format"),
)

_MACHINES = {0x14C: "x86", 0x1C0: "arm", 0x1C4: "arm", 0x8664: "x86-64", 0xAA64: "aarch64", 0xEBC: "efi"}
_DLL = 0x2000
_NATIVE = 1  # subsystem of drivers
_IMPORTS, _DOTNET = 1, 14  # data directories
_SECTIONS = 96  # the Windows loader's own limit
_LIBRARIES = 256


def _matches(head: Head) -> bool:
    data = head.data
    if not data.startswith(b"MZ") or len(data) < 64:
        return False
    at = int.from_bytes(data[60:64], "little")
    if at + 4 <= len(data):
        return data[at : at + 4] == b"PE\0\0"
    return at + 24 <= head.size


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    at = int.from_bytes(reader.read_at(60, 4), "little")
    cursor = Cursor(reader, budget, at)
    if cursor.read(4) != b"PE\0\0":
        raise FormatError("there is no PE header where the file says", at)
    machine, sections, _, _, _, width, flags = struct.unpack("<HHIIIHH", cursor.read(20))
    made_for = _MACHINES.get(machine, f"machine {machine:#x}")
    what = "library" if flags & _DLL else "executable"
    evidence = (("type", what), ("architecture", made_for))
    yield Finding(PRESENT, where, f"is native code: Windows {what} for {made_for}", evidence=evidence)
    optional = cursor.read(width)
    if width == 0:
        raise FormatError("there is no optional header, which every program has", cursor.position)
    magic = int.from_bytes(optional[:2], "little")
    if magic not in {0x10B, 0x20B} or sections > _SECTIONS:
        raise FormatError(f"an optional header of type {magic:#x}, {sections} sections", at + 24)
    subsystem = int.from_bytes(optional[68:70], "little")
    directories = _directories(optional, wide=magic == 0x20B)
    table = [struct.unpack("<8sIIII16x", cursor.read(40)) for _ in range(sections)]
    for _, _, _, length, start in table:
        if start + length > reader.size:
            raise FormatError("a section reaches past the end of the file", at)
    libraries = _imports(reader, budget, table, directories.get(_IMPORTS, 0))
    facts = {
        "type": "driver" if subsystem == _NATIVE else what,
        "architecture": made_for,
        "bits": "64" if magic == 0x20B else "32",
        "libraries": ", ".join(libraries),
        "runtime": ".NET" if directories.get(_DOTNET) else "",
    }
    yield Facts("pe", metadata=tuple((name, value) for name, value in facts.items() if value))


def _directories(optional: bytes, *, wide: bool) -> dict[int, int]:
    """Number to relative address of the data directories that are there."""
    start = 112 if wide else 96
    count = int.from_bytes(optional[start - 4 : start], "little")
    raw = optional[start : start + 8 * min(count, 16)]
    return {
        index: address
        for index, (address, size) in enumerate(struct.iter_unpack("<II", raw[: len(raw) // 8 * 8]))
        if size
    }


def _imports(
    reader: Reader, budget: Budget, table: list[tuple[bytes, int, int, int, int]], address: int
) -> list[str]:
    def place(relative: int) -> int | None:
        for _, _, base, length, start in table:
            if base <= relative < base + length:
                return start + relative - base
        return None

    libraries: list[str] = []
    at = place(address) if address else None
    while at is not None and len(libraries) < _LIBRARIES:
        budget.spend_items()
        name = int.from_bytes(reader.read_at(at, 20)[12:16], "little")  # import descriptor, Name
        where = place(name) if name else None
        if where is None:
            break
        libraries.append(c_string(reader, where))
        at += 20
    return libraries


FORMAT = Format(
    name="pe",
    title="native code (PE)",
    matches=_matches,
    inspect=_inspect,
    rules=(PRESENT,),
    suffixes=(".exe", ".dll", ".pyd", ".sys"),
    spec="https://learn.microsoft.com/windows/win32/debug/pe-format",
)
