"""Jupyter notebooks: code cells judged as the Python that they are, outputs searched for scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from scanner.data.capabilities import source_capability
from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Read, Text
from scanner.model import Check, Confidence, Coverage, Facts, Finding, Gap, Location, Rule, Severity
from scanner.reader import Budget, Reader, read_whole
from scanner.wire import json
from scanner.wire import python_source as source

DANGEROUS = Rule(
    id="notebook/dangerous-call",
    title="A cell starts programs, opens connections or loads foreign code",
    severity=Severity.MEDIUM,
    check=Check.EXECUTABLE,
    finds="A call in a code cell that executes, deserialises, connects or loads native code.",
    why="Whoever runs the notebook runs it; no loader does by itself.",
    remedy="Read the cell before you run the notebook.",
    example="`subprocess.run(command)` in a cell",
    limits="The list of calls is reviewed by hand; others are not reported.",
    references=("CWE-94",),
)
SHELL = Rule(
    id="notebook/shell-command",
    title="A cell runs a shell command",
    severity=Severity.LOW,
    check=Check.EXECUTABLE,
    finds="A line that begins with `!`, or a `%%bash`, `%system` or similar magic.",
    why="The command runs with the rights of whoever runs the notebook; notebooks often install packages so.",
    remedy="Read the command before you run the notebook; install what it needs from your own lock file.",
    example="`!pip install something`",
    references=("CWE-78",),
)
SCRIPT = Rule(
    id="notebook/script-in-output",
    title="A stored output contains a script",
    severity=Severity.LOW,
    check=Check.HIDDEN_PAYLOAD,
    finds="JavaScript, or HTML with a script, an event handler or a frame, among the stored outputs.",
    why="A viewer that trusts the notebook runs it without any cell being run.",
    remedy="Clear the outputs.",
    example="An output of type `text/html` with `<script>`",
    references=("CWE-79",),
)
_LIMIT = 64 << 20
_KEYS = re.compile(rb'"(?:nbformat|cells|worksheets|cell_type)"\s*:')
_SHELL_MAGICS = frozenset(("bash", "sh", "script", "cmd", "powershell", "perl", "ruby", "system", "sx"))
_PYTHON_MAGICS = frozenset(("time", "timeit", "capture", "prun", "python", "python3", "pypy", "debug"))
_ACTIVE = re.compile(
    r"<script\b|<iframe\b|<object\b|<embed\b|\bon(?:error|load|click|mouseover)\s*=|javascript:",
    re.IGNORECASE,
)
_RUNS = frozenset(("executes", "deserialises", "network", "loads-native"))
_MOST_CELLS = 20_000


def _matches(head: Head) -> bool:
    if not json.plain_head(head.data):
        return False
    if head.name.endswith(".ipynb"):
        return True
    if not json.looks_like_json(head.data, complete=head.size <= len(head.data)):
        return False
    return _KEYS.search(head.data) is not None and b'"nbformat"' in head.data + head.tail


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    raw = read_whole(reader, budget, _LIMIT)
    document = json.parse(raw)
    notebook = document.value
    if not isinstance(notebook, dict):
        raise FormatError("a notebook is a JSON object")
    version = f"{notebook.get('nbformat', '')}.{notebook.get('nbformat_minor', 0)}"
    yield Facts("notebook", json.shown(version, 20), metadata=_metadata(notebook))
    code: list[tuple[int, str]] = []
    for index, cell in enumerate(_cells(notebook)):
        budget.spend_items()
        if index >= _MOST_CELLS:
            yield Gap(where, f"more than {_MOST_CELLS} cells")
            break
        text = _text(cell.get("source", cell.get("input", "")))
        place = where.inside(f"cell {index}")
        if cell.get("cell_type") == "code":
            yield Text(text, place.at(line=1), "code")
            plain, notes = _split(text, place)
            yield from notes
            code.append((index, plain))
        yield from _outputs(cell, place)
    yield from _judge(code, budget, where)
    yield Read(Coverage.WHOLE)


def _cells(notebook: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The cells of version 4, and of the worksheets of versions 2 and 3, in every reading."""
    holders = [notebook, *(s for sheets in json.every(notebook, "worksheets") for s in _tables(sheets))]
    for holder in holders:
        for cells in json.every(holder, "cells"):
            yield from _tables(cells)


