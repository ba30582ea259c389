"""Tables as text: CSV and TSV; inert, but for cells that a spreadsheet program runs."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Read
from scanner.model import Check, Confidence, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader

FORMULA = Rule(
    id="table/formula",
    title="A cell holds a formula that reaches outside",
    severity=Severity.LOW,
    check=Check.HIDDEN_PAYLOAD,
    finds="Cells that begin a formula which starts a program (DDE) or calls an address (HYPERLINK, "
    "WEBSERVICE, IMPORTDATA and the like).",
    why="Whoever opens the table in a spreadsheet program may run it. Loaders of data sets do not.",
    remedy="Quote the cell with an apostrophe, or remove it.",
    example="`=HYPERLINK(…)`",
    limits="Other formulas are not reported: data has many cells that begin with = or +.",
    references=("CWE-1236",),
)

_SUFFIXES = (".csv", ".tsv")
_STEP = 1 << 20
_OVERLAP = 256
# A cell begins at the start of a line or behind a separator or quote; DDE is `=program|'topic'!item`.
_FORMULA = re.compile(
    rb"""(?:^|[\t\n\r,;"'|])[=+@-]++\s*+(?:(?P<call>HYPERLINK|WEBSERVICE|IMPORT(?:DATA|XML|HTML|FEED|RANGE)|IMAGE|RTD|DDE)\s*\(|"""
    rb"""(?P<dde>(?:cmd|powershell|mshta|rundll32|regsvr32|wscript|cscript|bitsadmin|certutil|MSEXCEL)(?:\.exe)?)[^\t\n\r,;]{0,80}\|)""",
    re.IGNORECASE,
)
_SHOWN = 20


def _matches(head: Head) -> bool:
    if head.suffix not in _SUFFIXES or not head.data:
        return False
    return head.data[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" not in head.data


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    yield Facts("table")
    found: dict[str, None] = {}
    offset, line, carry = 0, 1, b""
    while offset < reader.size:
        budget.spend_bytes(min(_STEP, reader.size - offset))
        block = reader.read_at(offset, _STEP)
        if not block:
            raise FormatError("the data ends early", offset)
        offset += len(block)
        data = carry + block
        for match in _FORMULA.finditer(data) if len(found) < _SHOWN else ():
            name = (match["call"] or match["dde"]).decode("ascii").lower()
            if name not in found:
                found[name] = None
                at = where.at(line=line + data.count(b"\n", 0, match.end()))
                message = f"a cell calls {name.upper()}" if match["call"] else f"a cell starts {name} (DDE)"
                yield Finding(FORMULA, at, message, Confidence.MEDIUM, (("formula", name),))
        carry = data[-_OVERLAP:]
        line += data.count(b"\n", 0, len(data) - len(carry))
    yield Read(Coverage.WHOLE)


FORMAT = Format(
    name="table",
    title="table",
    matches=_matches,
    inspect=_inspect,
    rules=(FORMULA,),
    suffixes=_SUFFIXES,
    within=("text",),
    spec="RFC 4180",
)
