"""What trust tests share: artefacts made of bytes, keys made on the spot, and the shared vectors."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from scanner import trust
from scanner.model import Artefact, Coverage, Digest, FileEntry, FileResult, Finding, Kind, Origin
from scanner.reader import BytesOpener
from scanner.result import Outcome, Verification
from scanner.trust.anchors import Trust

ROOT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def vectors() -> Path:
    """The folder with the shared cases; their absence is a failure, never a skip."""
    named = os.environ.get("WEIGHBRIDGE_VECTORS")
    places = (
        [Path(named)] if named else [p / "shared" / "vectors" / "sigstore" for p in ROOT.resolve().parents]
    )
    for place in places:
        if (place / "cases.json").is_file():
            return place
    raise FileNotFoundError(
        "the shared signature vectors are not there: expected shared/vectors/sigstore beside a parent folder "
        "of the checkout, or at WEIGHBRIDGE_VECTORS"
    )


def cases() -> list[dict]:
    return json.loads((vectors() / "cases.json").read_text())


@dataclass(frozen=True)
class Checked:
    verifications: tuple[Verification, ...]
    findings: tuple[Finding, ...]

    @property
    def signatures(self) -> tuple[Verification, ...]:
        claims = {"oms", "sigstore-bundle", "dsse", "signature"}
        return tuple(v for v in self.verifications if v.claim in claims)

    @property
    def only(self) -> Verification:
        (entry,) = self.signatures
        return entry

    @property
    def rules(self) -> list[str]:
        return sorted(finding.rule.id for finding in self.findings)

    def verified(self) -> bool:
        return any(v.outcome is Outcome.VERIFIED for v in self.signatures)


def result_of(path: str, data: bytes, *, whole: bool = True) -> FileResult:
    digests = (Digest("sha256", hashlib.sha256(data).hexdigest(), Origin.COMPUTED),) if whole else ()
    return FileResult(path, len(data), formats=("text",), coverage=Coverage.WHOLE, digests=digests)


def check(
    files: dict[str, bytes],
    options: Trust | None = None,
    *,
    results: tuple[FileResult, ...] = (),
    whole: bool = True,
    unread: frozenset[str] = frozenset(),
) -> Checked:
    """Verify an artefact that consists of these bytes, as the pipeline does."""
    found = (*(result_of(path, data, whole=whole) for path, data in sorted(files.items())), *results)
    entries = tuple(FileEntry(file.path, file.size) for file in found)
    artefact = Artefact("made", "local", "made", Kind.MODEL, None, entries)
    openers = {path: BytesOpener(data) for path, data in files.items()}
    answer = trust.verify(artefact, found, options, openers, unread)
    return Checked(answer.verifications, answer.findings)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }
