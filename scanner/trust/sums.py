"""Lists of digests that come with an artefact: ``SHA256SUMS`` and its like, ``<file>.sha256``.

Sources: GNU coreutils manual, "md5sum invocation" (both forms and the escapes); BSD ``md5(1)``.
Such a list is a claim by whoever made the files. Agreement means that they are consistent, no more.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.model import Check, Finding, Location, Rule, Severity
from scanner.result import Outcome, Verification
from scanner.trust.digests import MISMATCH
from scanner.trust.evidence import Evidence

_LIMIT = 16 << 20
_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha384": 96, "sha512": 128, "blake2b": 128, "blake3": 64}
_SHORT = {"b2": "blake2b", "b3": "blake3"}
_WEAK = frozenset({"md5", "sha1"})
_NAME = re.compile(
    r"(?P<algorithm>md5|sha1|sha256|sha384|sha512|b2|b3)[-_.]?sums?(?:\.txt)?\Z|"
    r"(?:.*[-_.])?(?P<any>checksums?)(?:\.txt)?\Z|"
    r".+\.(?P<suffix>md5|sha1|sha256|sha384|sha512|b2|b3)(?:sums?)?(?:\.txt)?\Z",
    re.IGNORECASE,
)
_GNU = re.compile(r"(?P<escape>\\?)(?P<value>[0-9a-fA-F]{32,128}) [ *](?P<name>.+)\Z")
_BSD = re.compile(
    r"(?P<escape>\\?)(?P<algorithm>MD5|SHA1|SHA256|SHA384|SHA512|BLAKE2b|BLAKE3) ?\((?P<name>.+)\) ?= ?"
    r"(?P<value>[0-9a-fA-F]{32,128})\Z",
    re.IGNORECASE,
)
_BARE = re.compile(r"(?P<value>[0-9a-fA-F]{32,128})\Z")
_BY_LENGTH = {32: "md5", 40: "sha1", 64: "sha256", 96: "sha384", 128: "sha512"}
_TOLD = "the list comes with the files, so this shows that they fit together, not who made them"

MISSING = Rule(
    id="digests/missing-file",
    title="A listed file is not here",
    severity=Severity.LOW,
    check=Check.HASH_MISMATCH,
    finds="A file that a list of digests in the artefact names and that is not part of it.",
    why="The artefact may be incomplete: a file was lost or taken out after the list was made.",
    remedy="Compare with the publisher's listing; ordinary where only a part was downloaded.",
    example="`SHA256SUMS` lists `model-00002-of-00002.safetensors`, which is not here.",
)
PATH_ESCAPE = Rule(
    id="digests/path-escape",
    title="A list of digests names files outside the artefact",
    severity=Severity.MEDIUM,
    check=Check.PATH_ESCAPE,
    finds="An absolute path or one with `..` in a list of digests. It is not followed.",
    why="Whoever checks the list with `sha256sum -c` has a file of their own machine read and compared.",
    remedy="Do not run checking tools on this list; ask the publisher for a proper one.",
    example="A line of `SHA256SUMS` that ends in `../../.ssh/id_ed25519`.",
    references=("CWE-22",),
)
CONFLICT = Rule(
    id="digests/conflict",
    title="A file is listed with two different digests",
    severity=Severity.MEDIUM,
    check=Check.HASH_MISMATCH,
    finds="Two different values of one algorithm for one file in the lists of an artefact.",
    why="Both cannot be right. Tools differ in which one they believe.",
    remedy="Ask the publisher which one holds; do not rely on the list.",
    example="`SHA256SUMS` names `model.bin` twice.",
)
WEAK = Rule(
    id="digests/weak",
    title="Only a weak digest is given",
    severity=Severity.INFO,
    check=Check.NO_HASH,
    finds="A list of digests that uses MD5 or SHA-1 only.",
    why="Two different files with one MD5 or SHA-1 can be made on purpose: agreement shows that nothing "
    "was damaged, not that nothing was exchanged.",
    remedy="Ask the publisher for SHA-256.",
    example="`MD5SUMS` beside the weights, and no `SHA256SUMS`.",
    references=("CWE-328",),
)
RULES = (MISSING, PATH_ESCAPE, CONFLICT, WEAK)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list."""

    line: int
    algorithm: str
    value: str
    path: str


