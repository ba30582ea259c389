"""One artefact, start to finish: resolve, hash, examine; then cross-check, verify, take inventory, judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from scanner.hashing import Hashing, algorithms
from scanner.model import (
    Coverage,
    Digest,
    Facts,
    FileEntry,
    FileResult,
    Gap,
    Location,
    Origin,
    Target,
)
from scanner.reader import WHOLE, Limits
from scanner.result import Report
from scanner.sources import Options, Resolved, resolve
from scanner.trust import Trust
from scanner.workers import Failure, Task, Workers

if TYPE_CHECKING:
    from scanner.examination import Assignment

_BATCH_BYTES = 4 << 20
_BATCH_FILES = 32
_SIDE_BY_SIDE = 8  # remote files that one worker reads at the same time
_SPOOL_RATE = 1 << 20  # bytes a second that a download may be slow

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the pipeline; what it costs is bounded."""

    target: Target
    policy: str = "baseline"
    """Name of a shipped pack or path of a policy file."""
    source: Options = field(default_factory=Options)
    limits: Limits = field(default_factory=Limits)
    trust: Trust = field(default_factory=Trust)
    """Whom the user trusts, for signatures."""
    created: str = ""
    """RFC 3339 time to write into the report; empty for a timeless one."""
    now: datetime | None = None
    """The time by which waivers are judged; a policy that has some cannot do without."""


def scan_artefact(
    request: Request, *, workers: Workers | None = None, progress: Progress | None = None
) -> Report:
    """Weigh one artefact.

    Raises:
        ScannerError: The target, the policy or named trust material cannot be used: nothing was
            decided. What cannot be read inside the artefact is a gap in the report instead.
    """
    with nullcontext(workers) if workers else Workers() as pool:
        pool.start()
        resolved = resolve(request.target, request.source)
        # Bulk is hashed from the first moment on: nothing else takes as long.
        with Hashing(pool.count) as hashing:
            hashing.start(resolved)
            from scanner.judgement import Judgement  # noqa: PLC0415 - loaded while bulk is hashed

            judgement = Judgement(request.policy, request.trust, request.now)
            files = _examine_all(resolved, request, pool, hashing, progress)
    return judgement.report(resolved, files, request.created)


def _examine_all(
    resolved: Resolved, request: Request, pool: Workers, hashing: Hashing, progress: Progress | None
) -> tuple[FileResult, ...]:
    from scanner.examination import Assignment, examine  # noqa: PLC0415 - loaded while bulk is hashed

    entries = {entry.path: entry for entry in resolved.artefact.files}
    local = resolved.local_paths
    jobs = []
    for path, opener in sorted(resolved.openers.items()):
        hashes = () if path in hashing.paths else algorithms(entries.get(path), small=True)
        jobs.append(Assignment(path, opener, request.limits, hashes))
    batches = _batches(jobs, entries, request, pool.count, remote=not local)
    results: dict[str, FileResult] = {}
    outcomes = pool.map(examine, batches, threads=1 if local else _SIDE_BY_SIDE)
    for index, position, outcome in outcomes:
        path = batches[index][position].item.path
        if isinstance(outcome, Failure):
            size = entries[path].size if path in entries else None
            results[path] = FileResult(path, size or 0, gaps=(Gap(Location(path), outcome.reason),))
        else:
            results[path] = outcome
        if progress:
            progress(len(results), len(jobs), path)
    digests = hashing.results()
    return tuple(_finish(results[path], digests.get(path), entries.get(path)) for path in sorted(results))


def _finish(
    result: FileResult, digests: tuple[Digest, ...] | Gap | None, entry: FileEntry | None
) -> FileResult:
    """Join the inspection with what was hashed beside it and with what the source declares."""
    declared = tuple(d for d in entry.digests if d.origin is Origin.DECLARED) if entry else ()
    if isinstance(digests, Gap):
        gap = Gap(Location(result.path), f"could not be hashed: {digests.reason}")
        return replace(result, gaps=(*result.gaps, gap), digests=declared)
    own = (*result.digests, *(digests or ()))
    facts = tuple((where, _claimed(facts, where.path)) for where, facts in result.facts)
    coverage = Coverage.NONE if result.coverage is Coverage.NONE else result.coverage
    return replace(result, digests=(*own, *declared), facts=facts, coverage=coverage)


def _claimed(facts: Facts, path: str) -> Facts:
    return replace(facts, claims=tuple(replace(claim, path=path) for claim in facts.claims))


def _batches(
    jobs: Sequence[Assignment],
    entries: Mapping[str, FileEntry],
    request: Request,
    workers: int,
    *,
    remote: bool,
) -> list[list[Task[Assignment]]]:
    """Small files share a task, so that thousands of them do not cost thousands of round trips.

    Remote files wait more than they weigh: they are spread over the workers, whose threads fetch
    several at once.
    """
    files, together = _BATCH_FILES, _BATCH_BYTES
    if remote:
        files = min(_BATCH_FILES, max(_SIDE_BY_SIDE, -(-len(jobs) // workers)))
    batches: list[list[Task[Assignment]]] = []
    weight = 0
    for job in jobs:
        entry = entries.get(job.path)
        size = entry.size if entry and entry.size is not None else _BATCH_BYTES
        seconds = job.limits.seconds
        if remote and request.source.spool:
            seconds += size / _SPOOL_RATE  # a download takes its time
        elif remote:
            size = min(size, WHOLE // 2)
        if not batches or weight + size > together or len(batches[-1]) >= files:
            batches.append([])
            weight = 0
        batches[-1].append(Task(job, seconds))
        weight += size
    return batches
