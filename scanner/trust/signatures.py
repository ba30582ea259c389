"""Every signature beside or named for an artefact: found, read, verified, and told as findings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scanner.errors import FormatError
from scanner.model import Finding, Location, Rule
from scanner.result import Outcome, Verification
from scanner.trust import manifest, oms, rules, statement
from scanner.trust.anchors import CERTAIN, POSSIBLE, Trust
from scanner.trust.authenticity import Authenticity
from scanner.trust.bundle import Bundle, Envelope, read
from scanner.trust.content import Content, Place, of_manifest, of_message, of_statement
from scanner.trust.evidence import Evidence

CLAIMS = frozenset({"oms", "sigstore-bundle", "dsse", "signature"})
_LIMIT = 32 << 20


@dataclass(frozen=True, slots=True)
class _Found:
    """One file with signatures."""

    place: Place
    entries: tuple[Bundle | Envelope, ...]
    problem: str = ""
    """Why there are none although there should be."""
    malformed: bool = False


def verify(evidence: Evidence, trust: Trust) -> Iterator[Verification | Finding]:
    """Check every signature, and whether what the user demands is there.

    Raises:
        TrustError: What the user named cannot be used.
    """
    found = tuple(_find(evidence, trust))
    paths = frozenset(f.place.path for f in found if f.place.path in evidence.files and f.entries)
    verifications: list[Verification] = []
    for file in found:
        for verification, finding in _judge(file, evidence, trust, paths):
            verifications.append(verification)
            yield verification
            if finding:
                yield finding
    if not found:
        yield Verification("signature", Outcome.ABSENT, "there is no signature beside these files")
    if trust.demanding:
        yield from _demands(verifications, evidence, trust, paths)


def _find(evidence: Evidence, trust: Trust) -> Iterator[_Found]:
    named = {hashlib.sha256(anchor.data).hexdigest(): anchor for anchor in trust.signatures}
    for path in sorted(evidence.files):
        name = path.lower()
        digest = evidence.files[path].computed("sha256") or ""
        demanded = named.pop(digest, None) is not None
        certain = demanded or name.endswith(CERTAIN)
        if not certain and not name.endswith(POSSIBLE):
            continue
        data = evidence.read(path, _LIMIT)
        folder = path.rpartition("/")[0]
        place = Place(path, folder + "/" if folder else "", _partner(path, evidence), demanded)
        if data is None:
            yield _Found(place, (), "it could not be read, or is larger than 32 MiB")
        elif (entry := _read(place, data)).entries or entry.malformed or certain:
            yield entry
    for anchor in named.values():
        yield _read(_outside(anchor.name, evidence), anchor.data)


def _read(place: Place, data: bytes) -> _Found:
    try:
        entries = read(data)
    except FormatError as error:
        return _Found(place, (), error.reason, malformed=True)
    if entries is None:
        return _Found(place, (), "it is neither a Sigstore bundle nor a DSSE envelope")
    return _Found(place, entries)


def _partner(path: str, evidence: Evidence) -> str | None:
    for suffix in (*CERTAIN, *POSSIBLE):
        if path.lower().endswith(suffix):
            stem = path[: -len(suffix)]
            return stem if stem in evidence.files else None
    return None


def _outside(name: str, evidence: Evidence) -> Place:
    """A signature file outside the artefact: it is about the whole, or about the only file."""
    only = next(iter(evidence.files)) if len(evidence.files) == 1 else None
    return Place(name, "", only, demanded=True)


def _judge(
    file: _Found, evidence: Evidence, trust: Trust, signatures: frozenset[str]
) -> Iterator[tuple[Verification, Finding | None]]:
    where = Location(file.place.path)
    if not file.entries:
        outcome = Outcome.INVALID if file.malformed else Outcome.UNSUPPORTED
        verification = Verification("signature", outcome, file.problem, location=where)
        yield verification, _finding(verification, rules.FOR_OUTCOME[outcome])
    for entry in file.entries:
        claim, who, what = _examine(entry, file.place, evidence, trust, signatures)
        incomplete = what.incomplete and who.outcome is Outcome.VERIFIED
        outcome, reason = _together(who, what)
        verification = Verification(
            claim=claim,
            outcome=outcome,
            reason=reason,
            subject=what.subject,
            signer=who.signer,
            issuer=who.issuer,
            root=who.root,
            signed_at=who.signed_at,
            location=where,
            unsigned=what.unsigned,
            ignored=what.ignored,
        )
        rule = rules.UNSIGNED_FILES if incomplete else rules.FOR_OUTCOME.get(outcome)
        yield verification, _finding(verification, rule) if rule else None


def _together(who: Authenticity, what: Content) -> tuple[Outcome, str]:
    """One answer: a contradiction first, then who signed, then what was signed."""
    if who.outcome is Outcome.INVALID:
        return Outcome.INVALID, who.reason
    if what.outcome is Outcome.INVALID and not what.incomplete:
        also = who.outcome in {Outcome.UNTRUSTED_SIGNER, Outcome.EXPIRED}
        return Outcome.INVALID, f"{what.reason}; moreover, {who.reason}" if also else what.reason
    if who.outcome is not Outcome.VERIFIED:
        return who.outcome, who.reason
    if what.outcome is Outcome.VERIFIED:
        return Outcome.VERIFIED, f"{what.reason}; {who.reason}"
    return what.outcome, what.reason


def _examine(
    entry: Bundle | Envelope, place: Place, evidence: Evidence, trust: Trust, signatures: frozenset[str]
) -> tuple[str, Authenticity, Content]:
    claim = "dsse" if isinstance(entry, Envelope) else "sigstore-bundle"
    try:
        if isinstance(entry, Bundle) and entry.message:
            path, what = of_message(evidence, place, entry.message.digest)
            digest = evidence.digest(path, "sha256") if path else None
            if digest is None:
                return claim, Authenticity(Outcome.UNSUPPORTED, what.reason), what
            return claim, _authenticate(entry, trust, bytes.fromhex(digest)), what
        signed = statement.parse(_envelope(entry))
        if manifest.is_oms(signed):
            claim = "oms"
            what = of_manifest(_listed(entry, signed), evidence, place, trust.ignore, signatures)
        else:
            what = of_statement(signed, evidence, place)
        return claim, _authenticate(entry, trust, None), what
    except FormatError as error:
        return claim, Authenticity(Outcome.INVALID, error.reason), Content(Outcome.INVALID, error.reason)


def _envelope(entry: Bundle | Envelope) -> Envelope:
    found = entry if isinstance(entry, Envelope) else entry.envelope
    if found is None:
        raise FormatError("nothing is signed in it")
    return found


def _listed(entry: Bundle | Envelope, signed: statement.Statement) -> manifest.Manifest:
    """The list of a model signature, in a bundle of one of the three methods (OMS 1.0, section 4.1)."""
    if isinstance(entry, Envelope):
        raise FormatError("a model signature has to be a Sigstore bundle")
    if not entry.key and not entry.chained and not entry.entries:
        raise FormatError("a model signature of the sigstore method needs an entry of a transparency log")
    return manifest.parse(signed)


def _authenticate(entry: Bundle | Envelope, trust: Trust, digest: bytes | None) -> Authenticity:
    if isinstance(entry, Envelope):
        from scanner.trust import dsse  # noqa: PLC0415 - securesystemslib, only where an envelope is met

        return dsse.authenticate(entry, trust.public_keys, trust.threshold)
    if entry.key:
        return oms.by_key(entry, trust, digest)
    if entry.chained and not entry.entries:
        return oms.by_certificate(entry, trust)
    from scanner.trust import sigstore  # noqa: PLC0415 - sigstore, only where one of its bundles is met

    return sigstore.authenticate(entry, trust, digest)


def _demands(
    verifications: Sequence[Verification], evidence: Evidence, trust: Trust, signatures: frozenset[str]
) -> Iterator[Finding]:
    """What the user asked for and did not get."""
    verified = [v for v in verifications if v.outcome is Outcome.VERIFIED]
    refused = {Outcome.INVALID, Outcome.UNTRUSTED_SIGNER, Outcome.EXPIRED}
    if not verified:
        if not any(v.outcome in refused for v in verifications):
            why = "could be verified" if verifications else "is here"
            message = f"a signature was asked for, and none {why}"
            yield Finding(rules.DEMANDED, Location("."), message)
        return
    covered = {path for v in verified for path in (*v.subject, *v.ignored)} | signatures
    left = [
        path
        for path in sorted({*evidence.files, *evidence.unreadable})
        if path not in covered and not manifest.ignored_by(path, trust.ignore)
    ]
    if left:
        shown = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")
        message = f"no verified signature covers {shown}"
        yield Finding(rules.UNSIGNED_FILES, Location(left[0]), message, evidence=(("files", str(len(left))),))


def _finding(verification: Verification, rule: Rule) -> Finding:
    place = verification.location or Location(".")
    evidence = (("claim", verification.claim), ("signer", verification.signer))
    return Finding(rule, place, verification.reason, evidence=evidence)
