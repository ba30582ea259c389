"""Envelopes signed with plain keys: k of n different keys have to have signed.

Source: DSSE protocol 1.0. Key ids are hints that nobody vouches for, so every key is tried.
"""

from __future__ import annotations

from collections.abc import Sequence

from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import Signature, SSlibKey  # type: ignore[attr-defined] # has no __all__

from scanner.result import Outcome
from scanner.trust import keys
from scanner.trust.anchors import Anchor
from scanner.trust.authenticity import Authenticity
from scanner.trust.bundle import Envelope


def authenticate(envelope: Envelope, anchors: Sequence[Anchor], threshold: int) -> Authenticity:
    """Which of the given keys signed an envelope, and whether they are enough.

    Raises:
        TrustError: A key cannot be used.
    """
    if not anchors:
        return Authenticity(Outcome.UNSUPPORTED, "no public key was given to check it against")
    given = [keys.load(anchor) for anchor in anchors]
    data = envelope.pae()
    signed: dict[str, keys.PublicKey] = {}
    for hint, signature in envelope.signatures:
        found = [key for key in given if _verifies(key, signature, data)]
        signed |= {key.fingerprint: key for key in found}
        claimed = next((key for key in given if hint in key.hints), None)
        if claimed and claimed not in found:
            reason = f"the signature that claims to be by {claimed.name} was not made by that key"
            return Authenticity(Outcome.INVALID, reason)
    names = ", ".join(sorted(key.name for key in signed.values()))
    count = f"{len(signed)} of the {len(given)} keys that you gave signed it, {threshold} have to"
    root = min(signed, default="")
    if len(signed) < threshold:
        return Authenticity(Outcome.UNTRUSTED_SIGNER, count, names, root=root)
    return Authenticity(Outcome.VERIFIED, count, names, root=root)


def _verifies(key: keys.PublicKey, signature: bytes, data: bytes) -> bool:
    parsed = SSlibKey.from_crypto(key.key, keyid=key.fingerprint)
    try:
        parsed.verify_signature(Signature(key.fingerprint, signature.hex()), data)
    except (UnverifiedSignatureError, VerificationError):
        return False
    return True
