"""PDF: what a reader would run or start when the document is opened; never rendered."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Child, Format, Head, Note, Read
from scanner.model import Check, Coverage, Facts, Finding, Gap, Location, Rule, Severity
from scanner.reader import Budget, Reader, Window, read_whole

_SPEC = "ISO 32000-2:2020, 12.6 Actions"
SCRIPT = Rule(
    id="pdf/script",
    title="The document has JavaScript in it",
    severity=Severity.LOW,
    check=Check.HIDDEN_PAYLOAD,
    finds="A JavaScript action, or a file that is embedded in the document.",
    why="Some readers run the script when the document is opened, and hand out the embedded file.",
    remedy="Print the document into a new PDF, or open it in a reader without JavaScript.",
    example="`/OpenAction << /S /JavaScript /JS (…) >>`",
    limits="Object streams that are packed other than with deflate are a gap. Scripts are not judged.",
    references=(_SPEC,),
)
LAUNCH = Rule(
    id="pdf/launch",
    title="The document starts a program",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="A launch action: a reader is told to start a program or to open another file.",
    why="Only a question on the screen stands between the document and the program.",
    remedy="Refuse the document.",
    example="`<< /S /Launch /Win << /F (cmd.exe) >> >>`",
    references=(_SPEC, "CVE-2010-1240"),
)
TRAILING = Rule(
    id="pdf/trailing-bytes",
    title="Something lies behind the document",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes behind the last `%%EOF`, other than white space.",
    why="A reader shows the document, another program finds an archive or a script in the same file.",
    remedy="Save the document again without the rest, or refuse it. What lies there is inspected as well.",
    example="A zip archive appended to a PDF.",
    references=("CWE-646",),
)

_LIMIT = 128 << 20
_STREAM_LIMIT = 64 << 20
_NAME = re.compile(rb"/((?:[^\x00-\x20()<>\[\]{}/%#]|#[0-9A-Fa-f]{2}){2,24})")
_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_STREAM = re.compile(rb"stream\r?\n")
_DICTIONARY = 2048
_STEP = 64 << 10
_END = b"%%EOF"
_TOLD = {
    b"JavaScript": (SCRIPT, "has JavaScript"),
    b"EmbeddedFile": (SCRIPT, "has a file embedded"),
    b"Launch": (LAUNCH, "starts a program or opens another file"),
}


def _matches(head: Head) -> bool:
    return head.data[:8].removeprefix(b"\xef\xbb\xbf").startswith(b"%PDF-")


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    raw = read_whole(reader, budget, _LIMIT)
    version = raw.partition(b"%PDF-")[2][:3].decode("ascii", "replace")
    yield Facts("pdf", version)
    found: dict[bytes, int] = {}
    damaged = [
        start
        for start in _object_streams(raw, _names(raw, 0, found))
        if not _expand(raw, start, budget, found)
    ]
    for name, offset in found.items():
        rule, message = _TOLD[name]
        place = where.at(offset)
        yield Finding(rule, place, message, evidence=(("message", message),))
    if damaged:
        reason = f"{len(damaged)} object streams cannot be expanded: they are damaged or encrypted"
        yield Gap(where.at(damaged[0]), reason)
    end = raw.rfind(_END)
    if end < 0:
        raise FormatError("the document has no end", len(raw))
    end += len(_END)
    if raw[end:].strip(b"\0\r\n\t "):
        size = len(raw) - end
        evidence = (("trailing", str(size)),)
        yield Finding(TRAILING, where.at(end), f"{size} bytes lie behind the document", evidence=evidence)
        yield Child(f"bytes at {end}", Window(reader, end, size))
    yield Read(Coverage.WHOLE)


def _names(data: bytes, base: int, found: dict[bytes, int]) -> list[int]:
    """Note the names that matter; returns where object streams are named. `#4a` is a letter (7.3.5)."""
    streams = []
    for match in _NAME.finditer(data):
        name = match[1]
        if b"#" in name:
            name = _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), name)
        if name in _TOLD:
            found.setdefault(name, base + match.start())
        elif name == b"ObjStm":
            streams.append(match.start())
    return streams


def _object_streams(raw: bytes, named: list[int]) -> Iterator[int]:
    """Where the object streams (7.5.7) start that are compressed; the others have been read already."""
    for place in named:
        start = _STREAM.search(raw, place, place + _DICTIONARY)
        if start:
            opened = raw.rfind(b"obj", max(place - _DICTIONARY, 0), place)
            if b"/F" in raw[max(opened, 0) : start.start()]:
                yield start.end()


def _expand(raw: bytes, start: int, budget: Budget, found: dict[bytes, int]) -> bool:
    """Look for names in a compressed object stream; whether it could be expanded."""
    budget.spend_items()
    budget.spend_bytes(64 << 10)
    decoder = zlib.decompressobj()
    content = bytearray()
    try:
        # In steps, because what lies behind a stream would be copied for each of them.
        for at in range(start, len(raw), _STEP):
            content += decoder.decompress(raw[at : at + _STEP], _STREAM_LIMIT)
            if decoder.eof or decoder.unconsumed_tail or len(content) > _STREAM_LIMIT:
                break
    except zlib.error:
        return False
    budget.spend_bytes(len(content))
    names: dict[bytes, int] = {}
    _names(bytes(content), 0, names)
    for name in names:
        found.setdefault(name, start)
    return decoder.eof


FORMAT = Format(
    name="pdf",
    title="PDF",
    matches=_matches,
    inspect=_inspect,
    rules=(SCRIPT, LAUNCH, TRAILING),
    suffixes=(".pdf",),
    spec="ISO 32000-2:2020",
)
