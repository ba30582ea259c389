"""What a name and the bytes say about each other, and which bytes identification looks at."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import ReadFailed
from scanner.inspection import HEAD_BYTES, Format, Head
from scanner.model import Check, Confidence, Finding, Location, Rule, Severity
from scanner.reader import Reader
from scanner.wire.tar import is_tar
from scanner.wire.zip import TAIL_BYTES, member_names

# Endings that say nothing about the content by custom.
_GENERIC = frozenset({"", ".bin", ".dat", ".data", ".model", ".ckpt", ".weights", ".pb", ".params"})

NAME_MISMATCH = Rule(
    id="identity/name-mismatch",
    title="The name says one format, the bytes are another",
    severity=Severity.MEDIUM,
    check=Check.FORMAT_MISMATCH,
    finds="A file whose ending belongs to one format while its content is another one.",
    why="Scanners and people that go by the name look at the wrong thing; many loaders go by the bytes.",
    remedy="Rename the file to what it is, or get it again from its publisher.",
    example="A pickle named `model.safetensors`.",
    limits="Endings that are used for anything, such as `.bin`, are never contradicted.",
    references=("CVE-2025-10155", "CWE-646"),
)
POLYGLOT = Rule(
    id="identity/polyglot",
    title="The file is two formats at once",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes that are valid as two unrelated formats, for example a picture that is also a zip archive.",
    why="One program shows the harmless reading while another one runs the other.",
    remedy="Refuse the file unless its publisher explains why it has two readings. Both were inspected.",
    example="A pickle stream followed by a zip archive.",
    references=("CWE-646",),
)
RULES = (NAME_MISMATCH, POLYGLOT)


def read_head(reader: Reader, name: str) -> Head:
    """Read what identification needs: the first 4 KiB, the last 64 KiB, a zip's member names."""
    data = reader.read_at(0, HEAD_BYTES)
    if len(data) < min(HEAD_BYTES, reader.size):
        raise ReadFailed("the file became shorter while it was read")
    start = max(reader.size - TAIL_BYTES, 0)
    tail = data[start:] if reader.size <= HEAD_BYTES else reader.read_at(start, TAIL_BYTES)
    # A tar archive may well end with a zip archive as its last member; that makes it no zip archive.
    members = () if is_tar(data) else member_names(reader, tail, start)
    return Head(data, reader.size, name.rpartition("/")[2].lower(), tail, members)


def bases(formats: tuple[Format, ...]) -> tuple[Format, ...]:
    """The formats that are no refinement of another one that matched; text only where it is alone."""
    names = {fmt.name for fmt in formats}
    found = tuple(fmt for fmt in formats if not names.intersection(fmt.within))
    return tuple(fmt for fmt in found if fmt.name != "text") or found


def judge_name(
    head: Head, formats: tuple[Format, ...], known: tuple[Format, ...], where: Location
) -> Iterator[Finding]:
    """Findings about one file's name and its number of readings."""
    roots = bases(formats)
    if len(roots) > 1:
        names = ", ".join(fmt.title or fmt.name for fmt in roots)
        evidence = (("formats", ",".join(fmt.name for fmt in roots)),)
        yield Finding(POLYGLOT, where, f"is {len(roots)} formats at once: {names}", evidence=evidence)
    expected = [fmt for fmt in known if head.suffix in fmt.suffixes]
    if head.suffix in _GENERIC or not expected or not formats or head.size == 0:
        return
    if not {fmt.name for fmt in expected} & {fmt.name for fmt in formats}:
        says = " or ".join(fmt.title or fmt.name for fmt in expected)
        found = ", ".join(fmt.title or fmt.name for fmt in roots)
        message = f"the ending {head.suffix} says {says}, the bytes are {found}"
        named = (("suffix", head.suffix), ("format", roots[0].name))
        yield Finding(NAME_MISMATCH, where, message, Confidence.MEDIUM, named)
