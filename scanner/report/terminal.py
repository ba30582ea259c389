"""For people: the verdict, why, and what to do, within one screen.

Everything is laid out as plain lines of a known width before it is printed, so that the worst comes
first and the rest is shortened until the whole fits. Nothing in a report is ever read as markup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console

from scanner.model import Coverage, FileResult, Location
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
from scanner.report.screen import Line, Printer
from scanner.result import Decision, Inventory, Reason, Report

_WORDS = {
    Decision.PASS: ("PASS", "bold white on green"),
    Decision.FAIL: ("FAIL", "bold white on red"),
    Decision.INCOMPLETE: ("INCOMPLETE", "bold black on yellow"),
}
_MARKS = {
    Effect.REFUSES: ("✗", "red"),
    Effect.WARNS: ("!", "yellow"),
    Effect.NOTED: ("·", "dim"),
    Effect.WAIVED: ("~", "cyan"),
}
_LINES = 22
_NAMED = 3
_LONG = 72
_LISTED = 5
"""Lines for the refusals behind the first: that one is told in full."""


def render(report: Report, console: Console, *, verbose: int = 0, seconds: float | None = None) -> None:
    """Print one report.

    Args:
        report: What to print.
        console: Where to; its width, colours and encoding are respected.
        verbose: Negative: the verdict alone. 0: one screen. 1: every finding and gap. 2: the files,
            the inventory and the verifications, too.
        seconds: How long it took, if somebody measured it.
    """
    printer = Printer(console, everything=verbose > 0)
    _banner(report, printer)
    if verbose < 0:
        return
    printer.lines(_identity(report, seconds))
    printer.lines(_inventory(report.inventory))
    printer.lines(_integrity(report))
    if verbose:
        _everything(report, printer, verbose)
    else:
        _one_screen(report, printer)
    printer.blank()


def _banner(report: Report, printer: Printer) -> None:
    word, style = _WORDS[report.verdict.decision]
    artefact = report.artefact
    revision = f" @ {artefact.revision[:12]}" if artefact.revision else ""
    printer.banner(word, style, artefact.name + revision)


def _identity(report: Report, seconds: float | None) -> Iterator[Line]:
    artefact = report.artefact
    parts = [artefact.source]
    if artefact.requested_revision not in {None, artefact.revision}:
        parts.append(f"asked for {artefact.requested_revision}")
    parts.append(f"{plural(len(report.files), 'file')}, {size(sum(file.size for file in report.files))}")
    parts.append(_coverage(report.files))
    if seconds is not None:
        parts.append(f"{seconds:.1f} s")
    parts.append(f"policy {report.verdict.policy}")
    yield Line(" · ".join(part for part in parts if part), "dim", 1, 1)


def _integrity(report: Report) -> Iterator[Line]:
    """Which digests are ours, where not all are: a file that was read in ranges was not hashed."""
    own = sum(file.computed("sha256") is not None for file in report.files)
    declared = sum(file.computed("sha256") is None and bool(file.digests) for file in report.files)
    rest = len(report.files) - own - declared
    if own == len(report.files):
        return
    parts = (
        (own, f"of {plural(len(report.files), 'file')} hashed whole"),
        (declared, "with a digest that the source only declares"),
        (rest, "without any digest"),
    )
    yield Line("; ".join(f"{count} {text}" for count, text in parts if count), "dim", 1, 1)


def _coverage(files: Sequence[FileResult]) -> str:
    counts = Counter(file.coverage for file in files)
    words = {
        Coverage.WHOLE: "read whole",
        Coverage.STRUCTURE: "structure only",
        Coverage.SAMPLED: "sampled",
        Coverage.NONE: "not read",
    }
    if len(counts) == 1:
        (level,) = counts
        return words[level] if len(files) == 1 else f"all {words[level]}"
    return ", ".join(f"{counts[level]} {word}" for level, word in words.items() if counts[level])


def _inventory(inventory: Inventory) -> Iterator[Line]:
    facts = []
    for name in ("parameters", "dtypes", "architecture", "licence"):
        entry = inventory.first(name)
        if entry is None or not entry.value:
            continue
        value = f"{int(entry.value):,}" if name == "parameters" and entry.value.isdigit() else entry.value
        shown = value if len(value) <= 40 else f"{value[:39]}…"
        facts.append(f"{name} {shown} ({entry.state.value})")
    if facts:
        yield Line(" · ".join(facts), "dim", 1, 1)


def _one_screen(report: Report, printer: Printer) -> None:
    """Refusals in full as long as there is room, then in short; then gaps, warnings, counts and hints."""
    verdict = report.verdict
    shown = groups(verdict)
    hints = _hints(report, shown)
    blocks = [(g, list(_full(g, 1))) for g in shown if g.effect is Effect.REFUSES]
    own = [list(_reason(reason)) for reason in bare(verdict.reasons) if not _about_gaps(reason)]
    first = blocks[0][1] if blocks else own[0] if own else []
    room = _LINES - printer.printed - printer.height(hints) - bool(hints)
    count = len(blocks) + len(own)
    needed = printer.height(first) + 2 + min(max(count - 1, 0), _LISTED + 1)
    tail = _tail(report, shown, 0)
    for named in (1, _NAMED):
        longer = _tail(report, shown, named)
        if printer.height(longer) + needed <= room:
            tail = longer
    room -= printer.height(tail) + bool(tail)
    variants = [
        *([list(_full(group, _NAMED)), full, list(_compact(group))] for group, full in blocks),
        *([lines, [Line(f"{lines[0].text} ({lines[1].text})", "red", 0, 2, 1)]] for lines in own),
    ]
    chosen = _fitting(variants, room, printer)
    for lines in chosen:
        if len(lines) > 1 or lines is chosen[0]:
            printer.blank()
        printer.lines(lines)
    left = len(variants) - len(chosen)
    if left:
        printer.lines([Line(f"… and {plural(left, 'more reason')} to refuse", "red", 0)])
    for lines in (tail, hints):
        if lines:
            printer.blank()
            printer.lines(lines)


def _fitting(variants: list[list[list[Line]]], room: int, printer: Printer) -> list[list[Line]]:
    """At most 1 + _LISTED blocks, each in the longest variant for which there is room.

    The last variant of each is the shortest, and is what stays when there is room for nothing else.
    """
    shown = variants[: 1 + _LISTED]
    spare = room - sum(printer.height(block[-1]) for block in shown) - 1 - (len(variants) > len(shown))
    chosen = []
    for number, block in enumerate(shown):
        least = printer.height(block[-1])
        costs = [printer.height(lines) - least + bool(number) for lines in block[:-1]]
        fitting = next((n for n, cost in enumerate(costs) if cost <= spare), None)
        spare -= 0 if fitting is None else costs[fitting]
        chosen.append(block[-1] if fitting is None else block[fitting])
    return chosen


def _tail(report: Report, shown: Sequence[Group], named: int) -> list[Line]:
    """What does not refuse: gaps, warnings, what is waived, and how much is not shown at all."""
    warnings = bare(report.verdict.warnings)
    more = [Line(f"! {plural(len(warnings) - named, 'more warning')}", "yellow", 0)]
    return [
        *_gap_lines(report, named),
        *_short(shown, Effect.WARNS, named),
        *(line for reason in warnings[:named] for line in _warning(reason)),
        *(more if len(warnings) > named else ()),
        *_short(shown, Effect.WAIVED, named),
        *_noted(shown),
    ]


def _everything(report: Report, printer: Printer, verbose: int) -> None:
    verdict = report.verdict
    for reason in bare(verdict.reasons):
        if not _about_gaps(reason):
            printer.blank()
            printer.lines(_reason(reason))
    for group in groups(verdict):
        printer.blank()
        printer.lines(_full(group, len(group.entries), verbose=verbose))
    for reason in bare(verdict.warnings):
        printer.lines(_warning(reason))
    if report.gaps:
        printer.blank()
        printer.lines(_gap_lines(report, len(report.gaps)))
    if verbose > 1:
        _files(report, printer)


def _files(report: Report, printer: Printer) -> None:
    printer.blank()
    printer.lines([Line("Files", "bold", 0)])
    for file in report.files:
        kinds = ", ".join(file.formats) or "unknown"
        inside = f" with {', '.join(file.nested)} inside" if file.nested else ""
        digest = file.computed("sha256")
        text = f"{file.path}: {kinds}{inside}, {size(file.size)}, {file.coverage.value}"
        printer.lines([Line(text + (f", sha256 {digest}" if digest else ""), "", 2, 2)])
    known = [entry for entry in report.inventory.fields if entry.value]
    if known:
        printer.blank()
        printer.lines([Line("Inventory", "bold", 0)])
        printer.lines(Line(f"{e.name}: {e.value} ({e.state.value})", "", 2, 2) for e in known)
    if report.verifications:
        printer.blank()
        printer.lines([Line("Verifications", "bold", 0)])
        printer.lines(
            Line(f"{v.outcome.value} {v.claim} ({', '.join(v.subject[:_NAMED])}): {v.reason}", "", 2, 2)
            for v in report.verifications
        )


def _full(group: Group, entries: int, *, verbose: int = 0) -> Iterator[Line]:
    """A heading, where it is, and what to do; for what is not refused without the remedy's urgency."""
    mark, style = _MARKS[group.effect]
    yield Line(f"{mark} {group.rule.title}", f"bold {style}", 0, 2)
    places = "".join(f" · {reason.rule}, {_place(reason)}" for reason in group.reasons[:2])
    yield Line(f"{group.severity.value} {group.rule.id}{places}", "dim", 2, 2)
    for entry in group.entries[:entries]:
        where = str(entry.finding.location) if verbose else _brief(entry.finding.location)
        yield Line(f"{where}: {entry.finding.message}", "", 2, 2)
        if entry.waived_by:
            yield Line(f"waived by {entry.waived_by}", "cyan", 4, 2)
        if verbose > 1 and entry.finding.evidence:
            yield Line(", ".join(f"{key}={value}" for key, value in entry.finding.evidence), "dim", 4, 2)
    if len(group.entries) > entries:
        yield Line(f"… and {len(group.entries) - entries} more", "", 2)
    yield Line(f"→ {group.rule.remedy}", "bold" if group.effect is Effect.REFUSES else "", 2, 2)


