"""One file at an ``https://`` address, read in ranges."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit

from scanner.errors import TargetError
from scanner.model import Artefact, Check, FileEntry, Finding, Kind, Location, Rule, Severity, Target
from scanner.sources import Options, Resolved, Source

NO_VALIDATOR = Rule(
    id="web/no-validator",
    title="The server gives nothing by which a change would be noticed",
    severity=Severity.LOW,
    check=Check.NOT_PINNED,
    finds="A web server that sends neither `ETag` nor `Last-Modified`.",
    why="The file is read in several ranges; without either, they could be of two different files.",
    remedy="Download the file and weigh it on disk, or have the server send an ETag.",
    example="A file that a script writes into the answer.",
    references=("https://www.rfc-editor.org/rfc/rfc9110#section-8.8", "CWE-345"),
)

_LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
_SECRET = re.compile(r"(?i)([?&;](?:[\w.~-]*(?:sig|token|key|secret|pass|cred|auth|policy)[\w.~-]*)=)[^&;#]*")


def _resolve(target: Target, options: Options) -> Resolved:
    from scanner.net import RangeOpener, probe  # noqa: PLC0415 - HTTP only where it is needed

    parts = _checked(target.text)
    # A signed address would hand its key to whoever reads the report.
    shown = _SECRET.sub(r"\1…", target.text)
    found = probe(target.text, shown, timeout=options.timeout)
    name = _name(parts)
    opener = RangeOpener(
        target.text, size=found.size, found=found, timeout=options.timeout, spool=options.spool
    )
    artefact = Artefact(
        shown,
        "web",
        name,
        target.kind or Kind.MODEL,
        found.validator or None,
        (FileEntry(name, found.size),),
        pinned=False,
    )
    message = "neither ETag nor Last-Modified: a change between two ranges would go unnoticed"
    loose = () if found.validator else (Finding(NO_VALIDATOR, Location(name), message),)
    return Resolved(artefact, {name: opener}, findings=loose)


def _checked(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise TargetError(f"{text}: is no address ({error})") from error
    if not host:
        raise TargetError(f"{text}: the address names no host")
    if parts.username or parts.password:
        raise TargetError("an address with a password in it would end up in reports and logs")
    if parts.scheme == "http" and host not in _LOCAL:
        raise TargetError(f"{text}: use https://, so that nobody on the way can change the bytes")
    return parts


def _name(parts: SplitResult) -> str:
    """The file's name as the address gives it, or the host's; never a path."""
    name = unquote(parts.path).rpartition("/")[2]
    printable = "".join(c if c.isprintable() else "_" for c in name)
    return printable if printable not in {"", ".", ".."} else parts.hostname or "file"


SOURCE = Source(
    name="web",
    accepts=lambda text, _: text.startswith(("https://", "http://")),
    resolve=_resolve,
    rules=(NO_VALIDATOR,),
)
