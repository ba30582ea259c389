"""The answer to the question what a signature is about, and whether that is what lies here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from scanner.result import Outcome
from scanner.trust import manifest
from scanner.trust.evidence import Evidence
from scanner.trust.statement import Statement, Subject

# Digests that are worth comparing, best known first; the pipeline has computed the first already.
_STRONG = ("sha256", "sha512", "sha384", "blake2b", "blake3")
_PARTLY_READ = "the files were not read whole, so their digests are not known"


@dataclass(frozen=True, slots=True)
class Content:
    """What is covered, and whether it agrees."""

    outcome: Outcome
    """Verified, invalid, or unsupported where nothing can be said."""
    reason: str
    subject: tuple[str, ...] = ()
    """Paths whose bytes are the signed ones."""
    unsigned: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def incomplete(self) -> bool:
        """Whether all that is signed agrees, and there is more."""
        return self.outcome is Outcome.INVALID and bool(self.unsigned) and bool(self.subject)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a signature was found, which decides what it can be about."""

    path: str
    """Its path in the artefact, or the name that the user typed."""
    folder: str
    """Folder that it lies in: empty, or ending in ``/``."""
    partner: str | None
    """The file that it belongs to by its name (``model.bin`` for ``model.bin.sigstore``), if any."""
    demanded: bool
    """Whether the user named it, so that it has to be about this artefact."""


def of_manifest(
    signed: manifest.Manifest,
    evidence: Evidence,
    place: Place,
    ignore: Sequence[str],
    signatures: frozenset[str],
) -> Content:
    """A model signature's list held against the folder that the signature lies in."""
    folder = _root(signed, evidence, place.folder)
    found = manifest.compare(signed, evidence, folder, ignore, signatures)
    told = (found.agreeing, found.unsigned, found.ignored)
    if found.differing:
        return Content(
            Outcome.INVALID, f"the bytes are not the signed ones: {_some(found.differing)}", (), *told[1:]
        )
    if found.missing:
        return Content(Outcome.INVALID, f"signed files are missing: {_some(found.missing)}", (), *told[1:])
    if found.unread:
        return Content(Outcome.UNSUPPORTED, _PARTLY_READ, *told)
    if found.unsigned:
        return Content(Outcome.INVALID, f"files are not signed: {_some(found.unsigned)}", *told)
    return Content(Outcome.VERIFIED, f"{len(found.agreeing)} files are the signed ones", *told)


def _root(signed: manifest.Manifest, evidence: Evidence, folder: str) -> str:
    """The model's folder: the signature lies in it or in its parent (OMS 1.0, section 9)."""
    names = {resource.path for resource in signed.resources}
    if names == {"."} or any(folder + name in evidence.files for name in names):
        return folder
    hits: Counter[str] = Counter()
    for path in sorted(evidence.files):
        name, _, rest = path.removeprefix(folder).partition("/")
        if path.startswith(folder) and rest in names:
            hits[f"{folder}{name}/"] += 1
    return hits.most_common(1)[0][0] if hits else folder


def of_statement(statement: Statement, evidence: Evidence, place: Place) -> Content:
    """An in-toto statement's subjects held against the files, by digest; names only help to find them."""
    covered: set[str] = set()
    unknown = False
    for subject in statement.subjects:
        digest = next(((a, v) for a in _STRONG for name, v in subject.digests if name == a), None)
        if digest is None:
            unknown = True
            continue
        direct = place.folder + subject.name
        paths = _candidates(evidence, place, direct, digest[0])
        own = {path: evidence.digest(path, digest[0]) for path in paths}
        covered.update(path for path, value in own.items() if value == digest[1])
        if own.get(direct) not in {None, digest[1]}:
            return Content(
                Outcome.INVALID, f"the bytes of {direct} are not the subject of the signed statement"
            )
    partly = not all(evidence.whole(path) for path in ([place.partner] if place.partner else evidence.files))
    if (not covered or (place.partner and place.partner not in covered)) and (partly or unknown):
        reason = "a subject of the statement has only weak or unknown digests"
        return Content(Outcome.UNSUPPORTED, _PARTLY_READ if partly else reason)
    if not covered or (place.partner and place.partner not in covered):
        return _nothing_covered(statement.subjects, place)
    ordered = tuple(sorted(covered))
    return Content(Outcome.VERIFIED, f"{_some(ordered)} is what the signed statement is about", ordered)


def _candidates(evidence: Evidence, place: Place, direct: str, algorithm: str) -> set[str]:
    """Files to hold against a subject.

    SHA-256 is known of every file; another digest is only computed where a name or the user asks.
    """
    if algorithm == "sha256" or place.demanded or len(evidence.files) <= 2:
        return set(evidence.files)
    return {path for path in (direct, place.partner) if path in evidence.files and path is not None}


def _nothing_covered(subjects: Sequence[Subject], place: Place) -> Content:
    names = _some([subject.name or "(without a name)" for subject in subjects])
    if place.partner:
        return Content(Outcome.INVALID, f"{place.partner} is not a subject of the signed statement ({names})")
    if place.demanded:
        return Content(Outcome.INVALID, f"nothing here is a subject of the signed statement ({names})")
    return Content(Outcome.UNSUPPORTED, f"what the signed statement is about is not here: {names}")


def of_message(evidence: Evidence, place: Place, digest: bytes | None) -> tuple[str | None, Content]:
    """The file that a signature over a file is about, and what can be said before it is verified."""
    path = place.partner
    if path is None and digest is not None:
        stated = digest.hex()
        path = next((p for p in sorted(evidence.files) if evidence.digest(p, "sha256") == stated), None)
    if path is None and place.demanded:
        return None, Content(Outcome.INVALID, "nothing here is what the signature is about")
    if path is None:
        return None, Content(Outcome.UNSUPPORTED, "the file that it signs is not here")
    if not evidence.whole(path):
        return None, Content(Outcome.UNSUPPORTED, _PARTLY_READ)
    return path, Content(Outcome.VERIFIED, f"{path} is the signed file", (path,))


def _some(paths: Sequence[str]) -> str:
    """A few names, and how many more."""
    shown = ", ".join(path[:120] for path in paths[:3])
    return shown if len(paths) <= 3 else f"{shown} and {len(paths) - 3} more"
