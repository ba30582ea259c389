"""Options that several verbs share, and how they become a request."""

from __future__ import annotations

import datetime
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from scanner.errors import ScannerError
from scanner.examination import Limits
from scanner.model import Kind, Report, Target
from scanner.pipeline import Progress, Request, scan_artefact
from scanner.sources import Options
from scanner.trust import TrustOptions
from scanner.workers import Workers

Command = TypeVar("Command", bound=Callable[..., object])

_SOURCE = (
    click.option("--kind", type=click.Choice([k.value for k in Kind]), help="What the artefact is, where its source cannot say."),
    click.option("--token", envvar="HF_TOKEN", show_envvar=True, help="Access token for a private or gated Hub repository."),
    click.option("--endpoint", envvar="HF_ENDPOINT", show_envvar=True, help="Address of the Hub or of a mirror."),
    click.option("--spool", is_flag=True, help="Download a file to disk where the server cannot answer ranges."),
    click.option("--timeout", type=click.FloatRange(1), default=30.0, show_default=True, help="Seconds to wait for the source."),
)
_TRUST = (
    click.option("--signature", type=click.Path(), help="Signature file (OMS, Sigstore bundle); default: looked for in the artefact."),
    click.option("--public-key", "public_keys", multiple=True, type=click.Path(), help="Trusted public key (PEM); may be repeated."),
    click.option("--certificate-root", "certificate_roots", multiple=True, type=click.Path(), help="Trusted root certificate (PEM); may be repeated."),
    click.option("--identity", help="Exact identity that must have signed (e-mail or workflow address)."),
    click.option("--issuer", help="Exact OIDC issuer of that identity."),
    click.option("--trusted-root", help="Sigstore trusted-root file, or 'production'/'staging' for the embedded ones."),
    click.option("--threshold", type=click.IntRange(1), default=1, show_default=True, help="Distinct keys that must have signed."),
    click.option("--ignore-path", "ignore_paths", multiple=True, help="Path that a signature need not cover; may be repeated."),
    click.option("--ignore-unsigned", is_flag=True, help="Accept files that a signature does not cover."),
)
_LIMITS = (
    click.option("--jobs", type=click.IntRange(1), help="Worker processes; default: one a core."),
    click.option("--file-seconds", type=click.FloatRange(0.1), default=120.0, show_default=True, help="Time limit for reading one file."),
    click.option("-q", "--quiet", is_flag=True, help="No progress, and nothing but the result."),
    click.option("-v", "--verbose", count=True, help="More detail; twice for everything."),
)


def source_options(command: Command) -> Command:
    """Options that say where an artefact comes from."""
    return _decorate(command, _SOURCE)


def trust_options(command: Command) -> Command:
    """Options that say whom to trust."""
    return _decorate(command, _TRUST)


def run_options(command: Command) -> Command:
    """Options that bound and narrate a run."""
    return _decorate(command, _LIMITS)


def output_options(formats: Sequence[str]) -> Callable[[Command], Command]:
    """``--format`` and ``--output`` for a verb that prints a result."""
    options = (
        click.option("-f", "--format", "form", type=click.Choice(list(formats)), default=formats[0], show_default=True, help="Form of the result."),
        click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write the result to this file instead of the terminal."),
    )
    return lambda command: _decorate(command, options)


def _decorate(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def weigh(targets: Sequence[str], policy: str, given: dict[str, Any]) -> list[Report]:
    """Scan every target with the options that click collected."""
    today, created = _clock()
    kind = Kind(given["kind"]) if given.get("kind") else None
    trust = TrustOptions(
        signature=given.get("signature"),
        public_keys=tuple(given.get("public_keys") or ()),
        certificate_roots=tuple(given.get("certificate_roots") or ()),
        identity=given.get("identity"),
        issuer=given.get("issuer"),
        trusted_root=given.get("trusted_root"),
        threshold=given.get("threshold") or 1,
        ignore_paths=tuple(given.get("ignore_paths") or ()),
        ignore_unsigned=bool(given.get("ignore_unsigned")),
        now=datetime.datetime.now(datetime.UTC),
    )
    source = Options(
        token=given.get("token"),
        endpoint=given.get("endpoint"),
        spool=bool(given.get("spool")),
        timeout=given.get("timeout") or 30.0,
    )
    limits = Limits(seconds=given.get("file_seconds") or 120.0)
    reports = []
    with Workers(given.get("jobs")) as workers, _progress(quiet=bool(given.get("quiet"))) as progress:
        for text in targets:
            request = Request(Target(text, kind), today, policy, source, trust, limits, created)
            reports.append(scan_artefact(request, workers=workers, progress=progress))
    return reports


def _clock() -> tuple[datetime.date, str]:
    """Today, and the time to write into results: only ``SOURCE_DATE_EPOCH`` gives one.

    Without it results carry no time, so the same bytes give the same result.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return datetime.datetime.now(datetime.UTC).date(), ""
    try:
        moment = datetime.datetime.fromtimestamp(int(epoch), datetime.UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ScannerError(f"SOURCE_DATE_EPOCH is {epoch!r}: expected whole seconds since 1970") from error
    return moment.date(), moment.strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def _progress(*, quiet: bool) -> Any:
    """A progress line on a terminal for what takes over a second; nothing anywhere else."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    import time  # noqa: PLC0415 - only on a terminal

    from rich.console import Console  # noqa: PLC0415

    console = Console(stderr=True)
    started = time.monotonic()
    with console.status("weighing") as status:

        def show(done: int, total: int, path: str) -> None:
            if time.monotonic() - started > 1:
                status.update(f"weighing {done}/{total} ", spinner_style="dim")
                del path

        progress: Progress = show
        yield progress


def emit(text: str, output: str | None) -> None:
    """Print a result, or write it to the file that the user named."""
    if output is None:
        click.echo(text, nl=not text.endswith("\n"))
        return
    try:
        Path(output).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ScannerError(f"{output}: cannot be written: {error.strerror}") from error


def printable(text: str) -> str:
    """Text with control characters shown as escapes: names come from strangers."""
    return "".join(c if c.isprintable() or c in "\n " else c.encode("unicode_escape").decode() for c in text)
