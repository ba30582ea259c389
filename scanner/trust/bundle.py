"""Sigstore bundles and DSSE envelopes as they are written; reading one proves nothing.

Sources: sigstore/protobuf-specs ``sigstore_bundle.proto`` (v0.1 to v0.3), the DSSE envelope 1.0,
PEP 740 attestations, npm's attestation documents.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scanner.errors import FormatError
from scanner.trust.documents import base64_of, decode_base64, optional, parse_json, take

MEDIA_PREFIX = "application/vnd.dev.sigstore.bundle"
MEDIA_V03 = "application/vnd.dev.sigstore.bundle.v0.3+json"
IN_TOTO = "application/vnd.in-toto+json"
_MANY = 64
"""Signatures in one envelope; each costs a computation for each key."""
_LONG = 10
"""Certificates in one chain."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A DSSE envelope: a payload, and who signed it."""

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]
    """Key id (a hint that nobody vouches for) and signature."""

    def pae(self) -> bytes:
        """What was signed (DSSE protocol 1.0, pre-authentication encoding)."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)


@dataclass(frozen=True, slots=True)
class MessageSignature:
    """A signature over the bytes of one file."""

    signature: bytes
    digest: bytes | None
    """SHA-256 of the file, as the bundle says."""


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An entry of a transparency log."""

    kind: str
    version: str
    integrated: int | None
    """Seconds since 1970, where the log gave a time."""
    promise: bool
    """Whether the log signed its time and place (the inclusion promise)."""
    checkpoint: bool
    """Whether there is an inclusion proof up to a signed checkpoint."""
    body: Any
    """What was logged, parsed."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A Sigstore bundle."""

    media_type: str
    raw: bytes
    """Its JSON, for the library that verifies it."""
    certificates: tuple[bytes, ...]
    """DER, the signer's first."""
    chained: bool
    """Whether they came as a chain (v0.1, v0.2 and the certificate method of OMS)."""
    key: bool
    """Whether the signer is named by a key instead of a certificate."""
    key_hint: str
    key_bytes: bytes
    """The key itself, in old model signatures; never trusted."""
    entries: tuple[LogEntry, ...] | None
    """``None`` where the bundle does not mention the log at all."""
    timestamps: tuple[bytes, ...]
    """RFC 3161 responses."""
    envelope: Envelope | None
    message: MessageSignature | None


def read(data: bytes) -> tuple[Bundle | Envelope, ...] | None:
    """Everything signed in a file; ``None`` where it is no document of the kinds we know.

    Raises:
        FormatError: It claims to be one and is malformed.
    """
    text = data.strip()
    if not text:
        raise FormatError("the file is empty")
    if not text.startswith(b"{"):
        return None
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and all(line.startswith(b"{") and line.rstrip().endswith(b"}") for line in lines):
        documents = [parse_json(line, "a line of it") for line in lines]
    else:
        documents = [parse_json(text, "it")]
    found = [entry for document in documents for entry in _entries(document)]
    return tuple(found) or None


def _entries(document: Any) -> Iterator[Bundle | Envelope]:
    if not isinstance(document, dict):
        return
    if str(document.get("mediaType", "")).startswith(MEDIA_PREFIX):
        yield _bundle(document)
    elif {"payload", "payloadType", "signatures"} <= document.keys():
        yield _envelope(document)
    elif isinstance(document.get("attestations"), list):
        for attestation in document["attestations"]:
            yield _bundle(take(attestation, "bundle", dict))
    elif document.get("version") == 1 and {"verification_material", "envelope"} <= document.keys():
        yield _bundle(_from_pep740(document))


def _from_pep740(document: dict[str, Any]) -> dict[str, Any]:
    """A PEP 740 attestation as the bundle that it was made from."""
    material = take(document, "verification_material", dict)
    envelope = take(document, "envelope", dict)
    return {
        "mediaType": MEDIA_V03,
        "verificationMaterial": {
            "certificate": {"rawBytes": take(material, "certificate", str)},
            "tlogEntries": take(material, "transparency_entries", list),
        },
        "dsseEnvelope": {
            "payload": take(envelope, "statement", str),
            "payloadType": IN_TOTO,
            "signatures": [{"sig": take(envelope, "signature", str)}],
        },
    }


