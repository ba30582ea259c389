"""Options that say whom the user trusts, and how they become a :class:`Trust`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from scanner.trust import Signer, Trust

Command = TypeVar("Command", bound=Callable[..., object])
_FILE = click.Path(dir_okay=False)

_OPTIONS = (
    click.option(
        "--public-key",
        "public_keys",
        multiple=True,
        type=_FILE,
        help="PEM public key that may sign; repeat for several.",
    ),
    click.option(
        "--threshold",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="How many of the public keys have to sign a DSSE envelope.",
    ),
    click.option(
        "--certificate-root",
        "certificate_roots",
        multiple=True,
        type=_FILE,
        help="PEM root certificate of signers with certificates.",
    ),
    click.option(
        "--trusted-root",
        type=_FILE,
        help="Sigstore trusted_root.json; default: Sigstore's public instance, as shipped.",
    ),
    click.option(
        "--identity",
        "identities",
        multiple=True,
        help="Exact Sigstore identity to expect (e-mail or workflow address); '*' for any.",
    ),
    click.option(
        "--issuer",
        "issuers",
        multiple=True,
        help="Exact issuer of the identity; one for all, or one for each.",
    ),
    click.option(
        "--signature",
        "signatures",
        multiple=True,
        type=_FILE,
        help="Signature file of TARGET, where it does not lie beside it.",
    ),
    click.option(
        "--ignore-path",
        "ignore_paths",
        multiple=True,
        help="Path in a signed folder that need not be signed.",
    ),
)


def trust_options(command: Command) -> Command:
    """Options that say whom the user trusts."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def trust_of(given: dict[str, Any], moment: datetime | None = None) -> Trust:
    """Whom the options name.

    Raises:
        TrustError: A file that was named cannot be read.
        click.UsageError: Identities and issuers do not go together.
    """
    from scanner.trust import Trust, read_anchor  # noqa: PLC0415 - while workers start
    from scanner.trust.anchors import IGNORED  # noqa: PLC0415

    return Trust(
        public_keys=tuple(read_anchor(path) for path in given.get("public_keys") or ()),
        threshold=given.get("threshold") or 1,
        certificate_roots=tuple(read_anchor(path) for path in given.get("certificate_roots") or ()),
        trusted_root=given.get("trusted_root"),
        signers=_signers(given.get("identities") or (), given.get("issuers") or ()),
        now=moment,
        ignore=(*IGNORED, *(PurePosixPath(path).as_posix() for path in given.get("ignore_paths") or ())),
        signatures=tuple(read_anchor(path) for path in given.get("signatures") or ()),
    )


def _signers(identities: tuple[str, ...], issuers: tuple[str, ...]) -> tuple[Signer, ...]:
    if len(issuers) == 1:
        issuers *= len(identities) or 1
    if len(identities) != len(issuers):
        raise click.UsageError(
            "--identity and --issuer belong together: one issuer for all identities or one for each; "
            "'*' stands for any. An identity says little without who vouched for it."
        )
    from scanner.trust import Signer  # noqa: PLC0415

    return tuple(Signer(identity, issuer) for identity, issuer in zip(identities, issuers, strict=True))
