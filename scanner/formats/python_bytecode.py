"""Compiled Python (``.pyc``): recognised, with how far Python would trust it; never unmarshalled."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.inspection import Format, Head, Note
from scanner.model import Check, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader

PRESENT = Rule(
    id="python-bytecode/present",
    title="The artefact brings compiled Python",
    severity=Severity.MEDIUM,
    check=Check.EXECUTABLE,
    finds="Byte code of Python (`.pyc`).",
    why="An import runs it, and nobody can read it: it need not be what the source beside it says.",
    remedy="Delete `__pycache__`; Python compiles the source again.",
    example="`__pycache__/model.cpython-311.pyc`",
    limits="Byte code is recognised, not judged.",
    references=("CWE-829", "PEP 3147"),
)
UNCHECKED = Rule(
    id="python-bytecode/unchecked",
    title="Compiled Python that replaces its source unchecked",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="Byte code whose flags tell Python to run it without comparing it with its source.",
    why="Whoever reviews the source and imports it runs the byte code instead, whatever that is.",
    remedy="Delete the file. Build systems write such files, publishers of models have no use for them.",
    example="`py_compile.compile(…, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)`",
    references=("PEP 552", "CWE-345"),
)

# Lib/importlib/_bootstrap_external.py: magic numbers of 3.0 to 3.7 alphas, of later versions, of 2.x.
_OLD, _NEW = range(3000, 3390), range(3390, 4000)
_PYTHON_2 = range(50823, 62300)
_CODE = frozenset({0x63, 0xE3})  # a code object in marshal, with and without a reference


def _layout(data: bytes) -> tuple[str, int]:
    """Which Python and how long the header is; 0 where this is no byte code."""
    magic = int.from_bytes(data[:2], "little")
    if magic in _NEW:
        return f"3 (magic {magic})", 16
    for numbers, name, lengths in ((_OLD, "3", (8, 12, 16)), (_PYTHON_2, "2", (8,))):
        if magic in numbers:
            found = next((n for n in lengths if data[n : n + 1] and data[n] in _CODE), 0)
            return f"{name} (magic {magic})", found
    return "", 0


def _matches(head: Head) -> bool:
    data = head.data
    if data[2:4] != b"\r\n" or len(data) < 9:
        return False
    length = _layout(data)[1]
    return 0 < length < len(data) and data[length] in _CODE


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    del budget
    data = reader.read_at(0, 20)
    version, length = _layout(data)
    yield Finding(PRESENT, where, f"is compiled Python {version}", evidence=(("version", version),))
    # PEP 552: bit 0 says that a hash takes the place of the time, bit 1 that it has to be checked.
    if length == 16 and int.from_bytes(data[4:8], "little") & 3 == 1:
        yield Finding(UNCHECKED, where.at(4), "runs in place of its source, which Python does not compare")
    yield Facts("python-bytecode", version)


FORMAT = Format(
    name="python-bytecode",
    title="compiled Python",
    matches=_matches,
    inspect=_inspect,
    rules=(PRESENT, UNCHECKED),
    suffixes=(".pyc", ".pyo"),
    spec="PEP 552",
)