def _compact(group: Group) -> Iterator[Line]:
    """One line."""
    mark, style = _MARKS[group.effect]
    count = f" ×{len(group.entries)}" if len(group.entries) > 1 else ""
    first = group.entries[0]
    text = f"{mark} {group.severity.value} {group.rule.id}{count}: {_brief(first.finding.location)}"
    if first.waived_by:
        path = _brief(Location(first.finding.location.path))
        text = (
            f"{mark} {group.severity.value} {group.rule.id}{count} in {path} is waived by {first.waived_by}"
        )
    yield Line(text, style, 0, 2, 2 if first.waived_by else 1)


def _short(shown: Sequence[Group], effect: Effect, most: int) -> Iterator[Line]:
    chosen = [group for group in shown if group.effect is effect]
    for group in chosen[:most]:
        yield from _compact(group)
    left = chosen[most:]
    if left:
        mark, style = _MARKS[effect]
        count = plural(sum(len(group.entries) for group in left), "more finding" if most else "finding")
        does = "warn" if effect is Effect.WARNS else "are waived"
        yield Line(f"{mark} {count} of {plural(len(left), 'rule')} {does}", style, 0)


def _noted(shown: Sequence[Group]) -> Iterator[Line]:
    count = sum(len(group.entries) for group in shown if group.effect is Effect.NOTED)
    if count:
        yield Line(f"· {plural(count, 'finding')} below the policy's warnings", "dim", 0)


