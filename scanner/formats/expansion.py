"""What a container promises of a nested stream, and what comes out of it: judged here for all of them."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import BudgetExceeded
from scanner.inspection import Child, Note
from scanner.model import Check, Finding, Gap, Location, Rule, Severity
from scanner.reader import Window
from scanner.wire.compression import Expanded

BOMB = Rule(
    id="expansion/bomb",
    title="A small stream expands beyond what may be held",
    severity=Severity.MEDIUM,
    check=Check.EXHAUSTION,
    finds="Compressed data that grows at least a hundredfold and beyond the limit of one file.",
    why="Whoever unpacks it fills memory or disk.",
    remedy="Do not unpack it. What came out up to the limit was inspected; the rest was not.",
    example="A megabyte of deflate data that holds a gigabyte of zeros.",
    limits="Streams that stay below the limit are expanded and inspected, whatever their ratio.",
    references=("CWE-409",),
)
CHECKSUM = Rule(
    id="expansion/checksum",
    title="The bytes do not have the checksum that their archive gives",
    severity=Severity.MEDIUM,
    check=Check.EVASION,
    finds="A member whose CRC-32 is not the one in its header.",
    why="Careful readers stop there, and a scanner that stops sees nothing; PyTorch loads it all the same.",
    remedy="Get the file again; where it stays so, refuse it. The content was inspected.",
    example="A checkpoint with one byte of a CRC changed.",
    limits="Uncompressed members that are not read whole (bulk numbers) are not summed.",
    references=("CVE-2025-10156", "CWE-354"),
)
STRAY = Rule(
    id="expansion/stray-bytes",
    title="Something lies behind the compressed stream",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes other than zeros behind the end of a compressed stream.",
    why="Programs that expand the stream ignore them; another program may use them.",
    remedy="Refuse the file unless its publisher explains the bytes. They were inspected on their own.",
    example="A zip archive appended to a gzip file.",
    references=("CWE-646",),
)
RULES = (BOMB, CHECKSUM, STRAY)
_RATIO = 100
_STEP = 64 << 10


def judge_sum(child: Child, crc: int | None, place: Location) -> Iterator[Finding]:
    """A finding where a member's bytes have another CRC-32 than its header."""
    if child.crc is not None and crc is not None and crc != child.crc:
        message = f"its CRC-32 is {crc:08x}, the archive says {child.crc:08x}"
        yield Finding(CHECKSUM, place, message, evidence=(("declared", f"{child.crc:08x}"),))


def judge_expansion(child: Child, content: Expanded, place: Location) -> Iterator[Note]:
    """Findings, gaps and hidden children of one expanded stream."""
    problem = content.problem
    if problem is None:
        yield from judge_sum(child, content.crc, place)
        yield from _behind(child, content.consumed, place)
        return
    yield Gap(place, f"could not be expanded to its end: {problem}")
    promised = max(child.size or 0, content.size)
    if isinstance(problem, BudgetExceeded) and promised >= _RATIO * max(child.reader.size, 1):
        message = f"{child.reader.size} bytes expand to {promised} or more, beyond the limit"
        yield Finding(BOMB, place, message, evidence=(("codec", child.codec),))


def _behind(child: Child, consumed: int, place: Location) -> Iterator[Note]:
    left = child.reader.size - consumed
    if left <= 0 or (left <= _STEP and not child.reader.read_at(consumed, left).strip(b"\0")):
        return
    message = f"{left} bytes lie behind the {child.codec} stream"
    yield Finding(STRAY, place, message, evidence=(("offset", str(consumed)),))
    yield Child(f"bytes at {consumed} behind the stream", Window(child.reader, consumed, left))