def _bundle(document: dict[str, Any]) -> Bundle:
    material = take(document, "verificationMaterial", dict)
    single, chain = optional(material, "certificate", dict), optional(material, "x509CertificateChain", dict)
    key = optional(material, "publicKey", dict)
    named = [part for part in (single, chain, key) if part is not None]
    if len(named) != 1:
        raise FormatError("verificationMaterial has to name one certificate, one chain or one public key")
    listed = [single] if single is not None else take(chain, "certificates", list) if chain else []
    if key is None and not listed:
        raise FormatError("the certificate chain is empty")
    if len(listed) > _LONG:
        raise FormatError(f"the certificate chain holds more than {_LONG} certificates")
    entries = optional(material, "tlogEntries", list)
    stamps = optional(material, "timestampVerificationData", dict) or {}
    envelope, message = optional(document, "dsseEnvelope", dict), optional(document, "messageSignature", dict)
    if (envelope is None) == (message is None):
        raise FormatError("a bundle holds either a dsseEnvelope or a messageSignature")
    return Bundle(
        media_type=take(document, "mediaType", str),
        raw=json.dumps(document).encode(),
        certificates=tuple(base64_of(certificate, "rawBytes") for certificate in listed),
        chained=chain is not None,
        key=key is not None,
        key_hint=(optional(key, "hint", str) or "") if key else "",
        key_bytes=base64_of(key, "rawBytes") if key and "rawBytes" in key else b"",
        entries=None if entries is None else tuple(_log_entry(entry) for entry in entries),
        timestamps=tuple(
            base64_of(stamp, "signedTimestamp") for stamp in optional(stamps, "rfc3161Timestamps", list) or ()
        ),
        envelope=_envelope(envelope) if envelope is not None else None,
        message=_message(message) if message is not None else None,
    )


def _envelope(document: dict[str, Any]) -> Envelope:
    signatures = tuple(
        (optional(entry, "keyid", str) or "", base64_of(entry, "sig"))
        for entry in take(document, "signatures", list)
    )
    if not signatures or not all(signature for _, signature in signatures):
        raise FormatError("the envelope holds no signature")
    if len(signatures) > _MANY:
        raise FormatError(f"the envelope holds more than {_MANY} signatures")
    return Envelope(take(document, "payloadType", str), base64_of(document, "payload"), signatures)


def _message(document: dict[str, Any]) -> MessageSignature:
    stated = optional(document, "messageDigest", dict)
    digest = None
    if stated is not None and take(stated, "algorithm", str) == "SHA2_256":
        digest = base64_of(stated, "digest")
    return MessageSignature(base64_of(document, "signature"), digest)


def _log_entry(document: Any) -> LogEntry:
    kind = take(document, "kindVersion", dict)
    _counted(take(document, "logIndex", str), "logIndex")
    integrated = optional(document, "integratedTime", str)
    promise = optional(document, "inclusionPromise", dict)
    proof = optional(document, "inclusionProof", dict)
    checkpoint = optional(proof, "checkpoint", dict) if proof else None
    body = decode_base64(take(document, "canonicalizedBody", str), "canonicalizedBody")
    return LogEntry(
        kind=take(kind, "kind", str),
        version=take(kind, "version", str),
        integrated=_counted(integrated, "integratedTime") if integrated is not None else None,
        promise=bool(promise and promise.get("signedEntryTimestamp")),
        checkpoint=bool(checkpoint and checkpoint.get("envelope")),
        body=parse_json(body, "the body of the log entry"),
    )


def _counted(text: str, what: str) -> int:
    """A protobuf uint64, which its JSON writes as text."""
    if not text.isascii() or not text.isdigit() or len(text) > 20:
        raise FormatError(f"{what} is no whole number from 0 up: {text[:24]}")
    return int(text)