def _reason(reason: Reason) -> Iterator[Line]:
    yield Line(f"✗ {reason.message}", "bold red", 0, 2)
    yield Line(f"{reason.rule}, {_place(reason)}", "dim", 2, 2)
    if reason.remedy:
        yield Line(f"→ {reason.remedy}", "bold", 2, 2)


def _warning(reason: Reason) -> Iterator[Line]:
    yield Line(f"! {reason.message} ({reason.rule}, {_place(reason)})", "yellow", 0, 2)


def _about_gaps(reason: Reason) -> bool:
    return reason.rule == "gaps.allow"


def _gap_lines(report: Report, named: int) -> Iterator[Line]:
    if not report.gaps:
        return
    deciding = next((reason for reason in report.verdict.reasons if _about_gaps(reason)), None)
    count = plural(len(report.gaps), "thing")
    where = f" ({deciding.rule}, {_place(deciding)})" if deciding else ", which the policy accepts"
    yield Line(f"? {count} could not be read{where}", "bold yellow" if deciding else "yellow", 0, 2)
    by_reason = gaps_by_reason(report)
    for reason, gaps in by_reason[:named]:
        names = ", ".join(_brief(gap.location) for gap in gaps[:named])
        more = f" and {len(gaps) - named} more" if len(gaps) > named else ""
        many = f" ×{len(gaps)}" if len(gaps) > 1 else ""
        yield Line(f"{reason}{many}: {names}{more}", "", 2, 2)
    if len(by_reason) > named and named:
        yield Line(f"… and {plural(len(by_reason) - named, 'more reason')}", "", 2)
    if deciding and deciding.remedy:
        yield Line(f"→ {deciding.remedy}", "", 2, 2)


def _hints(report: Report, shown: Sequence[Group]) -> list[Line]:
    """What to type next; nothing where there is nothing to say."""
    if not shown and not report.gaps and not report.verdict.reasons:
        return []
    hints = []
    first = next((group for group in shown if group.effect in {Effect.REFUSES, Effect.WARNS}), None)
    if first is not None:
        hints.append(f"weighbridge rules {first.rule.id}")
    hints.append("-v shows everything")
    return [Line(" · ".join(hints), "dim", 0)]


def _brief(location: Location) -> str:
    """A place whose name is not longer than what is said about it: a long one loses its middle."""
    text = visible(str(location))
    return text if len(text) <= _LONG else f"{text[: _LONG // 3]}…{text[-_LONG * 2 // 3 :]}"


def _place(reason: Reason) -> str:
    return f"{reason.file}:{reason.line}" if reason.line else reason.file
