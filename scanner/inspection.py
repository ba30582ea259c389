"""The contract of a format: what it is asked, what it may answer.

``inspect`` is a generator of notes. What it has yielded before an error is kept, so a payload in
front of a malformed byte is reported together with the malformation (docs/adr/0003).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from scanner.errors import BudgetExceeded, FormatError, ReadFailed
from scanner.model import Coverage, Facts, Finding, Gap, Location, Rule
from scanner.reader import Budget, Reader

HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Head:
    """What ``matches`` may look at."""

    data: bytes
    """The first 4 KiB."""
    size: int
    name: str
    """Last component of the path, in lower case."""
    tail: bytes = b""
    """The last bytes (up to 4 KiB, more where they were at hand)."""
    members: tuple[str, ...] = ()
    """Member names of the central directory, where the bytes end as a zip archive."""

    @property
    def suffix(self) -> str:
        """``.bin`` of ``pytorch_model.bin``; empty without one."""
        stem, dot, ending = self.name.rpartition(".")
        return dot + ending if stem else ""


@dataclass(frozen=True, slots=True)
class Child:
    """Something nested that has to be looked at as an artefact of its own."""

    name: str
    """Member name; it becomes the next element of ``Location.members``."""
    reader: Reader
    """The member's bytes as they are stored (still compressed if ``codec`` is set)."""
    codec: str = ""
    """How to expand them: ``deflate``, ``zlib``, ``gzip``, ``bzip2``, ``xz``, ``lzma``, ``lz4``, ``zstd``."""
    size: int | None = None
    """Expanded size, where the container declares it: more than that is an error."""
    read_as: str = ""
    """Name of the format that the loader will use whatever the bytes look like; empty: identify."""
    crc: int | None = None
    """CRC-32 of the expanded bytes, where the container declares it."""
    left_to: str = ""
    """Name of a refinement that looks at this member itself where it matches the same container, such as
    ``pytorch-zip`` at raw storages (docs/adr/0006). The member is opened where it does not."""


@dataclass(frozen=True, slots=True)
class Text:
    """Text worth reading for secrets and hidden instructions."""

    text: str
    location: Location
    """``line`` (or ``offset``) of its first character, if known."""
    kind: str = "text"
    """``text``, ``code``, ``template``, ``metadata``, ``string``."""


@dataclass(frozen=True, slots=True)
class Read:
    """How far the file was read; the last one yielded counts. Without one: structure."""

    coverage: Coverage


Note = Finding | Gap | Child | Text | Facts | Read
Inspect = Callable[[Reader, Budget, Location], Iterator[Note]]


@dataclass(frozen=True, slots=True)
class Format:
    """One module's knowledge of one format."""

    name: str
    """``safetensors``, ``pytorch-zip`` …; the module name with hyphens."""
    matches: Callable[[Head], bool]
    """By content. Cheap, total: never raises, under 20 µs where it does not match."""
    inspect: Inspect
    """Pure generator over (reader, budget, location of byte 0). May raise only ``FormatError``,
    ``BudgetExceeded`` and what the reader raises."""
    suspects: Callable[[Head], bool] | None = None
    """Whether these may be its bytes though the head cannot tell: then ``inspect`` decides. They are not
    where it raises ``FormatError`` before it has noted any ``Facts``."""
    rules: tuple[Rule, ...] = ()
    suffixes: tuple[str, ...] = ()
    """File name endings under which people expect this format."""
    within: tuple[str, ...] = ()
    """Formats that legitimately match the same bytes (a PyTorch zip is ``within=("zip",)``)."""
    title: str = ""
    """For people: ``PyTorch zip checkpoint``."""
    spec: str = ""
    """Where the grammar is written down."""


@dataclass(slots=True)
class Inspection:
    """Everything that one format noted about one reader."""

    facts: list[Facts]
    findings: list[Finding]
    gaps: list[Gap]
    children: list[Child]
    texts: list[Text]
    coverage: Coverage = Coverage.STRUCTURE
    malformed: bool = False
    """Whether ``FormatError`` ended it."""

    @property
    def recognised(self) -> bool:
        """Whether these bytes turned out to be of the format."""
        return bool(self.facts) or not self.malformed


def run(fmt: Format, reader: Reader, budget: Budget, where: Location) -> Inspection:
    """Inspect and collect; the one place where a parser's errors become gaps."""
    result = Inspection([], [], [], [], [])
    sinks: dict[type, Callable[[Any], object]] = {
        Finding: result.findings.append,
        Gap: result.gaps.append,
        Child: result.children.append,
        Text: result.texts.append,
        Facts: result.facts.append,
    }
    try:
        for note in fmt.inspect(reader, budget, where):
            if isinstance(note, Read):
                result.coverage = note.coverage
            else:
                sinks[type(note)](note)
    except FormatError as error:
        place = where.at(error.offset)
        result.malformed = True
        result.gaps.append(Gap(place, f"malformed {fmt.title or fmt.name}: {error.reason}"))
        result.coverage = Coverage.NONE
    except BudgetExceeded as error:
        result.gaps.append(Gap(where, f"{fmt.title or fmt.name}: {error}"))
        result.coverage = Coverage.NONE
    except ReadFailed as error:
        result.gaps.append(Gap(where, str(error)))
        result.coverage = Coverage.NONE
    return result
