"""Public keys that the user gave, and what they signed."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from scanner.errors import TrustError
from scanner.trust.anchors import Anchor

Supported = ec.EllipticCurvePublicKey | Ed25519PublicKey | rsa.RSAPublicKey
# The hash belongs to the curve (Sigstore algorithm registry; OMS algorithm registry).
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that may sign."""

    name: str
    """The file that it came from."""
    key: Supported
    hints: tuple[str, ...]
    """How bundles name this key: SHA-256 of its PEM (OMS) in hexadecimal, of its DER in base64
    (Sigstore) and in hexadecimal."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key's PEM form, in hexadecimal: the name that OMS gives it."""
        return self.hints[0]


@lru_cache(maxsize=64)
def load(anchor: Anchor) -> PublicKey:
    """A key that the user named.

    Raises:
        TrustError: It is no PEM public key, or none of a kind that is accepted.
    """
    try:
        key = load_pem_public_key(anchor.data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TrustError(
            f"{anchor.name}: is no PEM public key; such a file starts with -----BEGIN PUBLIC KEY-----"
        ) from error
    if not supported(key):
        raise TrustError(
            f"{anchor.name}: keys of this kind are not accepted; use EC P-256, P-384 or P-521, Ed25519, "
            "or RSA from 2048 bits up"
        )
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    spki = hashlib.sha256(der)
    hints = (
        hashlib.sha256(pem).hexdigest(),
        base64.b64encode(spki.digest()).decode(),
        spki.hexdigest(),
    )
    return PublicKey(anchor.name, key, hints)  # type: ignore[arg-type] # narrowed by supported()


def supported(key: PublicKeyTypes) -> bool:
    """Whether signatures of such a key are accepted."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name in _HASHES
    return isinstance(key, Ed25519PublicKey) or (isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048)


def verifies(key: PublicKeyTypes, signature: bytes, data: bytes, *, sha256: bool = False) -> bool:
    """Whether the key signed these bytes.

    Args:
        key: A supported key; any other has signed nothing.
        signature: DER for ECDSA, raw for Ed25519, PSS for RSA.
        data: What was signed, unhashed.
        sha256: Hash with SHA-256 whatever the curve (model signatures before 1.0 did).
    """
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _HASHES:
            algorithm = hashes.SHA256() if sha256 else _HASHES[key.curve.name]
            key.verify(signature, data, ec.ECDSA(algorithm))
        elif isinstance(key, Ed25519PublicKey):
            key.verify(signature, data)
        elif isinstance(key, rsa.RSAPublicKey) and supported(key):
            scheme = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
            key.verify(signature, data, scheme, hashes.SHA256())
        else:
            return False
    except InvalidSignature:
        return False
    return True


def verifies_digest(key: PublicKeyTypes, signature: bytes, digest: bytes) -> bool | None:
    """Whether the key signed a file of this SHA-256; ``None`` where such a key does not sign hashes."""
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _HASHES:
            key.verify(signature, digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        elif isinstance(key, rsa.RSAPublicKey) and supported(key):
            scheme = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
            key.verify(signature, digest, scheme, Prehashed(hashes.SHA256()))
        else:
            return None
    except InvalidSignature:
        return False
    return True
