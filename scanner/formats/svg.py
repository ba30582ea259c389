"""SVG: a picture in XML that a browser runs; parsed without entities, never rendered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Read
from scanner.model import Check, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader, read_whole

SCRIPT = Rule(
    id="svg/script",
    title="The picture has a script in it",
    severity=Severity.LOW,
    check=Check.HIDDEN_PAYLOAD,
    finds="`script` elements, event attributes such as `onload`, links that begin with `javascript:`.",
    why="A browser that opens the picture by itself runs the script.",
    remedy="Remove the script, or show the picture only through an `img` element.",
    example='`<svg onload="…">`',
    references=("CWE-79", "https://www.w3.org/TR/SVG2/interact.html"),
)

_LIMIT = 32 << 20
# The root element behind declaration, comments and document type.
_ROOT = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*+(?>(?:<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*+(?:\[.*?\]\s*+)?>)\s*+)*+"
    rb"<(?:[A-Za-z_][\w.-]*+:)?svg[\s>/]",
    re.DOTALL,
)
_SHOWN = 20


def _matches(head: Head) -> bool:
    start = head.data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith(b"<") and _ROOT.match(head.data) is not None


class _Target:
    """Receives elements from the parser; keeps what runs."""

    def __init__(self) -> None:
        self.found: dict[str, None] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        local = tag.rpartition("}")[2].lower()
        if local in {"script", "handler"}:
            self.found.setdefault(f"<{local}>")
        for name, value in attributes.items():
            attribute = name.rpartition("}")[2].lower()
            if attribute.startswith("on") and attribute.isalpha():
                self.found.setdefault(attribute)
            elif "".join(value[:64].split()).lower().startswith("javascript:"):
                self.found.setdefault(f"{attribute}=javascript:")

    def close(self) -> None:
        """Nothing is left to do."""


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    raw = read_whole(reader, budget, _LIMIT)
    yield Facts("svg")
    target = _Target()
    parser = DefusedXMLParser(target=target, forbid_entities=True, forbid_external=True)
    problem = ""
    try:
        parser.feed(raw)
        parser.close()
    except DefusedXmlException:
        problem = "declares entities, which are not resolved"
    except (ParseError, ValueError, LookupError) as error:
        problem = f"is no well-formed XML: {error}"
    for name in sorted(target.found)[:_SHOWN]:
        yield Finding(SCRIPT, where, f"runs a script when it is opened: {name}", evidence=(("part", name),))
    if problem:
        raise FormatError(problem, 0)
    yield Read(Coverage.WHOLE)


FORMAT = Format(
    name="svg",
    title="SVG",
    matches=_matches,
    inspect=_inspect,
    rules=(SCRIPT,),
    suffixes=(".svg",),
    within=("text", "xml"),
    spec="https://www.w3.org/TR/SVG2/",
)
