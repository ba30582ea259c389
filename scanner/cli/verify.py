"""``weighbridge verify``: check what somebody claims about the bytes, and nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from scanner.cli import completion
from scanner.cli.options import (
    emit,
    output_options,
    printable,
    run_options,
    source_options,
    weigh,
)
from scanner.cli.trust_options import trust_of, trust_options
from scanner.report import json_report
from scanner.result import Outcome, Report, Verification

_BAD = frozenset({Outcome.INVALID, Outcome.UNTRUSTED_SIGNER, Outcome.EXPIRED})
_SIGNATURES = frozenset({"oms", "sigstore-bundle", "dsse", "signature"})
_TOLD = frozenset({"signatures/demanded", "signatures/unsigned-files", "digests/conflict"})
_SHOWN = 5


@click.command("verify")
@click.argument("target", shell_complete=completion.paths)
@output_options(("terminal", "json"))
@click.option("--now", metavar="DATE", help="Judge certificates as of this day (UTC); default: now.")
@trust_options
@source_options
@run_options
def command(target: str, form: str, output: str | None, **given: Any) -> None:
    """Check the signatures and digests of TARGET; needs no network for a local one.

    Looks for model signatures (model.sig), Sigstore bundles, DSSE envelopes,
    SHA256SUMS and its like, Croissant files and what a Hub declares.
    Name whom you trust: without a key, a root or an identity, a signature can be
    found to be wrong but not to be right.

    Exits 0 when everything that was asked for is verified, 1 when something does
    not hold, 3 when nothing could be verified: "cannot verify" is never "tampered".

    \b
    Example:
      weighbridge verify ./model --public-key publisher.pub
      weighbridge verify ./model --identity me@example.org \\
          --issuer https://accounts.google.com
    """
    demanding = trust_of(given).demanding
    report = weigh((target,), "baseline", given)[0]
    body = json_report.document(report)["verifications"]
    emit(json.dumps(body, indent=2) + "\n" if form == "json" else _text(report), output)
    sys.exit(_exit_code(report, demanding=demanding))


def _exit_code(report: Report, *, demanding: bool) -> int:
    rules = {finding.rule.id for finding in report.findings}
    outcomes = {entry.outcome for entry in report.verifications}
    if outcomes & _BAD or rules & {"digests/mismatch", "digests/conflict", "signatures/unsigned-files"}:
        return 1
    if demanding:
        # Another signature that cannot be verified does not spoil the one that was asked for.
        return 3 if "signatures/demanded" in rules else 0
    return 0 if Outcome.VERIFIED in outcomes and Outcome.UNSUPPORTED not in outcomes else 3


def _text(report: Report) -> str:
    order = sorted(
        report.verifications,
        key=lambda entry: (entry.claim not in _SIGNATURES, _RANK[entry.outcome], str(entry.location)),
    )
    lines = [line for entry in order for line in _told(entry)]
    said = {entry.reason for entry in report.verifications}
    lines += [
        f"{finding.rule.severity.value}  {finding.rule.id}: {finding.message}\n    → {finding.rule.remedy}"
        for finding in report.findings
        if finding.rule.id in _TOLD and finding.message not in said
    ]
    return printable("\n".join(lines)) + "\n"


_RANK = {outcome: index for index, outcome in enumerate((*_BAD, Outcome.UNSUPPORTED, Outcome.VERIFIED))}
_RANK[Outcome.ABSENT] = len(_RANK)


def _told(entry: Verification) -> Iterator[str]:
    place = f"  {entry.location}" if entry.location else ""
    yield f"{entry.outcome.value.upper()}  {entry.claim}{place}"
    yield f"    why       {entry.reason}"
    if entry.claim not in _SIGNATURES or entry.outcome is Outcome.ABSENT:
        if entry.subject:
            yield f"    files     {_some(entry.subject)}"
        return
    if entry.signer:
        issuer = f" (issuer {entry.issuer})" if entry.issuer else ""
        yield f"    who       {entry.signer}{issuer}"
    if entry.outcome is Outcome.VERIFIED:
        yield f"    when      {entry.signed_at or 'not proved by anybody'}"
    if entry.root:
        yield f"    root      sha256:{entry.root}"
    for name, paths in (("covers", entry.subject), ("unsigned", entry.unsigned), ("ignored", entry.ignored)):
        if paths:
            yield f"    {name:<9} {_some(paths)}"


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{len(paths)}: {', '.join(paths[:_SHOWN])}{more}"
