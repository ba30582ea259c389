"""Code that a configuration names, against the Python files that stand beside it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from scanner.data.capabilities import capability
from scanner.model import Artefact, Check, FileResult, Finding, Location, Rule, Severity

MISSING = Rule(
    id="crosscheck/code-missing",
    title="The code that a configuration names is not in the artefact",
    severity=Severity.MEDIUM,
    check=Check.REMOTE_CODE,
    finds="A module of an `auto_map`, a custom pipeline or `modules.json` for which there is no Python file.",
    why="What would be imported was not weighed: it comes from what happens to be installed under that name, "
    "or from a file that is added later.",
    remedy="Get the artefact again, whole, or take the reference out.",
    example="`auto_map` names `custom_x.XModel`, and there is no `custom_x.py`.",
    limits="Where a single file is scanned, its neighbours are not looked for. Code of other repositories is "
    "reported by `hub-config/foreign-code`.",
    references=("CWE-829",),
)
RULES = (MISSING,)

# `module.Class`, as dynamic modules are written; a longer path is a package that is installed.
_REFERENCE = re.compile(r"(?P<module>[A-Za-z_]\w*)\.[A-Za-z_]\w*")


def check(files: tuple[FileResult, ...], artefact: Artefact) -> Iterator[Finding]:
    """Findings about named code; nothing where a single file is the artefact."""
    if len(artefact.files) < 2:
        return
    present = {entry.path for entry in artefact.files}
    for file in files:
        folder = posixpath.dirname(file.path)
        for where, facts in file.facts:
            if facts.format != "hub-config" or where.members:
                continue
            for name in facts.entry_points:
                match = _REFERENCE.fullmatch(name)
                # What is known by name is not looked for beside the configuration.
                if match and capability(name) == "unknown" and not _found(match["module"], folder, present):
                    message = f"{name} needs {match['module']}.py, which is not here"
                    yield Finding(MISSING, Location(file.path), message, evidence=(("reference", name),))


def _found(module: str, folder: str, present: set[str]) -> bool:
    """Beside the configuration, at the top, or in a folder of its own, as diffusers keeps components."""
    name = f"{module}.py"
    places = {posixpath.join(folder, name), name, posixpath.join(folder, module, "__init__.py")}
    return not places.isdisjoint(present) or any(path.endswith(f"/{name}") for path in present)
