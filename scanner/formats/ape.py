"""Actually Portable Executables, llamafile among them: programs for several systems."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.inspection import Format, Head, Note
from scanner.model import Check, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader

PRESENT = Rule(
    id="ape/present",
    title="The artefact is a program for several systems",
    severity=Severity.MEDIUM,
    check=Check.EXECUTABLE,
    finds="A file that begins as an Actually Portable Executable: one that Windows, Linux, macOS and the "
    "BSDs run.",
    why="Weights that come as a program are run, not loaded: whoever starts it trusts its author with the "
    "machine.",
    remedy="Take the weights (a member of the zip archive) out of it and load them with your own program.",
    example="Any llamafile.",
    limits="Machine code and the script in its head are not judged; the archive behind them is.",
    references=("https://justine.lol/ape.html", "CWE-506"),
)
MAGICS = (b"MZqFpD='", b"jartsr='", b"APEDBG='")


def _matches(head: Head) -> bool:
    return head.data.startswith(MAGICS)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    del budget
    magic = reader.read_at(0, 6).decode("ascii", "replace")
    yield Finding(PRESENT, where, "is a program for several systems", evidence=(("magic", magic),))
    yield Facts("ape", metadata=(("magic", magic),))


FORMAT = Format(
    name="ape",
    title="Actually Portable Executable",
    matches=_matches,
    inspect=_inspect,
    rules=(PRESENT,),
    suffixes=(".llamafile",),
    within=("pe",),
    spec="https://github.com/jart/cosmopolitan/blob/master/ape/specification.md",
)
