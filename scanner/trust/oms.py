"""The key and the certificate method of bundles: who signed, without Sigstore's services.

Sources: OMS 1.0 sections 4.1, 8.2 and 11; model-signing 1.1.1 for what signers before 1.0 did.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from scanner.errors import FormatError
from scanner.result import Outcome
from scanner.trust import certificates, keys
from scanner.trust.anchors import Trust
from scanner.trust.authenticity import Authenticity
from scanner.trust.bundle import Bundle, Envelope
from scanner.trust.manifest import LEGACY
from scanner.trust.statement import parse


def by_key(bundle: Bundle, trust: Trust, digest: bytes | None) -> Authenticity:
    """Whether one of the given public keys made a bundle's signature.

    The key that an old bundle brings along is never used; a hint only helps to say what is wrong.

    Args:
        bundle: One that names its signer by a key.
        trust: The public keys.
        digest: SHA-256 of the file, for a signature over a file.

    Raises:
        TrustError: A key cannot be used.
    """
    if not trust.public_keys:
        hint = f" (its hint: {bundle.key_hint[:80]})" if bundle.key_hint else ""
        return Authenticity(Outcome.UNSUPPORTED, f"no public key was given to check it against{hint}")
    given = [keys.load(anchor) for anchor in trust.public_keys]
    for key in given:
        answer = _signed(bundle, key.key, digest)
        if answer is None:
            reason = "keys of this kind sign whole files, which is not supported for files"
            return Authenticity(Outcome.UNSUPPORTED, reason, key.name, root=key.fingerprint)
        if answer and trust.threshold > 1:
            reason = f"a bundle holds one signature, and {trust.threshold} keys have to sign"
            return Authenticity(Outcome.UNTRUSTED_SIGNER, reason, key.name, root=key.fingerprint)
        if answer:
            reason = "the public key that you gave made the signature"
            return Authenticity(Outcome.VERIFIED, reason, key.name, root=key.fingerprint)
    claimed = next((key for key in given if bundle.key_hint in key.hints or _brings(bundle, key)), None)
    if claimed:
        reason = f"it names the key {claimed.name}, but that key did not make the signature"
        return Authenticity(Outcome.INVALID, reason, root=claimed.fingerprint)
    return Authenticity(
        Outcome.UNTRUSTED_SIGNER, "it was not made by a public key that you gave (another key)"
    )


def by_certificate(bundle: Bundle, trust: Trust) -> Authenticity:
    """Whether a bundle's certificate chain made its signature and leads to a given root.

    Raises:
        FormatError: A certificate cannot be read.
        TrustError: A root cannot be used.
    """
    leaf = certificates.parse(bundle.certificates[0])
    signer = leaf.subject.rfc4514_string()
    if bundle.envelope is None:
        return Authenticity(
            Outcome.UNSUPPORTED, "signatures over a single file by a certificate chain", signer
        )
    if not keys.supported(leaf.public_key()):
        return Authenticity(Outcome.UNSUPPORTED, "its certificate holds a key of an unsupported kind", signer)
    if not _signed(bundle, leaf.public_key(), None):
        reason = "the signature over the statement was not made by the key of the certificate"
        return Authenticity(Outcome.INVALID, reason, signer)
    chain = certificates.follow(bundle.certificates, trust.certificate_roots, trust.now)
    return Authenticity(chain.outcome, chain.reason, chain.signer, chain.issuer, chain.root)


def _signed(bundle: Bundle, key: PublicKeyTypes, digest: bytes | None) -> bool | None:
    """Whether this key made the signature; ``None`` where such a key cannot be asked."""
    if bundle.envelope is None:
        if bundle.message is None or digest is None:
            return False
        return keys.verifies_digest(key, bundle.message.signature, digest)
    if len(bundle.envelope.signatures) != 1:
        return False
    signature = bundle.envelope.signatures[0][1]
    return any(
        keys.verifies(key, signature, data, sha256=sha256) for data, sha256 in _readings(bundle.envelope)
    )


def _readings(envelope: Envelope) -> Iterator[tuple[bytes, bool]]:
    """What may have been signed, and whether SHA-256 was used whatever the curve."""
    yield envelope.pae(), False
    try:
        legacy = parse(envelope).predicate_type == LEGACY
    except FormatError:
        return
    if legacy:
        # Version 0.2 wrote DSSEV1 for DSSEv1 and the payload as Python shows bytes, and took
        # SHA-256 for every curve: wrong, but what was signed is still exactly determined.
        kind, payload = envelope.payload_type, envelope.payload
        wrong = f"DSSEV1 {len(kind)} {kind} {len(payload)} {payload!r}".encode()
        yield wrong, True
        yield wrong, False


def _brings(bundle: Bundle, key: keys.PublicKey) -> bool:
    """Whether an old bundle brings this very key (PEM) along."""
    return bool(bundle.key_bytes) and hashlib.sha256(bundle.key_bytes).hexdigest() == key.fingerprint
