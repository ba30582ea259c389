"""``weighbridge scan``: weigh artefacts and let a policy decide."""

from __future__ import annotations

import sys
from typing import Any

import click

from scanner.cli import completion
from scanner.cli.options import (
    emit,
    output_options,
    run_options,
    source_options,
    weigh,
)
from scanner.cli.trust_options import trust_options
from scanner.result import Decision, Report


@click.command("scan")
@click.argument("targets", nargs=-1, required=True, shell_complete=completion.paths)
@click.option(
    "-p",
    "--policy",
    default="baseline",
    show_default=True,
    shell_complete=completion.policies,
    help="Shipped pack (baseline, strict) or a policy file.",
)
@click.option(
    "--now", metavar="DATE", help="Judge waivers and certificates as of this day (UTC); default: now."
)
@output_options(("terminal", "json", "sarif", "markdown"))
@trust_options
@source_options
@run_options
def command(targets: tuple[str, ...], policy: str, form: str, output: str | None, **given: Any) -> None:
    """Weigh TARGETS and exit with the verdict: 0 pass, 1 fail, 3 incomplete.

    A target is a file, a folder, a local Hub cache, hf://org/name[@revision],
    hf://datasets/org/name[@revision], a pasted Hub address or https://host/file.
    Remote files are judged in ranges; nothing is downloaded.

    \b
    Example:
      weighbridge scan ./model --policy strict --format json -o scan.json
    """
    spent: list[float] = []
    reports = weigh(targets, policy, given, spent)
    if form == "terminal":
        _terminal(reports, spent, output, verbose=-1 if given["quiet"] else given["verbose"])
    else:
        from scanner.report import render  # noqa: PLC0415 - one report format is needed, not all

        emit(render(form, reports), output)
    sys.exit(exit_code(reports))


def exit_code(reports: list[Report]) -> int:
    """The worst verdict of all: a refusal beats a gap."""
    codes = {report.verdict.decision for report in reports}
    worst = next(d for d in (Decision.FAIL, Decision.INCOMPLETE, Decision.PASS) if d in codes)
    return worst.exit_code


def _terminal(reports: list[Report], spent: list[float], output: str | None, *, verbose: int) -> None:
    import io  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415 - only for people

    from scanner.report import terminal  # noqa: PLC0415

    buffer = io.StringIO()
    console = Console() if output is None else Console(file=buffer, width=100)
    for report, seconds in zip(reports, spent, strict=True):
        # A time is for people: what is written to a file or a pipe is the same for the same bytes.
        shown = seconds if console.is_terminal and output is None else None
        terminal.render(report, console, verbose=verbose, seconds=shown)
    if output is not None:
        emit(buffer.getvalue(), output)
