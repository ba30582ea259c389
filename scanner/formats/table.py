"""Tables as text, CSV and TSV: inert, but for cells that a spreadsheet runs and data that lie elsewhere."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Read
from scanner.model import Check, Confidence, Coverage, Facts, Finding, Gap, Location, Rule, Severity
from scanner.reader import Budget, Reader
from scanner.wire.paths import escape

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
ADDRESSES = Rule(
    id="table/address-list",
    title="The data lie at addresses and have no digests",
    severity=Severity.LOW,
    check=Check.NO_HASH,
    finds="A table of a hundred rows or more in which at least every second one has an address, and no "
    "column is named after a digest.",
    why="Whoever gets hold of one of the hosts later decides what is downloaded and trained on.",
    remedy="Ask for a copy of the data, or for a digest of each; do not download over http.",
    example="A list of pictures with the columns `url` and `caption`",
    limits="Addresses that are only told, such as the source of a quotation, look the same. Lists in other "
    "formats are not looked for.",
    references=("arXiv:2302.10149", "CWE-494"),
)
OUTSIDE = Rule(
    id="table/path-escape",
    title="The data set takes a file from outside its folder",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="A `file_name` in a `metadata.csv` that is absolute, names a drive or climbs out with `..`.",
    why="Loaders of folders with pictures or sounds open the file and make it part of the data.",
    remedy="Refuse the data set.",
    example="`../../../.ssh/id_rsa` in the column `file_name`",
    references=("CWE-22", "https://huggingface.co/docs/datasets/image_dataset"),
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
_ADDRESS = re.compile(
    rb"""(?:^|(?<=[\t\n\r,;"]))(?P<scheme>https?|ftp)://(?:[^/@\s,;"]*+@)?(?P<host>[^/:?#\s,;"]++)"""
)
_DIGEST = re.compile(rb"sha-?\d|md5|hash|checksum|digest|etag", re.IGNORECASE)
_SHOWN = 20
_HOSTS = 100_000
_FEWEST = 100
_METADATA = re.compile(r"(?:.*/)?metadata\.[ct]sv")
_FILES = re.compile(r"(?:.*_)?file_names?")


def _matches(head: Head) -> bool:
    if head.suffix not in _SUFFIXES or not head.data:
        return False
    return head.data[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" not in head.data


@dataclass(slots=True)
class _Lines:
    """What whole lines say: where data lie, and which files belong to the table."""

    metadata: bool
    lines: int = 0
    hosts: Counter[bytes] = field(default_factory=Counter)
    schemes: Counter[bytes] = field(default_factory=Counter)
    header: bytes = b""
    escaping: dict[str, str] = field(default_factory=dict)
    broken: str = ""

    def take(self, block: bytes, budget: Budget) -> None:
        """Some lines."""
        self.header = self.header or block[: block.find(b"\n") + 1 or len(block)].rstrip(b"\r\n")
        self.lines += block.count(b"\n")
        found = _ADDRESS.findall(block) if b"://" in block else []
        budget.spend_items(len(found))
        self.schemes.update(scheme for scheme, _ in found)
        known = self.hosts if len(self.hosts) >= _HOSTS else None
        self.hosts.update(host for _, host in found if known is None or host in known)
        if self.metadata:
            self._paths(block, budget)

    def _paths(self, block: bytes, budget: Budget) -> None:
        """Names of files, which are relative to the table."""
        separator = "\t" if b"\t" in self.header else ","
        try:
            names = next(csv.reader([self.header.decode("utf-8-sig", "replace")], delimiter=separator), [])
            wanted = [index for index, name in enumerate(names) if _FILES.fullmatch(name.strip())]
            lines = block.decode("utf-8", "replace").splitlines()
            for row in csv.reader(lines, delimiter=separator) if wanted else ():
                budget.spend_items()
                for index in wanted:
                    how = escape(row[index].strip()) if index < len(row) else ""
                    if how and len(self.escaping) < _SHOWN:
                        self.escaping[row[index][:200]] = how
        except csv.Error as error:
            self.broken = str(error)

    def judge(self, where: Location) -> Iterator[Note]:
        """Findings about the table as a whole."""
        for name, how in self.escaping.items():
            yield Finding(OUTSIDE, where, f"the file {name!r} {how}", evidence=(("file", name),))
        if self.broken:
            yield Gap(where, f"the names of files could not be read: {self.broken}")
        count = self.schemes.total()
        if count < _FEWEST or count * 2 < self.lines or _DIGEST.search(self.header):
            return
        plain = count - self.schemes[b"https"]
        message = (
            f"{count} addresses at {len(self.hosts)} hosts, {plain} of them not over https, and no digests"
        )
        evidence = (("most", ", ".join(host for host, _ in self.told()[:3])),)
        yield Finding(ADDRESSES, where, message, Confidence.MEDIUM, evidence)

    def told(self) -> list[tuple[str, int]]:
        """The hosts that are named most."""
        most = sorted(self.hosts.items(), key=lambda pair: (-pair[1], pair[0]))[:_SHOWN]
        return [(host[:80].decode("utf-8", "backslashreplace"), count) for host, count in most]


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    name = (where.members or (where.path,))[-1].lower()
    lines = _Lines(_METADATA.fullmatch(name) is not None)
    found: dict[str, None] = {}
    offset, line, carry, rest = 0, 1, b"", b""
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
        whole = rest + block
        cut = whole.rfind(b"\n") + 1 if offset < reader.size else len(whole)
        cut = cut or (len(whole) if len(whole) > _STEP else 0)
        rest = whole[cut:]
        lines.take(whole[:cut], budget)
    hosts = ", ".join(f"{host} ({count})" for host, count in lines.told())
    yield Facts("table", metadata=(("hosts", hosts),) if hosts else ())
    yield from lines.judge(where)
    yield Read(Coverage.WHOLE)


FORMAT = Format(
    name="table",
    title="table",
    matches=_matches,
    inspect=_inspect,
    rules=(ADDRESSES, FORMULA, OUTSIDE),
    suffixes=_SUFFIXES,
    within=("text",),
    spec="RFC 4180",
)
