"""What trust tests share: artefacts made of bytes, keys made on the spot, and the shared vectors."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scanner.model import Artefact, Coverage, Digest, FileEntry, FileResult, Finding, Kind, Origin
from scanner.reader import BytesOpener
from scanner.result import Outcome, Verification
from scanner.trust.anchors import Anchor, Trust
from scanner.trust.bundle import IN_TOTO
from scanner.trust.verification import verify

ROOT = Path(__file__).parent.parent.parent
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def vectors() -> Path:
    """The folder with the shared cases, which are others' and not part of this repository.

    Where ``WEIGHBRIDGE_VECTORS`` names it, as ``.ci/run`` does, its absence is a failure and never a skip.
    """
    named = os.environ.get("WEIGHBRIDGE_VECTORS")
    places = (
        [Path(named)] if named else [p / "shared" / "vectors" / "sigstore" for p in ROOT.resolve().parents]
    )
    for place in places:
        if (place / "cases.json").is_file():
            return place
    if named:
        raise FileNotFoundError(f"WEIGHBRIDGE_VECTORS: there is no {named}/cases.json")
    pytest.skip(
        "no shared signature vectors: name their folder in WEIGHBRIDGE_VECTORS", allow_module_level=True
    )


def cases() -> list[dict]:
    return json.loads((vectors() / "cases.json").read_text())


@dataclass(frozen=True)
class Checked:
    verifications: tuple[Verification, ...]
    findings: tuple[Finding, ...]

    @property
    def signatures(self) -> tuple[Verification, ...]:
        claims = {"oms", "sigstore-bundle", "dsse", "signature"}
        return tuple(v for v in self.verifications if v.claim in claims)

    @property
    def only(self) -> Verification:
        (entry,) = self.signatures
        return entry

    @property
    def rules(self) -> list[str]:
        return sorted(finding.rule.id for finding in self.findings)

    def verified(self) -> bool:
        return any(v.outcome is Outcome.VERIFIED for v in self.signatures)


def result_of(path: str, data: bytes, *, whole: bool = True) -> FileResult:
    digests = (Digest("sha256", hashlib.sha256(data).hexdigest(), Origin.COMPUTED),) if whole else ()
    return FileResult(path, len(data), formats=("text",), coverage=Coverage.WHOLE, digests=digests)


def check(
    files: dict[str, bytes],
    options: Trust | None = None,
    *,
    results: tuple[FileResult, ...] = (),
    whole: bool = True,
    unread: frozenset[str] = frozenset(),
) -> Checked:
    """Verify an artefact that consists of these bytes, as the pipeline does."""
    found = (*(result_of(path, data, whole=whole) for path, data in sorted(files.items())), *results)
    entries = tuple(FileEntry(file.path, file.size) for file in found)
    artefact = Artefact("made", "local", "made", Kind.MODEL, None, entries)
    openers = {path: BytesOpener(data) for path, data in files.items()}
    answer = verify(artefact, found, options, openers, unread)
    return Checked(answer.verifications, answer.findings)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


MODEL = {"config.json": b'{"a": 1}\n', "sub/tokens.txt": b"one two\n", "weights.bin": bytes(range(200))}


def public_pem(key) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def raw_sign(key, data: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        algorithm = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[key.curve.key_size]
        return key.sign(data, ec.ECDSA(algorithm))
    if isinstance(key, rsa.RSAPrivateKey):
        salt = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        return key.sign(data, salt, hashes.SHA256())
    return key.sign(data)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pae(payload: bytes, kind: str = IN_TOTO) -> bytes:
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)


def envelope(payload: bytes, *keys, kind: str = IN_TOTO) -> dict:
    signatures = [{"sig": b64(raw_sign(key, pae(payload, kind))), "keyid": ""} for key in keys]
    return {"payload": b64(payload), "payloadType": kind, "signatures": signatures}


def statement_of(files: dict[str, bytes], **changes) -> dict:
    """A model signature's statement over these files; `changes` replace parts of it."""
    resources = changes.pop("resources", None) or [
        {"name": name, "algorithm": "sha256", "digest": hashlib.sha256(data).hexdigest()}
        for name, data in sorted(files.items())
    ]
    digests = b"".join(bytes.fromhex(entry["digest"]) for entry in resources)
    serialization = {"method": "files", "hash_type": "sha256", "allow_symlinks": False}
    serialization |= changes.pop("serialization", {})
    body = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": hashlib.sha256(digests).hexdigest()}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {"serialization": serialization, "resources": resources},
    }
    return body | changes


def signed(files: dict[str, bytes], key, **changes) -> bytes:
    """A model signature of the key method."""
    payload = json.dumps(statement_of(files, **changes)).encode()
    document = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": hashlib.sha256(public_pem(key)).hexdigest()}},
        "dsseEnvelope": envelope(payload, key),
    }
    return json.dumps(document).encode()


def trusting(*keys, **more) -> Trust:
    anchors = tuple(Anchor(f"{i}.pub", public_pem(key)) for i, key in enumerate(keys))
    return Trust(public_keys=anchors, now=NOW, **more)
