"""Sigstore bundles, verified by sigstore-python against a trusted-root file: no cache, no network.

The order is: contradictions in the bundle itself (forged, whatever else), what the library does not
support (genuine perhaps: never called tampered), then the library, then who signed.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from scanner.errors import FormatError, TrustError
from scanner.result import Outcome
from scanner.trust import certificates
from scanner.trust.anchors import ANY, Signer, Trust
from scanner.trust.authenticity import Authenticity
from scanner.trust.bundle import MEDIA_V03, Bundle
from scanner.trust.documents import base64_of, optional, parse_json, take
from scanner.trust.log_entry import contradiction

if TYPE_CHECKING:
    from sigstore.verify import Verifier
    from sigstore.verify.policy import VerificationPolicy

_PRODUCTION = "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
_MEDIA = frozenset(
    {f"application/vnd.dev.sigstore.bundle+json;version=0.{minor}" for minor in (1, 2, 3)} | {MEDIA_V03}
)
_KINDS = frozenset(
    {("hashedrekord", "0.0.1"), ("hashedrekord", "0.0.2"), ("dsse", "0.0.1"), ("intoto", "0.0.2")}
)
_ISSUER, _ISSUER_V1 = "1.3.6.1.4.1.57264.1.8", "1.3.6.1.4.1.57264.1.1"


@dataclass(frozen=True, slots=True)
class _Root:
    path: str
    digest: str
    data: bytes
    authorities: tuple[bytes, ...]
    """DER of every certificate authority that it names."""


class _Anyone:
    """A policy of the library that leaves the question of who signed to us."""

    def verify(self, cert: x509.Certificate) -> None:
        del cert


def authenticate(bundle: Bundle, trust: Trust, digest: bytes | None) -> Authenticity:
    """Who made a bundle that carries a Sigstore certificate.

    Args:
        bundle: What was read.
        trust: The trusted root and the signers that are expected.
        digest: SHA-256 of the file, for a signature over a file.

    Raises:
        FormatError: The bundle is malformed.
        TrustError: The trusted root cannot be used.
    """
    leaf = certificates.parse(bundle.certificates[0])
    root = load_root(trust.trusted_root)
    signer, issuer = identity(leaf), oidc_issuer(leaf)

    def answer(outcome: Outcome, reason: str, time: str = "") -> Authenticity:
        return Authenticity(outcome, reason, signer, issuer, root.digest, time)

    if why := _own_root(bundle, root) or contradiction(bundle, leaf, digest):
        return answer(Outcome.INVALID, why)
    if why := _unsupported(bundle, leaf):
        return answer(Outcome.UNSUPPORTED, why)
    verifier = _verifier(root)
    if why := _stranger(leaf, root):
        return answer(Outcome.UNTRUSTED_SIGNER, why)
    if why := _refusal(bundle, verifier, digest):
        return answer(Outcome.INVALID, f"the bundle does not verify: {why}")
    time = _time(bundle)
    if not trust.signers:
        reason = f"the signature of {signer} is genuine, but no signer was named whom to expect"
        return answer(Outcome.UNSUPPORTED, reason, time)
    if not any(_is(leaf, expected) for expected in trust.signers):
        expected = ", ".join(str(entry) for entry in trust.signers)
        reason = f"it was signed by {signer} (issuer {issuer}), not by {expected}"
        return answer(Outcome.UNTRUSTED_SIGNER, reason, time)
    return answer(Outcome.VERIFIED, "the signature, its log entry and its signer are as expected", time)


def load_root(path: str | None) -> _Root:
    """The trusted root: a file of the user's, or the production root in the sigstore package itself.

    Raises:
        TrustError: It cannot be read.
    """
    place = (
        Path(path) if path else Path(str(files("sigstore") / "_store" / _PRODUCTION / "trusted_root.json"))
    )
    try:
        data = place.read_bytes()
        document = parse_json(data, "the trusted root")
        authorities = tuple(
            base64_of(certificate, "rawBytes")
            for authority in take(document, "certificateAuthorities", list)
            for certificate in take(take(authority, "certChain", dict), "certificates", list)
        )
    except (OSError, FormatError) as error:
        raise TrustError(f"{place}: cannot be used as a Sigstore trusted root: {error}") from error
    if not authorities:
        raise TrustError(f"{place}: cannot be used as a Sigstore trusted root: it names no authority")
    return _Root(str(place), hashlib.sha256(data).hexdigest(), data, authorities)


def _own_root(bundle: Bundle, root: _Root) -> str:
    for der in bundle.certificates[1:]:
        certificate = certificates.parse(der)
        if certificate.subject == certificate.issuer and der not in root.authorities:
            return "its certificate chain brings a root certificate that the trusted root does not name"
    return ""


def _unsupported(bundle: Bundle, leaf: x509.Certificate) -> str:
    """What in a well-formed bundle the library cannot verify, although other clients might."""
    if bundle.media_type not in _MEDIA:
        return f"bundles of the type {bundle.media_type[:80]} are not supported"
    if not bundle.entries:
        return "it has no transparency log entry (a time stamp alone is not supported)"
    if len(bundle.entries) > 1:
        return f"it has {len(bundle.entries)} transparency log entries; only one is supported"
    entry = bundle.entries[0]
    if (entry.kind, entry.version) not in _KINDS:
        return f"log entries of the kind {entry.kind}/{entry.version} are not supported"
    if not entry.checkpoint:
        return "its log entry has no inclusion proof with a checkpoint (only a promise)"
    if entry.kind == "intoto" and not bundle.timestamps:
        return "the time in a log entry of the kind intoto/0.0.2 is not supported, and it has no time stamp"
    if not isinstance(leaf.public_key(), ec.EllipticCurvePublicKey):
        return "only signatures of elliptic-curve keys are supported"
    return ""


def _stranger(leaf: x509.Certificate, root: _Root) -> str:
    """Whether the certificate comes from an authority outside the root, judged by key identifiers."""
    named = {_subject_key(certificates.parse(der)) for der in root.authorities}
    try:
        extension = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    except x509.ExtensionNotFound:
        return ""
    if extension.value.key_identifier in named:
        return ""
    return "its certificate was issued by an authority that the trusted root does not name"


def _subject_key(authority: x509.Certificate) -> bytes:
    try:
        return authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return x509.SubjectKeyIdentifier.from_public_key(authority.public_key()).digest


def _refusal(bundle: Bundle, verifier: Verifier, digest: bytes | None) -> str:
    """Why sigstore-python refuses; empty where it accepts."""
    from sigstore.errors import Error  # noqa: PLC0415 - 0.3 s, only where a bundle is met
    from sigstore.hashes import Hashed  # noqa: PLC0415
    from sigstore.models import Bundle as Parsed  # noqa: PLC0415
    from sigstore_models.common.v1 import HashAlgorithm  # noqa: PLC0415

    try:
        parsed = Parsed.from_json(bundle.raw)
        if bundle.envelope is None:
            if digest is None:
                return "the file that it signs is not known"
            hashed = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=digest)
            verifier.verify_artifact(hashed, parsed, _Anyone())
        elif bundle.entries and bundle.entries[0].kind == "intoto":
            _verify_intoto(verifier, bundle)
        else:
            seen = verifier.verify_dsse(parsed, _Anyone())
            if seen != (bundle.envelope.payload_type, bundle.envelope.payload):
                return "two readers see different statements in it"
    except (
        Error,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        UnsupportedAlgorithm,
        ImportError,
        x509.ExtensionNotFound,
    ) as error:
        return " ".join(" ".join(str(part) for part in error.args).split())[:300] or type(error).__name__
    return ""


@lru_cache(maxsize=8)
def _verifier(root: _Root) -> Verifier:
    from sigstore.errors import Error  # noqa: PLC0415
    from sigstore.models import TrustedRoot  # noqa: PLC0415
    from sigstore.verify import Verifier as Verifying  # noqa: PLC0415

    # The library tells its warnings to standard error where nobody listens to them.
    logging.getLogger("sigstore").addHandler(logging.NullHandler())
    with TemporaryDirectory() as folder:
        copy = Path(folder, "trusted_root.json")
        try:
            copy.write_bytes(_inclusive(root.data))
            return Verifying(trusted_root=TrustedRoot.from_file(str(copy)))
        except (Error, ValueError, OSError) as error:
            reason = " ".join(str(error).split())[:300]
            raise TrustError(f"{root.path}: cannot be used as a Sigstore trusted root: {reason}") from error


def _inclusive(data: bytes) -> bytes:
    """A trusted root for the library, which takes the end of a time-stamp authority's time as exclusive.

    It is inclusive (``sigstore_common.proto``, TimeRange), so it is moved on by the smallest step.
    """
    document = json.loads(data)
    for authority in optional(document, "timestampAuthorities", list) or ():
        validity = optional(authority, "validFor", dict)
        if validity and isinstance(validity.get("end"), str):
            end = datetime.fromisoformat(validity["end"]) + timedelta(microseconds=1)
            validity["end"] = end.isoformat()
    return json.dumps(document).encode()


def _verify_intoto(verifier: Verifier, bundle: Bundle) -> None:
    """An entry of the kind intoto/0.0.2 whose time a timestamp authority proves.

    The library verifies everything about such a bundle except that it does not accept the log's own
    time for this kind, and that it does not compare the entry with the envelope. The first is taken
    out here, so that the authority's time alone counts; the second is done by
    :func:`scanner.trust.log_entry.contradiction`, which demands all three of signature, certificate
    and payload for this kind.
    """
    from sigstore._internal.trust import KeyringPurpose  # noqa: PLC0415
    from sigstore.models import Bundle as Parsed  # noqa: PLC0415

    document = json.loads(bundle.raw)
    for entry in document["verificationMaterial"]["tlogEntries"]:
        entry.pop("inclusionPromise", None)
    reduced, whole = Parsed.from_json(json.dumps(document)), Parsed.from_json(bundle.raw)
    verifier._verify_common_signing_cert(reduced, _Anyone())  # noqa: SLF001 - steps 0 to 6, no public way
    keyring = verifier._trusted_root.rekor_keyring(KeyringPurpose.VERIFY)  # noqa: SLF001
    whole.log_entry._verify(keyring)  # noqa: SLF001 - the promise as well, where there is one


def _time(bundle: Bundle) -> str:
    """When it was signed, where the evidence that has just been verified proves one time."""
    entry = bundle.entries[0] if bundle.entries else None
    if entry and entry.promise and entry.integrated is not None and entry.kind != "intoto":
        return datetime.fromtimestamp(entry.integrated, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if len(bundle.timestamps) == 1:
        from rfc3161_client import decode_timestamp_response  # noqa: PLC0415 - sigstore brings it

        moment = decode_timestamp_response(bundle.timestamps[0]).tst_info.gen_time
        return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return ""


def _is(leaf: x509.Certificate, expected: Signer) -> bool:
    """Whether a certificate is that signer's; compared exactly by the library's policies."""
    from sigstore.errors import VerificationError  # noqa: PLC0415
    from sigstore.verify import policy  # noqa: PLC0415

    wanted: VerificationPolicy
    if expected.identity == ANY and expected.issuer == ANY:
        return True
    if expected.identity == ANY:
        wanted = policy.AnyOf([policy.OIDCIssuerV2(expected.issuer), policy.OIDCIssuer(expected.issuer)])
    else:
        issuer = None if expected.issuer == ANY else expected.issuer
        wanted = policy.Identity(identity=expected.identity, issuer=issuer)
    try:
        wanted.verify(leaf)
    except VerificationError:
        return False
    return True


def identity(leaf: x509.Certificate) -> str:
    """The signer's name in a Fulcio certificate: the only subject alternative name."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return leaf.subject.rfc4514_string()
    shown = []
    for name in names:
        if isinstance(name, x509.OtherName):
            shown.append(_der_text(name.value))
        else:
            shown.append(str(name.value))
    return ", ".join(shown)


def oidc_issuer(leaf: x509.Certificate) -> str:
    """Who vouched for the signer (Fulcio's extensions 1.8 and, in old certificates, 1.1)."""
    for oid in (_ISSUER, _ISSUER_V1):
        try:
            value = leaf.extensions.get_extension_for_oid(x509.ObjectIdentifier(oid)).value
        except x509.ExtensionNotFound:
            continue
        if isinstance(value, x509.UnrecognizedExtension):
            return _der_text(value.value) if oid == _ISSUER else value.value.decode("utf-8", "replace")
    return leaf.issuer.rfc4514_string()


def _der_text(value: bytes) -> str:
    """Text of a short DER UTF8String; the bytes themselves where it is anything else."""
    if len(value) >= 2 and value[0] == 0x0C and value[1] == len(value) - 2:
        return value[2:].decode("utf-8", "replace")
    return value.decode("utf-8", "replace")
