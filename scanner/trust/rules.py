"""The rules about signatures."""

from __future__ import annotations

from scanner.model import Check, Rule, Severity
from scanner.result import Outcome

_OMS = "OpenSSF model signing specification 1.0"
_SIGSTORE = "Sigstore client specification"

INVALID = Rule(
    id="signatures/invalid",
    title="A signature does not hold",
    severity=Severity.CRITICAL,
    check=Check.SIGNATURE_INVALID,
    finds="A signature that contradicts the bytes beside it, or itself: other digests, missing files, a "
    "signature that its own key did not make, a log entry of something else, a malformed list.",
    why="What lies here is not what was signed: it was changed, damaged or exchanged afterwards.",
    remedy="Do not load it. Get it again from its publisher; if the signature fails again, tell them.",
    example="`model.sig` lists `config.json` with one SHA-256, the file has another.",
    limits="Says nothing about a signature that is absent or that cannot be verified: those are other rules.",
    references=(_OMS, _SIGSTORE, "CWE-347", "CVE-2022-36056"),
)
UNTRUSTED = Rule(
    id="signatures/untrusted-signer",
    title="Signed, but not by anybody you named",
    severity=Severity.HIGH,
    check=Check.SIGNER,
    finds="A signature by another identity, key or certificate authority than those that you named.",
    why="Everybody can sign; only who signed makes a signature worth something.",
    remedy="Compare the signer with what the publisher documents; trust it only if they name it.",
    example="Expected `release@example.org`, signed by `someone@example.com`.",
    limits="Identities are compared exactly; patterns are not supported.",
    references=(_SIGSTORE, "CWE-345"),
)
EXPIRED = Rule(
    id="signatures/expired",
    title="Signed with a certificate that is not valid now",
    severity=Severity.HIGH,
    check=Check.SIGNATURE_INVALID,
    finds="A signature whose certificate chain leads to a root that you gave but is not valid at the time "
    "given, and that no time stamp proves to have been made while it was.",
    why="An expired certificate's key may have been lost or stolen since, and revocation lists no longer "
    "mention it.",
    remedy="Ask the publisher for a new signature, or for one with a transparency-log entry.",
    example="The signer's certificate ended in March, and no time stamp says that it signed before.",
    limits="Time stamps in bundles of the certificate method are not evaluated.",
    references=(f"{_OMS}, section 8.2", "RFC 5280", "CWE-298"),
)
UNSIGNED_FILES = Rule(
    id="signatures/unsigned-files",
    title="Files that the signature does not cover",
    severity=Severity.HIGH,
    check=Check.UNSIGNED,
    finds="Files beside a genuine signature of somebody you named that are not in the signed list.",
    why="A file that is added to a signed model runs with its good name: loaders read what is there.",
    remedy="Remove the files, have them signed, or name them with --ignore-path if nothing loads them.",
    example="`extra.py` lies in a signed folder and is in no list.",
    limits="Empty folders, file modes and times are never covered by a model signature.",
    references=(f"{_OMS}, section 8.5",),
)
DEMANDED = Rule(
    id="signatures/demanded",
    title="The signature that you asked for is not there",
    severity=Severity.HIGH,
    check=Check.UNSIGNED,
    finds="An artefact without any signature that could be verified, where you named keys, certificate "
    "roots, signers or a signature file.",
    why="Whoever exchanges a model also removes its signature, or puts one there that nobody can verify.",
    remedy="Get the signature from the publisher; without one, do not accept the artefact as theirs.",
    example="`weighbridge scan model --public-key publisher.pub` on a folder without `model.sig`.",
    limits="Only where a signer was named. Without, an artefact without a signature is ordinary.",
    references=("CWE-347",),
)
CANNOT_VERIFY = Rule(
    id="signatures/cannot-verify",
    title="A signature that could not be verified",
    severity=Severity.LOW,
    check=Check.UNSIGNED,
    finds="A signature of which nothing speaks against it, but which was not verified: no key, root or "
    "signer was named, the files were not read whole, or its kind is not supported.",
    why="It is no evidence for anything, and it is not tampered with either.",
    remedy="Name whom you trust (--public-key, --certificate-root, --identity and --issuer), or download "
    "the artefact first.",
    example="`model.sig` made with a key that was not given.",
    limits="Bundles whose only time is that of an intoto/0.0.2 log entry, without an inclusion proof, or "
    "with a time stamp only are not supported.",
    references=(_OMS, _SIGSTORE),
)

RULES = (INVALID, UNTRUSTED, EXPIRED, UNSIGNED_FILES, DEMANDED, CANNOT_VERIFY)

FOR_OUTCOME = {
    Outcome.INVALID: INVALID,
    Outcome.UNTRUSTED_SIGNER: UNTRUSTED,
    Outcome.EXPIRED: EXPIRED,
    Outcome.UNSUPPORTED: CANNOT_VERIFY,
}
