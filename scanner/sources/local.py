"""A file or a folder on disk."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from scanner.errors import TargetError
from scanner.folder import Found, Unread, shown, walk
from scanner.model import (
    Artefact,
    Check,
    Confidence,
    FileEntry,
    Finding,
    Gap,
    Kind,
    Location,
    Rule,
    Severity,
    Target,
)
from scanner.reader import FileOpener, stamp_of
from scanner.sources import Options, Resolved, Source

SYMLINK_ESCAPE = Rule(
    id="local/symlink-escape",
    title="A symbolic link leaves the artefact",
    severity=Severity.MEDIUM,
    check=Check.PATH_ESCAPE,
    finds="A symbolic link inside the folder that points outside it.",
    why="What is loaded is not what was shipped: the link reads whatever lies there on each machine.",
    remedy="Replace the link by the file, or remove it.",
    example="`weights.bin -> /etc/passwd`",
    limits="Links of a Hub cache into its own blobs folder are ordinary and not reported.",
    references=("CWE-59",),
)
GIT_STORE = Rule(
    id="local/git-store",
    title="The store of a git clone was left out",
    severity=Severity.INFO,
    check=Check.PROVENANCE,
    finds="A `.git` folder with the objects, logs and references of a clone.",
    why="Older versions and what was deleted lie in it; no loader reads them, and neither did we.",
    remedy="Nothing, for a clone of your own. Do not ship it with an artefact.",
    example="`git clone …` and then `weighbridge scan` on the folder",
    limits="Only git's own store is left out; anything else that lies in `.git` is read.",
)
GIT_COMMANDS = Rule(
    id="local/git-commands",
    title="The .git folder runs a program",
    severity=Severity.MEDIUM,
    check=Check.CODE_EXECUTION,
    finds="An active hook that is not git-lfs' own, or a setting that names a program to run.",
    why="git runs it as soon as somebody says `git status` or `git commit` in that folder.",
    remedy="Read it, or remove the `.git` folder before you work in it.",
    example="`core.fsmonitor = ./run.sh` in `.git/config`",
    limits="A clone never brings hooks or settings; an archive or a copied folder can.",
    references=("CVE-2024-32002", "CWE-829"),
)

_STORE = frozenset(
    {"objects", "lfs", "logs", "refs", "modules", "worktrees", "index", "packed-refs", "shallow"}
)
# What `git lfs install` writes; in its message nothing is left to the shell to expand.
_LFS_HOOK = re.compile(
    rb"#!/bin/sh\n"
    rb"(?:command -v git-lfs >/dev/null 2>&1 \|\| \{ (?:printf|echo) >&2(?: \"[^\"`$]*\")+; exit 2; \}\n)?"
    rb"git lfs (?:post-checkout|post-commit|post-merge|pre-push) \"\$@\"\n\Z"
)
_RUNS = re.compile(
    rb"(?im)^\s*(fsmonitor|hookspath|sshcommand|askpass|editor|pager|external|textconv|clean|smudge|process"
    rb"|driver|program|helper|uploadpack|receivepack|command|cmd|path)\s*=\s*(?!true\s*$|false\s*$)(\S.*)$"
)
_HEAD = 64 << 10


def _resolve(target: Target, options: Options) -> Resolved:
    del options
    text = target.text
    try:
        status = os.stat(text)  # noqa: PTH116 - the text as it is
    except (OSError, ValueError) as error:
        raise TargetError(f"{shown(text)}: {getattr(error, 'strerror', None) or error}") from error
    kind = target.kind or Kind.MODEL
    if stat.S_ISREG(status.st_mode):
        name = shown(Path(text).name)
        entry = FileEntry(name, status.st_size)
        artefact = Artefact(shown(text), "local", name, kind, None, (entry,))
        opener = FileOpener(str(Path(text).absolute()), stamp_of(status))
        return Resolved(artefact, {name: opener}, local_paths={name: opener.path})
    if not stat.S_ISDIR(status.st_mode):
        raise TargetError(f"{shown(text)}: is neither a file nor a folder")
    return _folder(target, Path(text).absolute(), kind)


def _folder(target: Target, root: Path, kind: Kind) -> Resolved:
    stores: list[str] = []

    def skip(path: str) -> bool:
        folder, _, name = path.rpartition("/")
        if name == ".git" and _is_store(root / path):
            stores.append(path)
        if folder.rpartition("/")[2] == "hooks" and folder.rpartition("/")[0] in stores:
            return name.endswith(".sample") or _is_lfs_hook(root / path)
        return folder in stores and name in _STORE

    found = list(walk(str(root), skip=skip))
    files = {one.path: one for one in found if isinstance(one, Found)}
    gaps, findings = [], []
    for one in found:
        if isinstance(one, Unread):
            gaps.append(Gap(Location(one.path), one.reason))
            if one.outside:
                message = "is a symbolic link that leaves the folder"
                evidence = (("target", one.outside[:200]),)
                findings.append(Finding(SYMLINK_ESCAPE, Location(one.path), message, evidence=evidence))
    for store in dict.fromkeys(stores):
        findings += _git(root, store)
    artefact = Artefact(
        shown(target.text),
        "local",
        shown(root.resolve().name) or "/",
        kind,
        None,
        tuple(FileEntry(path, files[path].size) for path in sorted(files)),
    )
    return Resolved(
        artefact,
        {path: one.opener for path, one in files.items()},
        tuple(gaps),
        tuple(findings),
        {path: one.opener.path for path, one in files.items()},
    )


def _is_store(folder: Path) -> bool:
    return (folder / "objects").is_dir() and (folder / "HEAD").is_file() and not folder.is_symlink()


def _head(path: Path) -> bytes:
    """The first bytes of a regular file; empty where it is none or cannot be read."""
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(_HEAD)
    except OSError:
        return b""  # the walk reports it


def _is_lfs_hook(path: Path) -> bool:
    return _LFS_HOOK.match(_head(path)) is not None


def _git(root: Path, store: str) -> Iterator[Finding]:
    yield Finding(GIT_STORE, Location(shown(store)), "git's objects, logs and references were not read")
    hooks = root / store / "hooks"
    names = sorted(os.fsdecode(name) for name in os.listdir(hooks)) if hooks.is_dir() else []  # noqa: PTH208
    for name in names:
        if not name.endswith(".sample") and not _is_lfs_hook(hooks / name):
            place = Location(shown(f"{store}/hooks/{name}"))
            evidence = (("hook", shown(name)),)
            yield Finding(GIT_COMMANDS, place, f"is an active hook: {shown(name)}", evidence=evidence)
    config = _head(root / store / "config")
    for match in _RUNS.finditer(config):
        setting = f"{match[1].decode()} = {match[2].decode('utf-8', 'replace')[:200]}"
        place = Location(shown(f"{store}/config"), line=config.count(b"\n", 0, match.start(1)) + 1)
        message = f"names a program that git runs: {setting}"
        yield Finding(GIT_COMMANDS, place, message, Confidence.MEDIUM, (("setting", setting),))


SOURCE = Source(
    name="local",
    accepts=lambda text, _: "://" not in text,
    resolve=_resolve,
    rules=(SYMLINK_ESCAPE, GIT_STORE, GIT_COMMANDS),
)
