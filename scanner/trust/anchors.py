"""What the user trusts: keys, certificate roots, a Sigstore root, signers, the time, paths to leave out.

Nothing here is ever read from an artefact. Material travels as bytes, so that judging is pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from scanner.errors import TrustError

ANY = "*"
_LIMIT = 32 << 20

IGNORED = (".gitattributes", ".gitignore")
"""Left out of a signed folder's completeness by default: git's own text files at its top, which no
loader reads. Unlike the reference implementation, ``.github`` is not: code can lie there."""

# Names under which signatures are published; what a file is, its content says.
CERTAIN = (".sigstore.json", ".sigstore", ".sig")
POSSIBLE = (".bundle", ".intoto.jsonl", ".intoto.json", ".dsse.json", ".dsse", ".publish.attestation", ".att")


@dataclass(frozen=True, slots=True)
class Anchor:
    """A file that the user named, already read."""

    name: str
    """Its path as it was typed, for messages."""
    data: bytes


@dataclass(frozen=True, slots=True)
class Signer:
    """One identity in whom the user trusts; both parts are compared exactly, ``*`` means any."""

    identity: str
    """Subject alternative name of the certificate: an e-mail address or a workflow's address."""
    issuer: str
    """OpenID Connect issuer that vouched for it."""

    def __str__(self) -> str:
        return f"{self.identity} ({self.issuer})"


@dataclass(frozen=True, slots=True)
class Trust:
    """Everything that a signature may be checked against."""

    public_keys: tuple[Anchor, ...] = ()
    """PEM public keys; each of them may sign."""
    threshold: int = 1
    """How many different keys have to have signed a DSSE envelope."""
    certificate_roots: tuple[Anchor, ...] = ()
    """PEM files with root certificates of the certificate method."""
    trusted_root: str | None = None
    """Path of a Sigstore ``trusted_root.json``; ``None``: the one that the sigstore package brings."""
    signers: tuple[Signer, ...] = ()
    now: datetime | None = None
    """The clock, with a time zone. Without one, no certificate without a timestamp is accepted."""
    ignore: tuple[str, ...] = IGNORED
    """Paths (files or folders, relative to the signed folder) that need not be signed."""
    signatures: tuple[Anchor, ...] = ()
    """Signature files named by the user: they have to be about this artefact."""

    @property
    def demanding(self) -> bool:
        """Whether the user named somebody who has to have signed."""
        return bool(self.public_keys or self.certificate_roots or self.signers or self.signatures)

    def check(self) -> None:
        """Raise ``TrustError`` where a key or a root cannot be used, even if nothing will need it."""
        if self.public_keys:
            from scanner.trust import keys  # noqa: PLC0415 - cryptography is loaded when it is needed

            for anchor in self.public_keys:
                keys.load(anchor)
            if self.threshold > len(self.public_keys):
                raise TrustError(
                    f"{self.threshold} keys have to sign, but {len(self.public_keys)} were given: "
                    "give more public keys or lower the threshold"
                )
        if self.certificate_roots:
            from scanner.trust import certificates  # noqa: PLC0415 - as above

            for anchor in self.certificate_roots:
                certificates.load_roots(anchor)
        if self.trusted_root is not None:
            from scanner.trust import sigstore  # noqa: PLC0415 - as above

            sigstore.load_root(self.trusted_root)


def read_anchor(path: str) -> Anchor:
    """A file that the user named.

    Raises:
        TrustError: It cannot be read, or is far too large to be what it should be.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(_LIMIT + 1)
    except OSError as error:
        raise TrustError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > _LIMIT:
        raise TrustError(f"{path}: is larger than {_LIMIT >> 20} MiB; that is no key, root or signature")
    return Anchor(path, data)


def named_like_one(path: str) -> bool:
    """Whether a file is named as signatures are."""
    return path.lower().endswith((*CERTAIN, *POSSIBLE))
