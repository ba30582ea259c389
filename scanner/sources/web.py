"""One file at an ``https://`` address, read in ranges."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from scanner.errors import TargetError
from scanner.model import Artefact, FileEntry, Kind, Target
from scanner.sources import Options, Resolved, Source

_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


def _accepts(text: str) -> bool:
    return text.startswith(("https://", "http://"))


def _resolve(target: Target, options: Options) -> Resolved:
    from scanner.net import RangeOpener, probe  # noqa: PLC0415 - HTTP only where it is needed

    parts = urlsplit(target.text)
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise TargetError(f"{target.text}: use https://, so that nobody on the way can change the bytes")
    if not parts.hostname:
        raise TargetError(f"{target.text}: the address names no host")
    if parts.username or parts.password:
        raise TargetError("an address with a password in it would end up in reports and logs")
    name = unquote(parts.path.rpartition("/")[2]) or parts.hostname
    found = probe(target.text, timeout=options.timeout)
    opener = RangeOpener(
        target.text, size=found.size, etag=found.etag, timeout=options.timeout, spool=options.spool
    )
    artefact = Artefact(
        target.text,
        "web",
        name,
        target.kind or Kind.MODEL,
        found.etag or None,
        (FileEntry(name, found.size),),
        pinned=False,
    )
    return Resolved(artefact, {name: opener})


SOURCE = Source(name="web", accepts=_accepts, resolve=_resolve)
