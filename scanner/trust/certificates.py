"""The certificate method: a chain from the signer up to a root that the user gave.

Sources: OMS 1.0 section 8.2 ("the leaf certificate MUST be within its validity period"), RFC 5280.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from scanner.errors import FormatError, TrustError
from scanner.result import Outcome
from scanner.trust.anchors import Anchor

_UNDERSTOOD = frozenset(
    {
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.CERTIFICATE_POLICIES,
    }
)


@dataclass(frozen=True, slots=True)
class Chain:
    """What came of following a chain."""

    outcome: Outcome
    reason: str
    signer: str = ""
    """Distinguished name of the signer."""
    issuer: str = ""
    root: str = ""
    """SHA-256 of the root certificate that the chain ended in."""


def parse(der: bytes) -> x509.Certificate:
    """A certificate of a bundle.

    Raises:
        FormatError: It cannot be read.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        _ = certificate.extensions, certificate.not_valid_before_utc, certificate.public_key()
    except (
        ValueError,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ) as error:
        raise FormatError(f"a certificate of the bundle cannot be read: {error}") from error
    return certificate


@lru_cache(maxsize=64)
def load_roots(anchor: Anchor) -> tuple[x509.Certificate, ...]:
    """The root certificates of a PEM file.

    Raises:
        TrustError: It holds none.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(anchor.data))
    except ValueError as error:
        raise TrustError(
            f"{anchor.name}: holds no PEM certificate; it starts with -----BEGIN CERTIFICATE-----"
        ) from error


def follow(certificates: Sequence[bytes], roots: Sequence[Anchor], now: datetime | None) -> Chain:
    """Whether a chain leads from its first certificate to one of the roots.

    Without a trusted timestamp nobody knows when a signature was made, so the chain has to be valid
    now. A chain that was valid once is *expired*, not forged.

    Raises:
        FormatError: A certificate cannot be read.
        TrustError: A root file holds no certificate.
    """
    leaf, *others = (parse(der) for der in certificates)
    signer, issuer = leaf.subject.rfc4514_string(), leaf.issuer.rfc4514_string()
    if not roots:
        reason = "no certificate root was given to check it against"
        return Chain(Outcome.UNSUPPORTED, reason, signer, issuer)
    if unfit := _unfit(leaf):
        return Chain(Outcome.INVALID, unfit, signer, issuer)
    trusted = [root for anchor in roots for root in load_roots(anchor)]
    if now is None:
        reason = "no time was given, and a certificate without a timestamp has to be valid now"
        return Chain(Outcome.UNSUPPORTED, reason, signer, issuer)
    found, why = _chain(leaf, others, trusted, now)
    if found:
        digest = hashlib.sha256(found[-1].public_bytes(Encoding.DER)).hexdigest()
        return Chain(
            Outcome.VERIFIED, "the certificate leads to a root that you gave", signer, issuer, digest
        )
    for moment in (leaf.not_valid_before_utc, leaf.not_valid_after_utc):
        if _chain(leaf, others, trusted, moment)[0]:
            return Chain(Outcome.EXPIRED, _dates(leaf, now), signer, issuer)
    reason = f"its certificate does not lead to a root that you gave: {why}"
    return Chain(Outcome.UNTRUSTED_SIGNER, reason, signer, issuer)


def _chain(
    leaf: x509.Certificate,
    others: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    time: datetime,
) -> tuple[Sequence[x509.Certificate], str]:
    """The verified chain, leaf first; empty, with the reason, where there is none."""
    ca_policy = ExtensionPolicy.webpki_defaults_ca().may_be_present(
        x509.ExtendedKeyUsage, Criticality.AGNOSTIC, None
    )
    # The leaf's extensions are judged by _unfit(): web servers' rules do not fit a signer.
    verifier = (
        PolicyBuilder()
        .store(Store(list(roots)))
        .time(time)
        .extension_policies(ca_policy=ca_policy, ee_policy=ExtensionPolicy.permit_all())
        .build_client_verifier()
    )
    try:
        return verifier.verify(leaf, list(others)).chain, ""
    except (VerificationError, x509.UnsupportedGeneralNameType, ValueError) as error:
        return (), str(error)


def _unfit(leaf: x509.Certificate) -> str:
    """Why a certificate may not sign; empty where it may."""
    unknown = [e.oid.dotted_string for e in leaf.extensions if e.critical and e.oid not in _UNDERSTOOD]
    if unknown:
        return f"its certificate has a critical extension that is not understood: {unknown[0]}"
    constraints, usage, extended = (
        next((e.value for e in leaf.extensions if isinstance(e.value, kind)), None)
        for kind in (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage)
    )
    # NOTE: real signers' certificates exist that claim to be a CA but may not sign certificates.
    issues = isinstance(usage, x509.KeyUsage) and usage.key_cert_sign
    if isinstance(constraints, x509.BasicConstraints) and constraints.ca and issues:
        return "its certificate is that of a certificate authority, not of a signer"
    if isinstance(usage, x509.KeyUsage) and not usage.digital_signature:
        return "its certificate is not for digital signatures"
    if isinstance(extended, x509.ExtendedKeyUsage):
        accepted = {ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
        if not accepted & set(extended):
            return "its certificate is not for code signing"
    if usage is None and extended is None:
        return "its certificate does not say that it may sign"
    return ""


def _dates(leaf: x509.Certificate, now: datetime) -> str:
    if now > leaf.not_valid_after_utc:
        end = f"{leaf.not_valid_after_utc:%Y-%m-%d}"
        return f"its certificate expired on {end}, and no time stamp proves that it signed before"
    if now < leaf.not_valid_before_utc:
        return f"its certificate is not valid before {leaf.not_valid_before_utc:%Y-%m-%d}"
    return f"a certificate between the signer and the root is not valid on {now:%Y-%m-%d}"
