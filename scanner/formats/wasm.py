"""WebAssembly: modules and components; their sections and what they import, never their code."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note
from scanner.model import Check, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Cursor, Reader

PRESENT = Rule(
    id="wasm/present",
    title="The artefact brings WebAssembly code",
    severity=Severity.MEDIUM,
    check=Check.EXECUTABLE,
    finds="A WebAssembly module or component.",
    why="Weights need no code. No loader of weights runs it by itself, but a web page or runtime that opens "
    "it does, with whatever its host lets it import.",
    remedy="Use the artefact without the file, or build the module yourself from its source.",
    example="`ort-wasm-simd.wasm` beside an ONNX model.",
    limits="Sections and imports are read; code is not.",
    references=("CWE-829", "https://webassembly.github.io/spec/core/binary/modules.html"),
)

_MODULE, _COMPONENT = b"\x01\0\0\0", b"\x0d\0\x01\0"
_IMPORT = 2
_SHOWN = 64


def _matches(head: Head) -> bool:
    return head.data.startswith(b"\0asm")


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    cursor = Cursor(reader, budget, 4)
    kind = {_MODULE: "module", _COMPONENT: "component"}.get(cursor.read(4), "")
    message = f"is WebAssembly code ({kind or 'of an unknown version'})"
    yield Finding(PRESENT, where, message, evidence=(("type", kind),))
    if not kind:
        raise FormatError("the version is not known", 4)
    modules: dict[str, None] = {}
    while cursor.left:
        budget.spend_items()
        section = cursor.u8()
        length = _leb(cursor)
        end = cursor.position + length
        if section == _IMPORT and kind == "module":
            for name in _imports(cursor, budget):
                modules.setdefault(name)
            if cursor.position != end:
                raise FormatError("the import section has another length than it says", cursor.position)
        else:
            cursor.skip(length)
    facts = {"type": kind, "imports": ", ".join(list(modules)[:_SHOWN])}
    yield Facts("wasm", metadata=tuple((name, value) for name, value in facts.items() if value))


def _imports(cursor: Cursor, budget: Budget) -> Iterator[str]:
    """Names of the modules that are imported from (core specification 5.5.5)."""
    for _ in range(_leb(cursor)):
        budget.spend_items()
        module = cursor.read(_leb(cursor))
        cursor.skip(_leb(cursor))
        match cursor.u8():
            case 0:  # a function: its type
                _leb(cursor)
            case 1:  # a table: the type of its items, its limits
                cursor.skip(1)
                _limits(cursor)
            case 2:  # a memory
                _limits(cursor)
            case 3:  # a global: its type, whether it changes
                cursor.skip(2)
            case 4:  # a tag: attribute and type
                cursor.skip(1)
                _leb(cursor)
            case other:
                raise FormatError(f"an import has the unknown kind {other}", cursor.position - 1)
        yield module.decode("utf-8", "backslashreplace")


def _limits(cursor: Cursor) -> None:
    flags = cursor.u8()
    _leb(cursor)
    if flags & 1:
        _leb(cursor)


def _leb(cursor: Cursor) -> int:
    """An unsigned LEB128 number of at most 64 bits."""
    value = 0
    for shift in range(0, 70, 7):
        byte = cursor.u8()
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    raise FormatError("a number has more than ten bytes", cursor.position)


FORMAT = Format(
    name="wasm",
    title="WebAssembly",
    matches=_matches,
    inspect=_inspect,
    rules=(PRESENT,),
    suffixes=(".wasm",),
    spec="https://webassembly.github.io/spec/core/binary/modules.html",
)
