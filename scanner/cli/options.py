"""Options that several verbs share, and how they become a request."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from scanner.errors import ScannerError
from scanner.model import Kind, Target
from scanner.result import Report

if TYPE_CHECKING:
    from scanner.pipeline import Progress
    from scanner.workers import Workers

Command = TypeVar("Command", bound=Callable[..., object])

_SOURCE = (
    click.option(
        "--kind",
        type=click.Choice([k.value for k in Kind]),
        help="What the artefact is, where its source cannot say.",
    ),
    click.option(
        "--token",
        envvar="HF_TOKEN",
        show_envvar=True,
        help="Access token for a private or gated Hub repository.",
    ),
    click.option(
        "--endpoint",
        envvar="HF_ENDPOINT",
        show_envvar=True,
        help="Address of the Hub or of a mirror.",
    ),
    click.option(
        "--spool",
        is_flag=True,
        help="Download a file to disk where the server cannot answer ranges.",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(1),
        default=30.0,
        show_default=True,
        help="Seconds to wait for the source.",
    ),
)
_LIMITS = (
    click.option("--jobs", type=click.IntRange(1), help="Worker processes; default: one a core."),
    click.option(
        "--file-seconds",
        type=click.FloatRange(0.1),
        default=120.0,
        show_default=True,
        help="Time limit for reading one file.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="No progress, and nothing but the result."),
    click.option("-v", "--verbose", count=True, help="More detail; twice for everything."),
)


def source_options(command: Command) -> Command:
    """Options that say where an artefact comes from."""
    return _decorate(command, _SOURCE)


def run_options(command: Command) -> Command:
    """Options that bound and narrate a run."""
    return _decorate(command, _LIMITS)


def output_options(formats: Sequence[str]) -> Callable[[Command], Command]:
    """``--format`` and ``--output`` for a verb that prints a result."""
    options = (
        click.option(
            "-f",
            "--format",
            "form",
            type=click.Choice(list(formats)),
            default=formats[0],
            show_default=True,
            help="Form of the result.",
        ),
        click.option(
            "-o",
            "--output",
            type=click.Path(dir_okay=False),
            help="Write the result to this file instead of the terminal.",
        ),
    )
    return lambda command: _decorate(command, options)


def _decorate(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def weigh(
    targets: Sequence[str], policy: str, given: dict[str, Any], spent: list[float] | None = None
) -> list[Report]:
    """Scan every target with the options that click collected; append the seconds that each took."""
    from scanner.workers import Workers  # noqa: PLC0415 - first, so that they start while the rest loads

    with Workers(given.get("jobs")) as workers, _progress(quiet=bool(given.get("quiet"))) as progress:
        workers.start()
        # The threads that hash ask for the interpreter's lock while the rest loads: let them wait less.
        sys.setswitchinterval(0.0005)
        return list(_weigh(targets, policy, given, workers, progress, spent))


def _weigh(
    targets: Sequence[str],
    policy: str,
    given: dict[str, Any],
    workers: Workers,
    progress: Progress | None,
    spent: list[float] | None,
) -> Iterator[Report]:
    from scanner.cli.trust_options import trust_of  # noqa: PLC0415 - while the workers start
    from scanner.pipeline import Request, scan_artefact  # noqa: PLC0415
    from scanner.reader import Limits  # noqa: PLC0415
    from scanner.sources import Options  # noqa: PLC0415

    kind = Kind(given["kind"]) if given.get("kind") else None
    source = Options(
        token=given.get("token"),
        endpoint=given.get("endpoint"),
        spool=bool(given.get("spool")),
        timeout=given.get("timeout") or 30.0,
    )
    limits = Limits(seconds=given.get("file_seconds") or 120.0)
    moment = now(given.get("now"))
    trust = trust_of(given, moment)
    for text in targets:
        started = time.monotonic()
        request = Request(Target(text, kind), policy, source, limits, trust, now=moment)
        yield scan_artefact(request, workers=workers, progress=progress)
        if spent is not None:
            spent.append(time.monotonic() - started)


def now(day: str | None) -> dt.datetime:
    """The time by which waivers and certificates are judged: the day that the user named, else now."""
    if not day:
        return dt.datetime.now(dt.UTC)
    try:
        return dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC)
    except ValueError as error:
        raise click.BadParameter(f"{day!r} is no date like 2027-01-31", param_hint="--now") from error


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress | None]:
    """A progress line on a terminal for what takes over a second; nothing anywhere else."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
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
    """Print a result, or write it to the file that the user named; what is read by programs is UTF-8."""
    if output is None:
        text = text if text.endswith("\n") else f"{text}\n"
        click.echo(text if sys.stdout.isatty() else text.encode("utf-8", "backslashreplace"), nl=False)
        return
    try:
        Path(output).write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ScannerError(f"{output}: cannot be written: {error.strerror}") from error


def printable(text: str) -> str:
    """Text with control characters shown as escapes: names come from strangers."""
    return "".join(c if c.isprintable() or c in "\n " else c.encode("unicode_escape").decode() for c in text)