def verify(evidence: Evidence) -> Iterator[Verification | Finding]:
    """Check every list of digests in the artefact against the files."""
    believed: dict[tuple[str, str], str] = {}
    for path in sorted(evidence.files):
        name = path.rpartition("/")[2]
        match = _NAME.match(name)
        if not match:
            continue
        data = evidence.read(path, _LIMIT)
        stated = (match["algorithm"] or match["suffix"] or "").lower()
        partner = path.removesuffix(name) + name[: match.start("suffix") - 1] if match["suffix"] else ""
        if data is None:
            reason = "the list could not be read, or is larger than 16 MiB"
            yield Verification(_claim(stated), Outcome.UNSUPPORTED, reason, location=Location(path))
            continue
        entries = parse(data, stated, partner)
        if entries:
            yield from _check(path, _claim(stated), entries, evidence, believed)


def parse(data: bytes, stated: str, partner: str) -> tuple[Entry, ...]:
    """The entries of a list; lines that are none (comments, signatures around it) are left out.

    Args:
        data: The file's bytes.
        stated: Algorithm in the file's name (``sha256``), or empty.
        partner: Path of the file that ``<file>.sha256`` belongs to, for a value without a name.
    """
    found = []
    for number, raw in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
        text = raw.removesuffix("\r")
        match = _BSD.match(text) or _GNU.match(text) or (_BARE.match(text.strip()) if partner else None)
        if not match:
            continue
        groups = match.groupdict()
        value = groups["value"].lower()
        algorithm = (groups.get("algorithm") or stated or _BY_LENGTH.get(len(value), "")).lower()
        algorithm = _SHORT.get(algorithm, algorithm)
        if _DIGITS.get(algorithm) != len(value):
            continue
        name = groups.get("name") or partner.rpartition("/")[2]
        if groups.get("escape"):
            name = re.sub(r"\\([\\nr])", lambda m: {"\\": "\\", "n": "\n", "r": "\r"}[m[1]], name)
        found.append(Entry(number, algorithm, value, name))
    return tuple(found)


def _check(
    manifest: str,
    claim: str,
    entries: tuple[Entry, ...],
    evidence: Evidence,
    believed: dict[tuple[str, str], str],
) -> Iterator[Verification | Finding]:
    folder = manifest.rpartition("/")[0]
    groups: dict[Outcome, dict[str, None]] = defaultdict(dict)
    outside, missing, twice = dict[str, int](), dict[str, int](), dict[str, int]()
    for entry in entries:
        path = _place(folder, entry.path)
        if path is None:
            outside.setdefault(entry.path, entry.line)
        elif path not in evidence.files:
            missing.setdefault(path, entry.line)
        elif path != manifest:
            if believed.setdefault((path, entry.algorithm), entry.value) != entry.value:
                twice.setdefault(path, entry.line)
            own = evidence.digest(path, entry.algorithm)
            if own and own != entry.value and path not in groups[Outcome.INVALID]:
                message = f"{entry.algorithm} differs from the one in {manifest}, line {entry.line}"
                values = (("declared", entry.value), ("computed", own))
                yield Finding(MISMATCH, Location(path), message, evidence=values)
            outcome = Outcome.VERIFIED if own == entry.value else Outcome.INVALID
            groups[outcome if own else Outcome.UNSUPPORTED][path] = None
    for rule, found, what in (
        (PATH_ESCAPE, outside, "lead outside the artefact and were not followed"),
        (MISSING, missing, "are listed and not here"),
        (CONFLICT, twice, "are listed with two different digests"),
    ):
        if found:
            shown = ", ".join(path[:120] for path in list(found)[:3])
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""
            where = Location(manifest, line=min(found.values()))
            told = (("paths", str(len(found))), ("first", next(iter(found))[:200]))
            yield Finding(rule, where, f"{shown}{more} {what}", evidence=told)
    if all(entry.algorithm in _WEAK for entry in entries):
        message = f"only {', '.join(sorted({e.algorithm for e in entries}))} is given"
        yield Finding(WEAK, Location(manifest), message)
    yield from tell(claim, manifest, groups)


def tell(claim: str, manifest: str, groups: dict[Outcome, dict[str, None]]) -> Iterator[Verification]:
    """One verification for each outcome, worst first."""
    reasons = {
        Outcome.INVALID: "the digests differ from the listed ones",
        Outcome.UNSUPPORTED: "only declared: the files were not read whole",
        Outcome.VERIFIED: f"consistent: the digests are the listed ones ({_TOLD})",
    }
    for outcome, reason in reasons.items():
        if groups.get(outcome):
            paths = tuple(sorted(groups[outcome]))
            yield Verification(claim, outcome, reason, paths, location=Location(manifest))


def _place(folder: str, name: str) -> str | None:
    """The listed path in the artefact; ``None`` where it leaves it."""
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[\\/]", name):
        return None
    parts = folder.split("/") if folder else []
    for part in name.split("/"):
        if part == ".." and not parts:
            return None
        if part == "..":
            parts.pop()
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _claim(stated: str) -> str:
    return f"{stated or 'check'}sums"
