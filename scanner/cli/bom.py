"""``weighbridge bom``: write down what an artefact is made of."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime
from typing import Any

import click

from scanner.cli import completion
from scanner.cli.options import emit, output_options, printable, run_options, source_options, weigh
from scanner.errors import ScannerError
from scanner.result import Report

_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})\Z"
)
_SHOWN = 5


@click.command("bom")
@click.argument("target", shell_complete=completion.paths)
@click.option(
    "--spec",
    type=click.Choice(["1.6", "1.7"]),
    default="1.6",
    show_default=True,
    help="Version of CycloneDX.",
)
@click.option(
    "--timestamp",
    metavar="RFC3339",
    help="Time to write into it; default: SOURCE_DATE_EPOCH, else none.",
)
@output_options(("cyclonedx-json",))
@source_options
@run_options
def command(
    target: str, spec: str, timestamp: str | None, form: str, output: str | None, **given: Any
) -> None:
    """Write the AI bill of materials of TARGET.

    Each field says whether it was observed, declared, inferred or is absent, and where it comes
    from. The same artefact gives the same bytes. Exits 0 when everything was looked at, 3 when
    something was not: the bill is written and says so.

    \b
    Example:
      weighbridge bom ./model --spec 1.7 -o aibom.cdx.json
    """
    del form  # there is one so far
    when = _time(timestamp)
    report = weigh((target,), "baseline", given)[0]
    from scanner.bom import cyclonedx  # noqa: PLC0415 - the library costs a tenth of a second

    emit(cyclonedx.render(report, spec=spec, timestamp=when, endpoint=given.get("endpoint") or ""), output)
    sys.exit(_tell_gaps(report))


def _time(given: str | None) -> str:
    """The time to write: what was given, else SOURCE_DATE_EPOCH (reproducible-builds.org), else none."""
    if given is not None:
        if not _TIME.fullmatch(given):
            raise ScannerError(f"--timestamp {given}: expected RFC 3339, for example 2026-01-31T12:00:00Z")
        try:
            datetime.fromisoformat(given)
        except ValueError as error:
            raise ScannerError(f"--timestamp {given}: {error}") from error
        return given
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not epoch:
        return ""
    try:
        return datetime.fromtimestamp(int(epoch), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError) as error:
        raise ScannerError(f"SOURCE_DATE_EPOCH={epoch}: expected seconds since 1970") from error


def _tell_gaps(report: Report) -> int:
    """Name what was not looked at; the exit code is that of an incomplete weighing."""
    if not report.gaps:
        return 0
    click.echo(f"incomplete: {len(report.gaps)} gaps, which the bill of materials names", err=True)
    for gap in report.gaps[:_SHOWN]:
        click.echo(printable(f"  gap {gap.location}: {gap.reason}"), err=True)
    if len(report.gaps) > _SHOWN:
        click.echo(f"  … and {len(report.gaps) - _SHOWN} more", err=True)
    return 3
