"""Conda environments and MLflow's ``python_env.yaml``: what would be installed beside a model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from scanner.inspection import Child, Format, Head, Note, Read
from scanner.model import Check, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, BytesReader, Reader, read_whole

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

CHANNEL = Rule(
    id="conda-environment/other-channel",
    title="Packages come from another conda channel",
    severity=Severity.MEDIUM,
    check=Check.DEPENDENCY,
    finds="A channel, or a package with a channel in front of it, that is neither a default nor a usual one.",
    why="Whoever owns the channel decides what is installed, and installing it runs its code.",
    remedy="Install from channels that you mirror and trust, by a lock file with hashes.",
    example="`channels: [someone]`",
    limits="Usual are defaults, main, conda-forge, bioconda, pytorch, nvidia, fastai, huggingface, rapidsai.",
    references=("CWE-829",),
)
UNPROTECTED = Rule(
    id="conda-environment/unprotected-channel",
    title="Packages are fetched without protection",
    severity=Severity.HIGH,
    check=Check.DEPENDENCY,
    finds="A channel at a plain `http://` or `ftp://` address.",
    why="Anybody on the way can replace the package, and installing it runs its code.",
    remedy="Use https.",
    example="`channels: [http://packages.example/conda]`",
    references=("CWE-319", "CWE-494"),
)
_NAMES = re.compile(r"(?:conda(?:[._-].*)?|environment(?:[._-].*)?|python_env)\.ya?ml")
_KEY = re.compile(rb"(?m)^(?:dependencies|build_dependencies|channels)[ \t]*:")
_LIMIT = 4 << 20
_USUAL = frozenset(
    {
        "bioconda",
        "conda-forge",
        "defaults",
        "fastai",
        "huggingface",
        "main",
        "nodefaults",
        "nvidia",
        "pkgs/main",
        "pkgs/r",
        "pytorch",
        "r",
        "rapidsai",
    }
)
_BARE = re.compile(r"(?:http|ftp)://(?!(?:localhost|127\.0\.0\.1)\b)", re.IGNORECASE)
_SECRET = re.compile(r"//[^/@\s]*@")


def _matches(head: Head) -> bool:
    return _NAMES.fullmatch(head.name) is not None and _KEY.search(head.data) is not None


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    from scanner.wire import yaml  # noqa: PLC0415 - ruamel is only loaded where there is YAML

    named: dict[str, None] = {}
    pip: list[str] = []
    python = where.path.rpartition("/")[2].lower().startswith("python_env")
    for document in yaml.compose(yaml.decode(read_whole(reader, budget, _LIMIT))):
        for value in yaml.every(document, "channels"):
            for channel, scalar in yaml.scalars(value):
                yield from _channel(channel, where.at(line=yaml.line_of(scalar)))
        for key in ("dependencies", "build_dependencies"):
            for value in yaml.every(document, key):
                for text, scalar in yaml.scalars(value):
                    budget.spend_items()
                    if python:
                        pip.append(text)
                        continue
                    named[text[:200]] = None
                    channel, separator, _ = text.rpartition("::")
                    if separator:
                        yield from _channel(channel, where.at(line=yaml.line_of(scalar)))
                pip += _pip(value)
    if pip:
        # Installed by pip, and judged like any other list of its requirements.
        lines = "\n".join(text.replace("\n", " ") for text in pip)
        yield Child("pip requirements", BytesReader(lines.encode()), read_as="requirements")
    yield Facts("conda-environment", metadata=_metadata(named))
    yield Read(Coverage.WHOLE)


def _pip(value: Node) -> list[str]:
    from scanner.wire import yaml  # noqa: PLC0415 - as above

    lists = [
        inner
        for part in getattr(value, "value", ())
        if hasattr(part, "tag")
        for inner in yaml.every(part, "pip")
    ]
    return [text for listed in lists for text, _ in yaml.scalars(listed)]


def _metadata(named: dict[str, None]) -> tuple[tuple[str, str], ...]:
    return (("conda packages", ", ".join(named)[:400]),) if named else ()


def _channel(channel: str, place: Location) -> Iterator[Finding]:
    shown = _SECRET.sub("//…@", channel)[:200]
    evidence = (("channel", shown),)
    name = re.sub(r"^https://(?:conda\.anaconda\.org|repo\.anaconda\.com)/", "", channel).rstrip("/")
    if _BARE.match(channel):
        yield Finding(UNPROTECTED, place, f"takes packages from {shown}", evidence=evidence)
    elif name.lower() not in _USUAL:
        yield Finding(CHANNEL, place, f"takes packages from the channel {shown}", evidence=evidence)


FORMAT = Format(
    name="conda-environment",
    title="conda environment",
    matches=_matches,
    inspect=_inspect,
    rules=(CHANNEL, UNPROTECTED),
    within=("yaml-text", "text"),
    spec="https://docs.conda.io/projects/conda/en/stable/user-guide/tasks/manage-environments.html",
)
