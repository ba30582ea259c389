"""Scripts: texts that a shell or another interpreter runs, told by their first line or their name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.inspection import Format, Head, Note, Read
from scanner.model import Check, Confidence, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader

PRESENT = Rule(
    id="shell-script/present",
    title="The artefact brings a script",
    severity=Severity.MEDIUM,
    check=Check.EXECUTABLE,
    finds="A text that names its interpreter in its first line (`#!`), or a Windows batch, PowerShell or "
    "VBScript file.",
    why="Weights need no script. No loader runs it by itself, but instructions that say *run setup.sh first* "
    "do, with all rights of the user.",
    remedy="Read the script before anybody runs it, or use the artefact without it.",
    example="`#!/bin/sh` in `setup.sh`.",
    limits="The script is recognised, not judged. Python files are judged by their own rules.",
    references=("CWE-829",),
)

# `#!` with options and an interpreter: `/usr/bin/env -S FOO=1 bash -e` is bash.
_FIRST_LINE = re.compile(rb"#![ \t]*(/[^\r\n]{1,500}|[A-Za-z]:[^\r\n]{1,500})")
_BY_NAME = {
    ".sh": "sh",
    ".bash": "bash",
    ".zsh": "zsh",
    ".fish": "fish",
    ".csh": "csh",
    ".bat": "cmd",
    ".cmd": "cmd",
    ".ps1": "powershell",
    ".psm1": "powershell",
    ".vbs": "wscript",
    ".wsf": "wscript",
}


def _matches(head: Head) -> bool:
    if head.data.startswith(b"#!"):
        return _FIRST_LINE.match(head.data) is not None and head.suffix != ".py"
    if head.suffix not in _BY_NAME or not head.data:
        return False
    return head.data[:2] in {b"\xff\xfe", b"\xfe\xff"} or b"\0" not in head.data


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    del budget
    name = where.members[-1] if where.members else where.path
    suffix = "." + name.lower().rpartition(".")[2]
    found = _FIRST_LINE.match(reader.read_at(0, 512))
    interpreter = (
        _interpreter(found[1].decode("utf-8", "backslashreplace")) if found else _BY_NAME.get(suffix)
    )
    named = interpreter or "a shell"
    confidence = Confidence.HIGH if found else Confidence.MEDIUM
    yield Finding(PRESENT, where, f"is a script for {named}", confidence, (("interpreter", named),))
    yield Facts("shell-script", metadata=(("interpreter", named),))
    yield Read(Coverage.WHOLE)  # the text itself is surfaced by the format `text`, which matches as well


def _interpreter(line: str) -> str:
    words = line.split()
    name = words[0].replace("\\", "/").rpartition("/")[2]
    if name == "env":
        rest = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
        name = rest[0].rpartition("/")[2] if rest else name
    return name[:40]


FORMAT = Format(
    name="shell-script",
    title="script",
    matches=_matches,
    inspect=_inspect,
    rules=(PRESENT,),
    suffixes=tuple(_BY_NAME),
    within=("text", "python-source"),
)
