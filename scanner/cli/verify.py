"""``weighbridge verify``: check what somebody claims about the bytes, and nothing else."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from scanner.cli.options import (
    emit,
    output_options,
    printable,
    run_options,
    source_options,
    weigh,
)
from scanner.report import json_report
from scanner.result import Outcome, Report

_BAD = frozenset({Outcome.INVALID, Outcome.UNTRUSTED_SIGNER, Outcome.EXPIRED})


@click.command("verify")
@click.argument("target")
@output_options(("terminal", "json"))
@source_options
@run_options
def command(target: str, form: str, output: str | None, **given: Any) -> None:
    r"""Check the digests that the source of TARGET declares.

    Exits 0 when something was verified and nothing is wrong, 1 when a claim does not hold,
    3 when nothing could be verified: "cannot verify" is never "tampered".

    \b
    Example:
      weighbridge verify ~/.cache/huggingface/hub/models--org--name
    """
    report = weigh((target,), "baseline", given)[0]
    body = json_report.document(report)["verifications"]
    emit(json.dumps(body, indent=2) + "\n" if form == "json" else _lines(report), output)
    sys.exit(_exit_code(report))


def _exit_code(report: Report) -> int:
    outcomes = {entry.outcome for entry in report.verifications}
    broken = any(f.rule.id.startswith("digests/") and f.rule.severity.rank >= 3 for f in report.findings)
    if outcomes & _BAD or broken:
        return 1
    return 0 if Outcome.VERIFIED in outcomes and Outcome.UNSUPPORTED not in outcomes else 3


def _lines(report: Report) -> str:
    if not report.verifications:
        return "nothing is claimed about these bytes: no declared digest\n"
    lines = []
    for entry in report.verifications:
        count = f" ({len(entry.subject)} files)" if len(entry.subject) > 1 else ""
        who = f" by {entry.signer}" if entry.signer else ""
        lines.append(f"{entry.outcome.value:<17} {entry.claim}{who}{count}: {entry.reason}")
    return printable("\n".join(lines)) + "\n"
