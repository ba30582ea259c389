"""Mach-O: native programs and libraries of macOS and iOS, single or for several processors."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Child, Format, Head, Note
from scanner.model import Check, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Cursor, Reader, Window

PRESENT = Rule(
    id="macho/present",
    title="The artefact brings native code (Mach-O)",
    severity=Severity.MEDIUM,
    check=Check.EXECUTABLE,
    finds="A program, a library or an object file of macOS or iOS.",
    why="Weights need no native code. No loader of weights runs it by itself, but whatever is told to open "
    "it (a plug-in setting, an import, a curious user) runs it with all rights of that user, and its code "
    "was not judged.",
    remedy="Use the artefact without the file, or build the library yourself from its source.",
    example="`libcustom_ops.dylib` beside the weights.",
    limits="Headers and the names of needed libraries are read; machine code is not.",
    references=("CWE-829", "https://developer.apple.com/documentation/kernel/mach_header"),
)

_MAGIC = {  # byte order and width
    b"\xfe\xed\xfa\xce": (">", 32),
    b"\xce\xfa\xed\xfe": ("<", 32),
    b"\xfe\xed\xfa\xcf": (">", 64),
    b"\xcf\xfa\xed\xfe": ("<", 64),
}
_FAT, _FAT64 = b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"
_PROCESSORS = {7: "x86", 12: "arm", 18: "powerpc", 0x1000007: "x86-64", 0x100000C: "aarch64"}
_TYPES = {
    1: "object file",
    2: "executable",
    4: "core dump",
    6: "shared library",
    8: "bundle",
    10: "debug symbols",
    11: "kernel extension",
}
_DYLIBS = frozenset({0xC, 0x20, 0x80000018, 0x8000001F, 0x80000023})  # LC_LOAD_DYLIB and its variants
_COMMANDS = 10_000
_SLICES = 42  # class files of Java begin with the same four bytes, then their version: 45 and more
_LIBRARIES = 128


def _matches(head: Head) -> bool:
    magic = head.data[:4]
    if magic in _MAGIC:
        return True
    return magic in {_FAT, _FAT64} and 1 <= int.from_bytes(head.data[4:8], "big") <= _SLICES


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    magic = reader.read_at(0, 4)
    if magic in _MAGIC:
        yield from _single(reader, budget, where)
        return
    wide = magic == _FAT64
    cursor = Cursor(reader, budget, 4)
    count = cursor.u32(big=True)
    message = f"is native code for {count} processors (Mach-O)"
    yield Finding(PRESENT, where, message, evidence=(("type", "universal"),))
    code = ">IIQQII" if wide else ">IIIII"
    budget.spend_items(count)
    slices = [struct.unpack(code, cursor.read(struct.calcsize(code))) for _ in range(count)]
    end = cursor.position
    for processor, _, offset, length, *_ in sorted(slices, key=lambda values: values[2:4]):
        if offset < end:  # slices that share bytes, or contain themselves, are no work of a linker
            raise FormatError("two slices overlap", offset)
        end = offset + length
        yield Child(_PROCESSORS.get(processor, f"processor {processor:#x}"), Window(reader, offset, length))
    yield Facts("macho", metadata=(("type", "universal"), ("processors", str(count))))


def _single(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    cursor = Cursor(reader, budget)
    order, bits = _MAGIC[cursor.read(4)]
    processor, _, kind, count, length, _ = struct.unpack(order + "6I", cursor.read(24))
    what = _TYPES.get(kind, f"type {kind}")
    made_for = _PROCESSORS.get(processor, f"processor {processor:#x}")
    evidence = (("type", what), ("architecture", made_for))
    yield Finding(PRESENT, where, f"is native code: {what} for {made_for} (Mach-O)", evidence=evidence)
    cursor.skip(4 if bits == 64 else 0)
    commands = cursor.read(length)
    if count > _COMMANDS:
        raise FormatError(f"{count} load commands are declared", 16)
    budget.spend_items(count)
    libraries = list(_libraries(commands, count, order, cursor.position - length))
    facts = {
        "type": what,
        "architecture": made_for,
        "bits": str(bits),
        "libraries": ", ".join(libraries[:_LIBRARIES]),
    }
    yield Facts("macho", metadata=tuple((name, value) for name, value in facts.items() if value))


def _libraries(commands: bytes, count: int, order: str, base: int) -> Iterator[str]:
    at = 0
    for _ in range(count):
        if at + 8 > len(commands):
            raise FormatError("the load commands end early", base + at)
        kind, size = struct.unpack_from(order + "II", commands, at)
        if size < 8 or at + size > len(commands):
            raise FormatError("a load command is longer than its table", base + at)
        if kind in _DYLIBS and size >= 24:
            name = struct.unpack_from(order + "I", commands, at + 8)[0]
            text = commands[at + name : at + size].partition(b"\0")[0] if 24 <= name < size else b""
            yield text.decode("utf-8", "backslashreplace")
        at += size


FORMAT = Format(
    name="macho",
    title="native code (Mach-O)",
    matches=_matches,
    inspect=_inspect,
    rules=(PRESENT,),
    suffixes=(".dylib", ".so"),
    spec="https://developer.apple.com/documentation/kernel/mach_header",
)
