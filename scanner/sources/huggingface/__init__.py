"""The Hugging Face Hub, or a mirror of it, through huggingface_hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from scanner.errors import SourceError, TargetError
from scanner.model import (
    Artefact,
    Check,
    Claim,
    Claimed,
    Digest,
    FileEntry,
    Finding,
    Gap,
    Kind,
    Location,
    Origin,
    Rule,
    Severity,
    Target,
)
from scanner.sources import Options, Resolved, Source
from scanner.sources.huggingface.address import COMMIT, Wanted, accepts, endpoint_of, parse

if TYPE_CHECKING:
    from scanner.net import RangeOpener

UNPINNED = Rule(
    id="huggingface/unpinned",
    title="The target names a revision that can move",
    severity=Severity.LOW,
    check=Check.NOT_PINNED,
    finds="A branch or tag (or no revision at all) instead of a commit.",
    why="What is loaded tomorrow need not be what was weighed today.",
    remedy="Name the commit that the report shows: hf://org/name@<40 hexadecimal digits>.",
    example="`hf://org/model` or `hf://org/model@main`",
    references=("CWE-494",),
)

COMMIT_UNCONFIRMED = Rule(
    id="huggingface/commit-unconfirmed",
    title="The server does not say of which commit its bytes are",
    severity=Severity.LOW,
    check=Check.NOT_PINNED,
    finds="A Hub or mirror whose file answers carry no `X-Repo-Commit`.",
    why="The listing is of one commit; that the bytes are of the same one rests on the address alone.",
    remedy="Have the proxy pass the header on, or hold the digests against the Hub's own listing.",
    example="A caching proxy that drops response headers.",
    references=("https://github.com/huggingface/huggingface_hub/issues/1796", "CWE-345"),
)
UNPROTECTED = Rule(
    id="huggingface/unprotected",
    title="The Hub was reached without TLS",
    severity=Severity.MEDIUM,
    check=Check.NOT_PINNED,
    finds="An endpoint that begins with http:// and is not this machine.",
    why="Anybody on the way can change what was weighed, and read the token.",
    remedy="Use an https:// endpoint.",
    example="`HF_ENDPOINT=http://mirror.internal`",
    references=("CWE-319",),
)
UNSAFE_PATH = Rule(
    id="huggingface/unsafe-path",
    title="The Hub lists a path that leaves the folder",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="A listed file whose path is absolute, climbs with `..`, or has control characters.",
    why="A client that writes the file under its name writes outside its folder.",
    remedy="Do not download the repository; tell the Hub.",
    example="`../../.bashrc` in the listing",
    references=("CWE-22",),
)

_FILES_LIMIT = 1_000_000
_HEX = re.compile(r"[0-9a-f]+\Z")
_LOOPBACK = re.compile(r"http://(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?(/|\Z)")


def _resolve(target: Target, options: Options) -> Resolved:
    from scanner.sources.huggingface.api import Hub  # noqa: PLC0415 - heavy, and only for Hub targets

    endpoint = endpoint_of(options.endpoint)
    wanted = parse(target, endpoint)
    hub = Hub(target.text, wanted, endpoint, options.token, options.timeout)
    info: Any = hub.info()
    commit = str(info.sha or "")
    if not COMMIT.match(commit):
        raise SourceError(f"{target.text}: {endpoint} gave no commit for the revision")
    if info.disabled:
        raise SourceError(f"{target.text}: {wanted.name} has been disabled by the Hub")
    pinned = bool(wanted.revision and COMMIT.match(wanted.revision))
    if pinned and commit != wanted.revision:
        raise SourceError(f"{target.text}: {endpoint} answered with another commit: {commit}")
    entries = _chosen(target, wanted, hub.tree(commit, lambda tree: tuple(_entries(tree))))
    artefact = Artefact(
        target.text,
        "huggingface",
        wanted.name,
        wanted.kind,
        commit,
        entries,
        wanted.revision or "main" if not pinned else None,
        pinned,
        tuple(_claims(info)),
    )
    unsafe = [entry.path for entry in entries if not _is_safe(entry.path)]
    openers = _openers(artefact, endpoint, options)
    findings = [*_pin(artefact), *_protection(endpoint)]
    if openers:
        first = min(
            artefact.files, key=lambda entry: (entry.path not in openers, entry.size or 0, entry.path)
        )
        findings += _confirm(target, commit, hub.commit_of(openers[first.path].url))
    for path in unsafe:
        message = f"{path!r} would be written outside the folder"
        findings.append(Finding(UNSAFE_PATH, Location(path), message, evidence=(("path", path),)))
    gaps = tuple(Gap(Location(path), "was not read: its path leaves the folder") for path in unsafe)
    return Resolved(artefact, openers, gaps, tuple(findings))


def _chosen(target: Target, wanted: Wanted, entries: tuple[FileEntry, ...]) -> tuple[FileEntry, ...]:
    """The entries that the target names, in order; each path once."""
    if wanted.path is not None:
        inside = f"{wanted.path}/"
        entries = tuple(e for e in entries if e.path == wanted.path or e.path.startswith(inside))
        if not entries:
            raise TargetError(f"{target.text}: {wanted.name} has no {wanted.path} at this revision")
    if len({entry.path for entry in entries}) != len(entries):
        raise SourceError(f"{target.text}: the Hub lists a file twice")
    return tuple(sorted(entries, key=lambda entry: entry.path))


def _is_safe(path: str) -> bool:
    parts = re.split(r"[/\\]", path)
    return path.isprintable() and not ({"", ".", ".."} & set(parts)) and not re.match(r"[A-Za-z]:", path)


def _openers(artefact: Artefact, endpoint: str, options: Options) -> dict[str, RangeOpener]:
    from scanner.net import RangeOpener  # noqa: PLC0415 - with the rest of the network code

    headers = {"Authorization": f"Bearer {options.token}"} if options.token else {}
    prefix = "datasets/" if artefact.kind is Kind.DATASET else ""
    base = f"{endpoint}/{prefix}{artefact.name}/resolve/{artefact.revision}"
    openers = {}
    for entry in artefact.files:
        if _is_safe(entry.path):
            linked = next((d.value for d in entry.digests if d.source == "hub-lfs"), None)
            expect = {"X-Repo-Commit": artefact.revision or "", "X-Linked-Etag": linked}
            openers[entry.path] = RangeOpener(
                f"{base}/{quote(entry.path)}",
                headers,
                size=entry.size,
                expect={name: value for name, value in expect.items() if value},
                timeout=options.timeout,
                spool=options.spool,
            )
    return openers


def _confirm(target: Target, commit: str, said: str | None) -> tuple[Finding, ...]:
    """Hold the commit that a file's head names against the one that the revision resolved to."""
    if said is None:
        message = "the answers carry no X-Repo-Commit: that the bytes are of this commit is not confirmed"
        return (Finding(COMMIT_UNCONFIRMED, Location("."), message),)
    if said != commit:
        raise SourceError(f"{target.text}: the files are of commit {said[:40]}, the listing is of {commit}")
    return ()