def _tables(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "".join(part for part in value if isinstance(part, str))
    return value if isinstance(value, str) else ""


def _split(text: str, place: Location) -> tuple[str, list[Finding]]:
    """The Python of a cell, its magics blanked out, and findings about its shell commands."""
    found: list[Finding] = []
    lines = text.split("\n")
    first = text.lstrip()
    if first.startswith("%%"):
        magic = first[2:].split(maxsplit=1)[0].lower() if first[2:].split() else ""
        if magic not in _PYTHON_MAGICS:
            if magic in _SHELL_MAGICS:
                found.append(_shell(place.at(line=1), f"%%{magic}"))
            return "", found
    for number, line in enumerate(lines):
        bare = line.strip()
        name = bare.lstrip("%").split(maxsplit=1)[0].lower() if bare.strip("%") else ""
        shell = bare.startswith("!") or re.match(r"[\w, ]+=\s*!", bare) is not None
        if shell or (bare.startswith("%") and name in {*_SHELL_MAGICS, "pip", "conda"}):
            found.append(_shell(place.at(line=number + 1), bare))
        if shell or bare.startswith(("%", "?")) or bare.endswith("?"):
            lines[number] = line[: len(line) - len(line.lstrip())] + "pass"
    return "\n".join(lines), found


def _shell(place: Location, command: str) -> Finding:
    shown = json.shown(command, 120)
    return Finding(SHELL, place, f"runs {shown}", evidence=(("command", shown),))


def _outputs(cell: dict[str, Any], place: Location) -> Iterator[Note]:
    for output in _tables(cell.get("outputs")):
        bundles = [output, *(data for data in json.every(output, "data") if isinstance(data, dict))]
        for bundle in bundles:
            for kind in [key for key in bundle if isinstance(key, str)]:
                for value in json.every(bundle, kind):
                    text = _text(value)
                    script = "javascript" in kind or (
                        kind in {"text/html", "html", "image/svg+xml", "svg"} and _ACTIVE.search(text)
                    )
                    if script and text:
                        shown = json.shown(kind, 40)
                        message = f"an output of type {shown} contains a script"
                        yield Finding(SCRIPT, place, message, Confidence.MEDIUM, (("type", shown),))


def _judge(code: list[tuple[int, str]], budget: Budget, where: Location) -> Iterator[Finding]:
    """Cells share their names, so they are read as one module; a cell that does not parse is left out."""
    lines: list[tuple[int, int]] = []
    texts: list[str] = []
    for index, text in code:
        try:
            source.parse(text)
        except FormatError:
            continue  # a draft, another language or another Python: no loader runs it
        count = text.count("\n") + 1
        lines += [(index, number + 1) for number in range(count)]
        texts.append(text)
    try:
        module = source.Module(source.parse("\n".join(texts)), budget)
    except FormatError:
        return
    for use in module.uses():
        does = source_capability(use.name)
        if does in _RUNS and use.call:
            index, line = lines[min(use.line, len(lines)) - 1]
            evidence = (("name", use.name[:120]), ("capability", str(does)))
            place = where.inside(f"cell {index}").at(line=line)
            yield Finding(DANGEROUS, place, f"calls {use.name[:120]} ({does})", evidence=evidence)


def _metadata(notebook: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    metadata = notebook.get("metadata")
    kernel = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    name = kernel.get("name") if isinstance(kernel, dict) else None
    return (("kernel", json.shown(name)),) if isinstance(name, str) else ()


FORMAT = Format(
    name="notebook",
    title="Jupyter notebook",
    matches=_matches,
    inspect=_inspect,
    rules=(DANGEROUS, SHELL, SCRIPT),
    suffixes=(".ipynb",),
    within=("json", "text"),
    spec="https://nbformat.readthedocs.io/en/latest/format_description.html",
)
