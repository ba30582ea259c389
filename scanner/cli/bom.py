"""``weighbridge bom``: write an AI bill of materials."""

from __future__ import annotations

from typing import Any

import click

from scanner.cli.options import emit, run_options, source_options, weigh


@click.command("bom")
@click.argument("target")
@click.option("--spec-version", type=click.Choice(["1.6", "1.7"]), default="1.6", show_default=True, help="CycloneDX version.")
@click.option("-o", "--output", type=click.Path(dir_okay=False), help="Write the AIBOM to this file instead of the terminal.")
@source_options
@run_options
def command(target: str, spec_version: str, output: str | None, **given: Any) -> None:
    """Write the AIBOM of TARGET as CycloneDX JSON, validated before it is written.

    Every field says whether it was observed in the bytes, declared by somebody, inferred or
    absent. The same bytes give the same AIBOM; set SOURCE_DATE_EPOCH to give it a time.

    \b
    Example:
      weighbridge bom ./model --spec-version 1.7 -o aibom.cdx.json
    """
    from scanner.bom import cyclonedx  # noqa: PLC0415 - a heavy library, for this verb alone

    report = weigh((target,), "baseline", given)[0]
    body = cyclonedx.render(report, version=spec_version, created=report.created)
    emit(body.decode("utf-8"), output)
    if report.gaps and not given["quiet"]:
        click.echo(f"note: {len(report.gaps)} thing(s) could not be read; the AIBOM says so", err=True)
