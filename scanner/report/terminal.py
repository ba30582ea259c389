"""For people: the verdict, why, and what to do, within one screen."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.text import Text

from scanner.result import Decision, Judged, Report

_STYLE = {
    Decision.PASS: "bold green",
    Decision.FAIL: "bold red",
    Decision.INCOMPLETE: "bold yellow",
}
_SHOWN = 12


def plain(text: str) -> str:
    """Text of strangers with everything that is not printable shown as an escape."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def render(report: Report, console: Console, *, verbose: int = 0) -> None:
    """Print one report; nothing in it is read as markup."""

    def line(text: str, style: str = "") -> None:
        console.print(Text(plain(text), style=style), soft_wrap=True)

    verdict, artefact = report.verdict, report.artefact
    revision = f" @ {artefact.revision[:12]}" if artefact.revision else ""
    total = sum(file.size for file in report.files)
    line(f"{verdict.decision.value.upper()}  {artefact.name}{revision}", _STYLE[verdict.decision])
    if verbose < 0:
        return
    line(f"      {artefact.source}, {len(report.files)} files, {total:,} bytes; policy {verdict.policy}")
    facts = [
        f"{field.name} {field.value} ({field.state.value})"
        for name in ("parameters", "dtypes", "architecture", "licence")
        if (field := report.inventory.first(name)) and field.value
    ]
    if facts:
        line(f"      {', '.join(facts)}")
    if integrity := _integrity(report):
        line(f"      {integrity}")
    for reason in verdict.reasons:
        place = f"{reason.file}:{reason.line}" if reason.line else reason.file
        line(f"  why {reason.message}  [{reason.rule}, {place}]")
    _findings(report, line, verbose)
    shown = report.gaps if verbose else report.gaps[:_SHOWN]
    for gap in shown:
        line(f"  gap {gap.location}: {gap.reason}", "yellow")
    if len(shown) < len(report.gaps):
        line(f"      … and {len(report.gaps) - len(shown)} more gaps (-v shows them)")


def _integrity(report: Report) -> str:
    """Which digests are ours, where not all are: a file that was read in ranges was not hashed."""
    own = sum(file.computed("sha256") is not None for file in report.files)
    declared = sum(file.computed("sha256") is None and bool(file.digests) for file in report.files)
    rest = len(report.files) - own - declared
    if own == len(report.files):
        return ""
    parts = (
        (own, "of {n} files hashed whole"),
        (declared, "with a digest that the source only declares"),
        (rest, "without any digest"),
    )
    return "; ".join(f"{count} {text.format(n=len(report.files))}" for count, text in parts if count)


def _findings(report: Report, line: Callable[..., None], verbose: int) -> None:
    groups: dict[str, list[Judged]] = {}
    for entry in report.verdict.judged:
        if verbose or entry.severity.rank >= 1:
            groups.setdefault(entry.finding.rule.id, []).append(entry)
    for entries in groups.values():
        first = entries[0]
        more = f" (and {len(entries) - 1} more)" if len(entries) > 1 else ""
        line(f"{first.severity.value}  {first.finding.rule.id}: {first.finding.rule.title}", "bold")
        for entry in entries if verbose else entries[:1]:
            line(f"      {entry.finding.location}: {entry.finding.message}{more}")
        line(f"      → {first.finding.rule.remedy}")
