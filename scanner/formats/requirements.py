"""pip requirement and constraint files: what they name, and from where it would be installed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.inspection import Format, Head, Note, Read
from scanner.model import Check, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader, read_whole

OTHER_INDEX = Rule(
    id="requirements/other-index",
    title="Packages come from another index",
    severity=Severity.MEDIUM,
    check=Check.DEPENDENCY,
    finds="`--index-url`, `--extra-index-url` or `--find-links` in a requirements file.",
    why="With an additional index pip takes the highest version that any of them has: whoever can publish a "
    "name there decides what is installed.",
    remedy="Install from one index that you control, with hashes.",
    example="`--extra-index-url https://packages.example/simple`",
    references=("CWE-427", "CWE-829"),
)
UNPROTECTED = Rule(
    id="requirements/unprotected-source",
    title="Packages are fetched without protection",
    severity=Severity.HIGH,
    check=Check.DEPENDENCY,
    finds="A source over plain `http://`, `git://` or `ftp://`, or `--trusted-host`.",
    why="Anybody on the way can replace the package, and installing it runs its code.",
    remedy="Use https, without `--trusted-host`.",
    example="`http://packages.example/x-1.0.tar.gz`",
    references=("CWE-319", "CWE-494"),
)
DIRECT = Rule(
    id="requirements/direct-source",
    title="A package comes from a repository or a file of its own",
    severity=Severity.MEDIUM,
    check=Check.DEPENDENCY,
    finds="A `git+`, `hg+`, `svn+`, `bzr+`, `https://` or file requirement without a commit or a hash.",
    why="What stands there today need not stand there tomorrow, and installing it runs its code.",
    remedy="Name the full commit (`@` and 40 digits), or add `#sha256=…`.",
    example="`git+https://host.example/someone/project.git@main`",
    references=("CWE-494", "CWE-829"),
)
UNPINNED = Rule(
    id="requirements/unpinned",
    title="Requirements without an exact version",
    severity=Severity.INFO,
    check=Check.DEPENDENCY,
    finds="Requirements that are neither `==` one version nor bound by a hash.",
    why="The next installation takes other code than the one that was tested.",
    remedy="Pin versions with hashes in a lock file.",
    example="`torch>=2.0`",
    references=("CWE-1357",),
)
_LIMIT = 4 << 20
_LINES = 20_000
_NAME = re.compile(r"(?:.*[._-])?(?:requirements|constraints)(?:[._-].*)?\.(?:txt|in|pip)")
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?[ \t]*(?:\[[\w ,.-]*\])?[ \t]*"
    r"(?:\(?(?:===|[=~!<>]=|[<>])[^;#]*|@[ \t]*\S+)?[ \t]*(?:;.*)?"
)
_PINNED_LINE = re.compile(rb"[A-Za-z0-9][\w.-]*(?:\[[\w,]+\])?==\d[\w.*+!-]*[ \t]*(?:;[^\n]*|#[^\n]*|\\)?\r?")
_OPTION = re.compile(r"(-i|--index-url|--extra-index-url|-f|--find-links|--trusted-host)(?:[ \t=]+(\S+))?")
_SOURCE = re.compile(r"(?:(?:git|hg|svn|bzr)\+)?(?:https?|ssh|git|file|ftp)://\S+|git\+\S+", re.IGNORECASE)
_BARE = re.compile(
    r"(?:(?:git|hg|svn|bzr)\+)?(?:http|git|ftp)://(?!(?:localhost|127\.0\.0\.1)\b)", re.IGNORECASE
)
_FIXED = re.compile(r"@[0-9a-f]{40}\b|#(?:.*&)?sha(?:256|384|512)=[0-9a-f]{64,}", re.IGNORECASE)
_SECRET = re.compile(r"//[^/@\s]*@")
_CONTROL = frozenset(range(32)) - {9, 10, 12, 13}


def _matches(head: Head) -> bool:
    if _NAME.fullmatch(head.name):
        return head.size > 0 and _CONTROL.isdisjoint(head.data)
    if not head.name.endswith((".txt", ".in")):
        return False
    # Under another name: nothing but exactly pinned requirements.
    pinned = 0
    for line in head.data.split(b"\n", 50)[:50]:
        if _PINNED_LINE.fullmatch(line):
            pinned += 1
        elif line.strip() and not line.startswith(b"#"):
            return False
    return pinned > 1


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    text = read_whole(reader, budget, _LIMIT).decode("utf-8-sig", "replace")
    named: dict[str, None] = {}
    loose: list[str] = []
    for number, line in list(_lines(text))[:_LINES]:
        budget.spend_items()
        place = where.at(line=number)
        option = _OPTION.match(line)
        if option:
            yield from _option(option[1], option[2] or "", place)
            continue
        if line.startswith("-") and not line.startswith(("-e", "--editable")):
            continue
        wanted = re.sub(r"^(?:-e|--editable)[ \t=]*", "", line)
        source = _SOURCE.search(wanted)
        if source:
            named[wanted[:200]] = None
            yield from _source(source[0], place)
        elif _REQUIREMENT.fullmatch(re.split(r"[ \t]--", wanted)[0].strip()):
            named[wanted[:200]] = None
            if "==" not in wanted.partition(";")[0] and "--hash" not in line:
                loose.append(wanted[:80])
    if loose:
        some = ", ".join(loose[:5]) + (" …" if len(loose) > 5 else "")
        evidence = (("requirements", ", ".join(loose)[:400]),)
        yield Finding(UNPINNED, where, f"{len(loose)} without an exact version: {some}", evidence=evidence)
    yield Facts("requirements", requirements=tuple(named))
    yield Read(Coverage.WHOLE)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Logical lines as pip reads them: continued by a backslash, comments dropped."""
    joined, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start or number
        if line.rstrip().endswith("\\") and len(joined) < 10_000:
            joined += line.rstrip()[:-1] + " "
            continue
        whole = re.sub(r"(?:^|\s)#.*$", "", joined + line).strip()
        if whole:
            yield start, whole
        joined, start = "", 0
    if joined.strip():
        yield start, joined.strip()


def _option(name: str, value: str, place: Location) -> Iterator[Finding]:
    shown = _SECRET.sub("//…@", value)[:200]
    evidence = (("option", name), ("value", shown))
    if name == "--trusted-host" or _BARE.match(value):
        yield Finding(UNPROTECTED, place, f"{name} {shown}", evidence=evidence)
    if name != "--trusted-host":
        yield Finding(OTHER_INDEX, place, f"{name} {shown}", evidence=evidence)


def _source(address: str, place: Location) -> Iterator[Finding]:
    shown = _SECRET.sub("//…@", address)[:200]
    evidence = (("source", shown),)
    if _BARE.match(address):
        yield Finding(UNPROTECTED, place, f"fetches {shown}", evidence=evidence)
    if not _FIXED.search(address):
        yield Finding(DIRECT, place, f"installs {shown}", evidence=evidence)


FORMAT = Format(
    name="requirements",
    title="pip requirements",
    matches=_matches,
    inspect=_inspect,
    rules=(OTHER_INDEX, UNPROTECTED, DIRECT, UNPINNED),
    within=("text",),
    spec="https://pip.pypa.io/en/stable/reference/requirements-file-format/",
)
