"""R's data files (``.rds``, ``.RData``) once they are unpacked: promises, code, names of what they call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.errors import BudgetExceeded, FormatError
from scanner.inspection import Child, Format, Head, Note
from scanner.model import Check, Claim, Claimed, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Cursor, Reader, Window
from scanner.wire.r_serialisation import (
    BUILTIN,
    BYTECODE,
    CLOSURE,
    EXPRESSION,
    NAMESPACE,
    PROMISE,
    SPECIAL,
    SYMBOL,
    Event,
    Stream,
)

PROMISE_RULE = Rule(
    id="r-data/promise",
    title="The file holds a promise, which R keeps by running it",
    severity=Severity.CRITICAL,
    check=Check.CODE_EXECUTION,
    finds="A promise: an expression that R evaluates when its value is first asked for.",
    why="Before R 4.4, whoever touches the object that was read runs the expression. No ordinary object that "
    "is saved holds one.",
    remedy="Do not read the file with `readRDS` or `load`.",
    example="A promise on `system('true')` in the place of a value.",
    references=("CVE-2024-27322", "CWE-502"),
)
CODE = Rule(
    id="r-data/code",
    title="The object brings R code",
    severity=Severity.MEDIUM,
    check=Check.CODE_EXECUTION,
    finds="A function, bytecode or an expression.",
    why="It runs when the object is used: `predict`, `print` and others call functions that objects carry.",
    remedy="Use the object where it can do no harm, or ask its publisher for a format without code.",
    example="A model with a function in its environment.",
    limits="R code is not judged; names that it mentions are listed as evidence.",
    references=("CWE-829",),
)
RUNS = Rule(
    id="r-data/dangerous-call",
    title="Code in the object names a function that reaches outside",
    severity=Severity.HIGH,
    check=Check.CODE_EXECUTION,
    finds="`system`, `shell`, `dyn.load`, `download.file`, `source` and their like in a function or "
    "expression.",
    why="Using the object can run programs, load native code, or fetch from the network.",
    remedy="Do not use the object.",
    example="A `predict` function that calls `system`.",
    limits='A name that is computed, such as `get(paste0("sys", "tem"))`, is not seen.',
    references=("CWE-78", "CWE-829"),
)
TRAILING = Rule(
    id="r-data/trailing-data",
    title="Something lies behind the object",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes behind the end of the serialised object.",
    why="R does not read them; another program may.",
    remedy="Refuse the file unless its publisher explains the bytes. They were inspected on their own.",
    example="A zip archive appended to an `.rds` file.",
    references=("CWE-646",),
)
_BINARY = re.compile(rb"(?:RD[XB][23]\n)?(?:X\n\0\0\0[\x02\x03]|B\n[\x02\x03]\0\0\0)")
_ASCII = re.compile(rb"(?:RDA[23]\n)?A\n[23]\n\d{5,7}\n\d{5,7}\n")
_OUTSIDE = frozenset(
    {
        "browseURL",
        "download.file",
        "dyn.load",
        "install.packages",
        "library.dynam",
        "pipe",
        "shell",
        "shell.exec",
        "socketConnection",
        "source",
        "sys.source",
        "system",
        "system2",
    }
)
_SHOWN = 20
_NAMES = 10_000


def _matches(head: Head) -> bool:
    data = head.data
    return data[:1] in {b"X", b"B", b"A", b"R"} and (_BINARY.match(data) or _ASCII.match(data)) is not None


@dataclass(slots=True)
class _Walk:
    """What one object holds."""

    where: Location
    inside: list[int] = field(default_factory=list)
    promises: list[tuple[int, dict[str, None]]] = field(default_factory=list)
    code: dict[str, int] = field(default_factory=dict)
    names: dict[str, None] = field(default_factory=dict)
    packages: dict[str, None] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Count code, and remember which names stand in it."""
        if event.end:
            self.inside.pop()
        elif event.kind in {PROMISE, CLOSURE, EXPRESSION}:
            self.inside.append(event.kind)
            if event.kind == PROMISE:
                self.promises.append((event.offset, {}))
        if event.kind in {CLOSURE, EXPRESSION, BYTECODE} and not event.end:
            word = {CLOSURE: "functions", EXPRESSION: "expressions", BYTECODE: "bytecode"}[event.kind]
            self.code[word] = self.code.get(word, 0) + 1
        elif event.kind in {SYMBOL, BUILTIN, SPECIAL} and len(self.names) < _NAMES:
            if self.inside or event.kind != SYMBOL:
                self.names[event.name] = None
            if PROMISE in self.inside:
                self.promises[-1][1][event.name] = None
        elif event.kind == NAMESPACE:
            self.packages[event.name[:80]] = None

    def findings(self) -> Iterator[Finding]:
        for offset, names in self.promises[:_SHOWN]:
            shown = ", ".join(name for name in names if name.isprintable())[:200]
            message = f"a promise that names {shown}" if shown else "a promise"
            yield Finding(PROMISE_RULE, self.where.at(offset), message, evidence=(("names", shown),))
        if self.code:
            counted = ", ".join(f"{number} {word}" for word, number in sorted(self.code.items()))
            yield Finding(
                CODE, self.where, f"holds {counted}", evidence=(("code", ", ".join(sorted(self.code))),)
            )
        reached = sorted(_OUTSIDE & self.names.keys())
        if reached:
            shown = ", ".join(reached)
            yield Finding(RUNS, self.where, f"its code names {shown}", evidence=(("names", shown),))


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    cursor = Cursor(reader, budget)
    head = reader.read_at(0, 32)
    if _ASCII.match(head):
        raise FormatError("is in R's text form, which is not read", 0)
    if head.startswith(b"RD"):
        cursor.skip(5)
    stream = Stream(cursor, big=cursor.read(2) == b"X\n")
    stream.head()
    walk = _Walk(where)
    problem: FormatError | BudgetExceeded | None = None
    try:
        for event in stream.walk():
            walk.take(event)
    except (FormatError, BudgetExceeded) as error:
        problem = error  # what was read before it is reported as well
    yield from walk.findings()
    claims = (Claim(Claimed.PRODUCER, f"R {stream.written_by}", "writer version"),)
    noted = (("packages", ", ".join(walk.packages)[:400]),) if walk.packages else ()
    yield Facts("r-data", str(stream.version), claims=claims, metadata=noted)
    if problem is not None:
        raise problem
    if cursor.left:
        at = cursor.position
        message = f"{cursor.left} bytes lie behind the object"
        yield Finding(TRAILING, where.at(at), message, evidence=(("offset", str(at)),))
        yield Child(f"bytes at {at}", Window(reader, at, cursor.left))


FORMAT = Format(
    name="r-data",
    title="R data",
    matches=_matches,
    inspect=_inspect,
    rules=(PROMISE_RULE, CODE, RUNS, TRAILING),
    spec="R Internals, section 1.8; src/main/serialize.c",
)