def _protection(endpoint: str) -> tuple[Finding, ...]:
    if not endpoint.startswith("http://") or _LOOPBACK.match(endpoint):
        return ()
    return (Finding(UNPROTECTED, Location("."), f"{endpoint} is not protected by TLS"),)


def _pin(artefact: Artefact) -> tuple[Finding, ...]:
    if artefact.pinned:
        return ()
    message = f"the revision {artefact.requested_revision!r} can move; it is {artefact.revision} now"
    evidence = (("revision", artefact.requested_revision or ""),)
    return (Finding(UNPINNED, Location("."), message, evidence=evidence),)


def _entries(tree: Any) -> Iterator[FileEntry]:
    for number, item in enumerate(tree):
        if number > _FILES_LIMIT:
            raise ValueError(f"more than {_FILES_LIMIT} files")
        size = getattr(item, "size", None)
        if size is None:
            continue  # a folder
        if not isinstance(item.path, str) or not isinstance(size, int) or not 0 <= size < 1 << 63:
            raise ValueError("an entry without path or size")
        yield FileEntry(item.path, size, tuple(_declared(item)))


def _declared(item: Any) -> Iterator[Digest]:
    if item.lfs is not None:
        named = (("sha256", 64, item.lfs.sha256, "hub-lfs"),)
    else:
        named = (("git-sha1", 40, item.blob_id, "hub-git-blob"),)
    for algorithm, length, value, source in named:
        if isinstance(value, str) and len(value) == length and _HEX.match(value):
            yield Digest(algorithm, value, Origin.DECLARED, source)


def _claims(info: Any) -> Iterator[Claim]:
    """What the Hub says of the repository; all of it declared."""
    pairs = (
        (Claimed.AUTHOR, getattr(info, "author", None)),
        (Claimed.CREATED, getattr(info, "created_at", None)),
        (Claimed.MODIFIED, getattr(info, "last_modified", None)),
        (Claimed.GATED, getattr(info, "gated", None)),
        (Claimed.PRIVATE, getattr(info, "private", None)),
        (Claimed.LIBRARY, getattr(info, "library_name", None)),
        (Claimed.TASK, getattr(info, "pipeline_tag", None)),
    )
    for what, value in pairs:
        if value not in {None, ""}:
            text = (
                value.isoformat()
                if hasattr(value, "isoformat")
                else str(value).lower()
                if isinstance(value, bool)
                else str(value)
            )
            yield Claim(what, text, f"hub:{what.value}")
    for tag in getattr(info, "tags", None) or ():
        prefix, _, rest = str(tag).partition(":")
        if prefix == "license" and rest:
            yield Claim(Claimed.LICENCE, rest, "hub:tags")


SOURCE = Source(
    name="huggingface",
    accepts=lambda text, options: accepts(text, endpoint_of(options.endpoint)),
    resolve=_resolve,
    rules=(UNPINNED, COMMIT_UNCONFIRMED, UNPROTECTED, UNSAFE_PATH),
)
