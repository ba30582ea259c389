"""Markdown for a pull request: the verdict, why, and what to do. Names of strangers stay in code spans.

In a code span GitHub neither mentions people nor links issues and addresses, and nothing is HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from scanner.model import Severity
from scanner.report.grouping import (
    Effect,
    Group,
    bare,
    gaps_by_reason,
    groups,
    plural,
    size,
    visible,
)
from scanner.result import Decision, Judged, Reason, Report

# A comment on GitHub holds 65,536 characters.
_LIMIT = 60_000
_GROUPS = 25
_ENTRIES = 5
_GAPS = 10
_SAID = {
    Decision.PASS: "pass: the policy accepts this artefact.",
    Decision.FAIL: "fail: the policy refuses this artefact.",
    Decision.INCOMPLETE: "incomplete: something could not be looked at, so nobody can say that it is clean.",
}
_HEADS = {
    Effect.REFUSES: "Refused",
    Effect.WARNS: "Warnings",
    Effect.NOTED: "Noted",
    Effect.WAIVED: "Waived",
}


def render(reports: Sequence[Report]) -> str:
    """One section a report; shortened where it would not fit into a comment."""
    text = "\n\n".join("\n".join(_report(report)).rstrip() for report in reports) + "\n"
    if len(text) <= _LIMIT:
        return text
    cut = text.rfind("\n", 0, _LIMIT)
    return text[:cut] + "\n\n… shortened; the JSON report has everything.\n"


def code(text: str, limit: int = 300) -> str:
    """A code span that shows any text as it is; whatever is in it stays in it, in tables too."""
    shown = visible(text)
    if len(shown) > limit:
        shown = shown[: limit - 1] + "…"
    if not shown.strip():
        return "(empty)" if not shown else "(blank)"
    fence = "`" * (max((len(run) for run in re.findall("`+", shown)), default=0) + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _cell(text: str) -> str:
    """Cells are split before code spans are read, and a backslash before a bar may be a stranger's own."""
    return code(text.replace("|", "¦"))


def _report(report: Report) -> Iterator[str]:
    verdict, artefact = report.verdict, report.artefact
    word, _, rest = _SAID[verdict.decision].partition(":")
    yield f"### Weighbridge: {word} · {code(artefact.name)}\n"
    yield f"**{word}**:{rest}\n"
    revision = f", revision {code(artefact.revision)}" if artefact.revision else ""
    total = sum(file.size for file in report.files)
    yield (
        f"{plural(len(report.files), 'file')}, {size(total)}, from {code(artefact.source)}{revision}; "
        f"policy {code(verdict.policy)}."
    )
    facts = [
        f"{name} {code(entry.value)} ({entry.state.value})"
        for name in ("parameters", "dtypes", "architecture", "licence")
        if (entry := report.inventory.first(name)) and entry.value
    ]
    if facts:
        yield f"\n{', '.join(facts)}."
    if verdict.reasons:
        yield "\n| why | rule of the policy | place |\n|---|---|---|"
        yield from (_row(reason) for reason in verdict.reasons)
    yield from _todo(verdict.reasons)
    shown = groups(verdict)
    for effect in Effect:
        chosen = [group for group in shown if group.effect is effect]
        if chosen:
            yield from _section(effect, chosen)
    rest_of = bare(verdict.warnings)
    if rest_of:
        yield "\n#### Warnings of the policy\n"
        yield from (f"- {code(reason.message)} ({_place(reason)})" for reason in rest_of)
    yield from _gaps(report)


def _row(reason: Reason) -> str:
    return f"| {_cell(reason.message)} | {_cell(reason.rule)} | {_cell(_place_text(reason))} |"


def _place_text(reason: Reason) -> str:
    return f"{reason.file}:{reason.line}" if reason.line else reason.file


def _place(reason: Reason) -> str:
    return code(_place_text(reason))


def _todo(reasons: Sequence[Reason]) -> Iterator[str]:
    remedies = list(dict.fromkeys(reason.remedy for reason in reasons if reason.remedy))
    if remedies:
        yield "\n#### What to do\n"
        yield from (f"- {_own(remedy)}" for remedy in remedies)


def _own(text: str) -> str:
    """Text of rules and policies: its code spans are meant, any other sign is only a sign."""
    parts = re.split(r"(`[^`]+`)", visible(text))
    return "".join(
        re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", part).replace("@", "@<!-- -->") if index % 2 == 0 else part
        for index, part in enumerate(parts)
    )


def _section(effect: Effect, chosen: Sequence[Group]) -> Iterator[str]:
    count = sum(len(group.entries) for group in chosen)
    head = f"{_HEADS[effect]}: {plural(count, 'finding')}"
    folded = effect in {Effect.NOTED, Effect.WAIVED}
    yield f"\n<details><summary>{head}</summary>\n" if folded else f"\n#### {head}\n"
    for group in chosen[:_GROUPS]:
        yield f"- **{group.severity.value}** {code(group.rule.id)}: {_own(group.rule.title)}"
        yield from (f"  - {_entry(entry)}" for entry in group.entries[:_ENTRIES])
        if len(group.entries) > _ENTRIES:
            yield f"  - … and {len(group.entries) - _ENTRIES} more"
        if group.severity.rank > Severity.LOW.rank and not folded:
            yield f"  - → {_own(group.rule.remedy)}"
    if len(chosen) > _GROUPS:
        yield f"- … and {plural(len(chosen) - _GROUPS, 'more rule')}"
    if folded:
        yield "\n</details>"


def _entry(entry: Judged) -> str:
    finding = entry.finding
    waived = f" (waived by {code(entry.waived_by)})" if entry.waived_by else ""
    return f"{code(str(finding.location))}: {code(finding.message)}{waived}"


def _gaps(report: Report) -> Iterator[str]:
    if not report.gaps:
        return
    yield f"\n#### Not read: {plural(len(report.gaps), 'thing')}\n"
    by_reason = gaps_by_reason(report)
    for reason, gaps in by_reason[:_GAPS]:
        named = ", ".join(code(str(gap.location)) for gap in gaps[:_ENTRIES])
        more = f" and {len(gaps) - _ENTRIES} more" if len(gaps) > _ENTRIES else ""
        yield f"- {code(reason)}: {named}{more}"
    if len(by_reason) > _GAPS:
        yield f"- … and {plural(len(by_reason) - _GAPS, 'more reason')}"
