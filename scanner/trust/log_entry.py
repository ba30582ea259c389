"""What a bundle says against itself: contradictions between its parts, found without any trust.

The library that verifies bundles stops at what it does not support; a contradiction is a forgery
whether or not the rest could be verified. Nothing here makes a bundle good.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from scanner.errors import FormatError
from scanner.trust import keys
from scanner.trust.bundle import Bundle, LogEntry
from scanner.trust.documents import base64_of, decode_base64, take

_TIMESTAMPS = 32
"""As many as the library looks at."""
_PEM = b"-----BEGIN CERTIFICATE-----"


def contradiction(bundle: Bundle, leaf: x509.Certificate, digest: bytes | None) -> str:
    """The first thing in which the parts of a bundle disagree; empty where they agree.

    Args:
        bundle: What is inspected.
        leaf: The signer's certificate, parsed.
        digest: SHA-256 of the file that a message signature should be about, if it is known.
    """
    return next(_contradictions(bundle, leaf, digest), "")


def _contradictions(bundle: Bundle, leaf: x509.Certificate, digest: bytes | None) -> Iterator[str]:
    if bundle.message and digest and bundle.message.digest not in {None, digest}:
        yield "the message digest in the bundle is not the file's"
    key = leaf.public_key()
    if bundle.envelope and keys.supported(key):
        pae = bundle.envelope.pae()
        # NOTE: sigstore hashes with SHA-256 for every curve; model signatures by the curve.
        if not any(
            keys.verifies(key, signature, pae, sha256=choice)
            for _, signature in bundle.envelope.signatures
            for choice in (True, False)
        ):
            yield "the signature over the statement was not made by the key of the certificate"
    stated = digest or (bundle.message.digest if bundle.message else None)
    if bundle.message and stated and keys.verifies_digest(key, bundle.message.signature, stated) is False:
        yield "the signature over the file was not made by the key of the certificate"
    if len(set(bundle.timestamps)) != len(bundle.timestamps):
        yield "it holds a duplicate timestamp, as if one were two"
    for response in bundle.timestamps[:_TIMESTAMPS]:
        yield from _time_stamp(response, leaf)
    for entry in bundle.entries or ():
        if entry.checkpoint and not entry.promise and not bundle.timestamps:
            yield "it has no signed time: neither an inclusion promise nor a time stamp"
        yield from _entry(bundle, entry, leaf, stated)


def _entry(bundle: Bundle, entry: LogEntry, leaf: x509.Certificate, digest: bytes | None) -> Iterator[str]:
    try:
        logged = _LOGGED.get((entry.kind, entry.version), _nothing)(entry.body)
        names = (take(entry.body, "kind", str), take(entry.body, "apiVersion", str))
    except FormatError as error:
        yield f"the log entry is malformed: {error.reason}"
        return
    if names != (entry.kind, entry.version):
        yield f"the log entry says it is {'/'.join(names)}, the bundle says {entry.kind}/{entry.version}"
    ours = _signatures(bundle)
    if logged.get("signature") not in {None, *ours}:
        yield "the log entry is about another signature: the signatures do not match"
    if logged.get("certificate") not in {None, leaf.public_bytes(Encoding.DER)}:
        yield "the log entry names another key or certificate than the bundle's"
    if bundle.envelope and logged.get("payload") not in {None, _sha256(bundle.envelope.payload)}:
        yield "the log entry is about another statement: the payload hash does not match"
    if bundle.envelope and logged.get("pae") not in {None, _sha256(bundle.envelope.pae())}:
        yield "the log entry is about another statement: the envelope's hash does not match"
    if bundle.message and digest and logged.get("data") not in {None, digest.hex()}:
        yield "the log entry is about another file: its hash does not match"
    if entry.promise and entry.integrated is not None:
        try:
            time = datetime.fromtimestamp(entry.integrated, UTC)
        except (ValueError, OverflowError, OSError):
            yield "the log's time is no time"
            return
        if not leaf.not_valid_before_utc <= time <= leaf.not_valid_after_utc:
            moment = f"{time:%Y-%m-%dT%H:%M:%SZ}"
            yield f"the log took the signature at {moment}, outside the certificate's validity"


def _time_stamp(response: bytes, leaf: x509.Certificate) -> Iterator[str]:
    from rfc3161_client import decode_timestamp_response  # noqa: PLC0415 - sigstore brings it

    try:
        time = decode_timestamp_response(response).tst_info.gen_time
    except ValueError:
        yield "a time stamp cannot be read"
        return
    if not leaf.not_valid_before_utc <= time <= leaf.not_valid_after_utc:
        yield f"it was time-stamped at {time:%Y-%m-%dT%H:%M:%SZ}, outside the certificate's validity"


def _signatures(bundle: Bundle) -> set[bytes]:
    if bundle.envelope:
        return {signature for _, signature in bundle.envelope.signatures}
    return {bundle.message.signature} if bundle.message else set()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# What each kind of entry records: signature (bytes), certificate (DER), and the hashes in hexadecimal
# of the file (data), of the statement (payload) or of the envelope's encoding (pae).
# Sources: sigstore/rekor pkg/types/*/v0.0.*/*.json, rekor-tiles hashedrekord v0.0.2.


def _hashedrekord_1(body: Any) -> dict[str, Any]:
    spec = take(body, "spec", dict)
    signature = take(spec, "signature", dict)
    return {
        "signature": base64_of(signature, "content"),
        "certificate": _certificate(base64_of(take(signature, "publicKey", dict), "content")),
        "data": take(take(take(spec, "data", dict), "hash", dict), "value", str),
    }


def _hashedrekord_2(body: Any) -> dict[str, Any]:
    spec = take(take(body, "spec", dict), "hashedRekordV002", dict)
    signature, digest = take(spec, "signature", dict), base64_of(take(spec, "data", dict), "digest")
    verifier = take(signature, "verifier", dict)
    found: dict[str, Any] = {"signature": base64_of(signature, "content")}
    # For an envelope the entry is about its encoding, for a file about the file: one value, two names.
    if take(take(spec, "data", dict), "algorithm", str) == "SHA2_256":
        found |= {"data": digest.hex(), "pae": digest.hex()}
    if "x509Certificate" in verifier:
        found["certificate"] = base64_of(verifier["x509Certificate"], "rawBytes")
    return found


def _dsse_1(body: Any) -> dict[str, Any]:
    spec = take(body, "spec", dict)
    signature = _only(take(spec, "signatures", list))
    return {
        "signature": base64_of(signature, "signature"),
        "certificate": _certificate(base64_of(signature, "verifier")),
        "payload": take(take(spec, "payloadHash", dict), "value", str),
    }


def _intoto_2(body: Any) -> dict[str, Any]:
    content = take(take(body, "spec", dict), "content", dict)
    signature = _only(take(take(content, "envelope", dict), "signatures", list))
    return {
        "signature": _unwrapped(base64_of(signature, "sig")),
        "certificate": _certificate(base64_of(signature, "publicKey")),
        "payload": take(take(content, "payloadHash", dict), "value", str),
    }


def _unwrapped(signature: bytes) -> bytes:
    """Rekor encodes what is base64 already once more."""
    try:
        return decode_base64(signature.decode("ascii"), "sig")
    except (FormatError, UnicodeDecodeError):
        return signature


def _nothing(body: Any) -> dict[str, Any]:
    del body
    return {}


_LOGGED = {
    ("hashedrekord", "0.0.1"): _hashedrekord_1,
    ("hashedrekord", "0.0.2"): _hashedrekord_2,
    ("dsse", "0.0.1"): _dsse_1,
    ("intoto", "0.0.2"): _intoto_2,
}


def _only(items: list[Any]) -> Any:
    if len(items) != 1:
        raise FormatError(f"{len(items)} signatures were logged, not one")
    return items[0]


def _certificate(pem: bytes) -> bytes:
    """DER of a logged certificate; what is a bare key instead is given back as it is."""
    if not pem.startswith(_PEM):
        return pem
    try:
        return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    except ValueError as error:
        raise FormatError("the logged certificate cannot be read") from error
