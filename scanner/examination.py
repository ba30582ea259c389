"""One file, start to finish, inside a worker: identify, inspect, follow what is nested, read texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from scanner.errors import BudgetExceeded, FormatError, ReadFailed
from scanner.exposure import expose
from scanner.formats import all_formats, by_name, identify, suspected
from scanner.formats.expansion import judge_expansion, judge_sum
from scanner.formats.identity import judge_name, read_head
from scanner.inspection import Child, Format, Inspection, Note, run
from scanner.model import Coverage, Digest, Facts, FileResult, Finding, Gap, Location
from scanner.reader import WHOLE, Budget, FileReader, Limits, Opener, Reader
from scanner.trust.digests import Passing, hash_reader
from scanner.wire.checksum import Summed
from scanner.wire.compression import expanded

_ORDER = (Coverage.NONE, Coverage.SAMPLED, Coverage.STRUCTURE, Coverage.WHOLE)


@dataclass(frozen=True, slots=True)
class Assignment:
    """One file for a worker."""

    path: str
    opener: Opener
    limits: Limits
    hashes: tuple[str, ...] = ()
    """Algorithms to compute here; large local files are hashed elsewhere, beside the inspection."""


def examine(job: Assignment) -> FileResult:
    """Inspect one file. Never raises for what the file contains or for how it fails to be read."""
    result = FileResult(job.path, 0)
    try:
        with job.opener.open() as reader:
            result = _weigh(job, reader)
    except ReadFailed as error:
        # What was found before the bytes gave out, or before they turned out to have changed, stays.
        gap = Gap(Location(job.path), str(error))
        return replace(result, gaps=tuple(dict.fromkeys((*result.gaps, gap))), coverage=Coverage.NONE)
    return result


def _weigh(job: Assignment, reader: Reader) -> FileResult:
    """Inspect, and hash where that costs no download: on disk, or what is fetched whole anyway."""
    walk = _Walk(job.limits)
    if reader.size <= WHOLE or isinstance(reader, FileReader):
        digests: tuple[Digest, ...] = hash_reader(reader, job.hashes) if job.hashes else ()
        return replace(walk.walk(reader, job.path), digests=digests)
    passing = Passing(reader, job.hashes)
    return replace(walk.walk(passing, job.path), digests=passing.digests())


class _Walk:
    """The worklist of one file: the file itself, then everything nested, on one budget."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._budget = Budget(limits.bytes, limits.items, limits.depth)
        self._findings: dict[str, Finding] = {}
        self._gaps: dict[Gap, None] = {}
        self._facts: dict[tuple[Location, Facts], None] = {}
        self._children = 0
        self._nested: set[str] = set()

    def walk(self, reader: Reader, path: str) -> FileResult:
        """Look at the whole file."""
        formats, coverage = self._look(reader, path, Location(path))
        return FileResult(
            path,
            reader.size,
            tuple(fmt.name for fmt in formats),
            coverage,
            findings=tuple(self._findings.values()),
            gaps=tuple(self._gaps),
            facts=tuple(self._facts),
            nested=tuple(sorted(self._nested)),
        )

    def _open(self, child: Child, place: Location) -> None:
        try:
            self._budget.check_depth(len(place.members))
            if not child.codec:
                stored = Summed(child.reader) if child.crc is not None else None
                self._look(stored or child.reader, child.name, place, child.read_as)
                self._note(judge_sum(child, stored.crc() if stored else None, place), place)
                return
            with expanded(child.reader, child.codec, self._budget, child.size) as content:
                self._look(content, child.name, place, child.read_as)
                self._note(judge_expansion(child, content, place), place)
        except (FormatError, BudgetExceeded, ReadFailed) as error:
            self._gap(Gap(place, str(error)))

    def _look(
        self, reader: Reader, name: str, where: Location, read_as: str = ""
    ) -> tuple[tuple[Format, ...], Coverage]:
        """Read one thing as every format that it is, then what is nested in it, depth first."""
        head = read_head(reader, name)
        formats = identify(head)
        unsure = (fmt for fmt in suspected(head) if fmt not in formats)
        tried = {fmt: run(fmt, reader, self._budget, where) for fmt in unsure}
        formats += tuple(fmt for fmt, seen in tried.items() if seen.recognised)
        for finding in judge_name(head, formats, all_formats(), where) if not read_as else ():
            self._findings.setdefault(finding.fingerprint, finding)
        if read_as in by_name() and read_as not in {fmt.name for fmt in formats}:
            formats = (by_name()[read_as], *formats)
        if not formats:
            self._gap(Gap(where, _unknown(head.suffix)))
            return (), Coverage.NONE
        if where.members:
            self._nested |= {fmt.name for fmt in formats}
        inspections = [tried.get(fmt) or run(fmt, reader, self._budget, where) for fmt in formats]
        for inspection in inspections:
            self._take(inspection, where)
        names = {fmt.name for fmt in formats}
        nested = [c for i in inspections for c in i.children if c.left_to not in names]
        for child in self._bounded(nested, where):
            self._open(child, where.inside(child.name))
        return formats, min((i.coverage for i in inspections), key=_ORDER.index)

    def _note(self, notes: Iterable[Note], where: Location) -> None:
        """Keep what was noted about an expansion; look at what it hid."""
        for note in notes:
            if isinstance(note, Finding):
                self._findings.setdefault(note.fingerprint, note)
            elif isinstance(note, Gap):
                self._gap(note)
            elif isinstance(note, Child):
                for child in self._bounded([note], where):
                    self._open(child, where.inside(child.name))

    def _take(self, inspection: Inspection, where: Location) -> None:
        for finding in (*inspection.findings, *expose(inspection.texts)):
            self._findings.setdefault(finding.fingerprint, finding)
        for gap in inspection.gaps:
            self._gap(gap)
        # Two formats may hand on one member, which then says the same of itself twice.
        self._facts |= {(where, facts): None for facts in inspection.facts}

    def _bounded(self, children: list[Child], where: Location) -> Iterator[Child]:
        for child in children:
            if self._children >= self._limits.children:
                self._gap(Gap(where, f"more than {self._limits.children} nested members"))
                return
            self._children += 1
            yield child

    def _gap(self, gap: Gap) -> None:
        self._gaps.setdefault(gap)


def _unknown(suffix: str) -> str:
    named = [fmt.title or fmt.name for fmt in all_formats() if suffix and suffix in fmt.suffixes]
    if named:
        return f"unknown format: the name says {' or '.join(named)}, the bytes are not"
    return "unknown format"
