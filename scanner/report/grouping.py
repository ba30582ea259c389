"""What several reports show alike: findings by rule, gaps by reason, and what the policy made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from scanner.model import Gap, Rule, Severity
from scanner.result import Judged, Reason, Report, Verdict


class Effect(Enum):
    """What the policy made of a finding."""

    REFUSES = "refuses"
    WARNS = "warns"
    NOTED = "noted"
    WAIVED = "waived"


@dataclass(frozen=True, slots=True)
class Group:
    """All findings of one rule with one severity and one effect."""

    rule: Rule
    severity: Severity
    effect: Effect
    entries: tuple[Judged, ...]
    reasons: tuple[Reason, ...]
    """Those parts of the verdict that these findings made."""


def effects(verdict: Verdict) -> dict[str, Effect]:
    """Fingerprint to effect, for every finding of a verdict."""
    refusing = {fingerprint for reason in verdict.reasons for fingerprint in reason.findings}
    warning = {fingerprint for reason in verdict.warnings for fingerprint in reason.findings}

    def effect(entry: Judged) -> Effect:
        fingerprint = entry.finding.fingerprint
        if entry.waived_by is not None:
            return Effect.WAIVED
        if fingerprint in refusing:
            return Effect.REFUSES
        return Effect.WARNS if fingerprint in warning else Effect.NOTED

    return {entry.finding.fingerprint: effect(entry) for entry in verdict.judged}


def groups(verdict: Verdict) -> tuple[Group, ...]:
    """Findings by rule: refusing ones first, then warnings, notes and waived ones; worst first in each."""
    fates = effects(verdict)
    found: dict[tuple[str, Severity, Effect], list[Judged]] = {}
    for entry in verdict.judged:
        key = (entry.finding.rule.id, entry.severity, fates[entry.finding.fingerprint])
        found.setdefault(key, []).append(entry)
    made = []
    for (_, severity, effect), entries in found.items():
        prints = {entry.finding.fingerprint for entry in entries}
        source = verdict.reasons if effect is Effect.REFUSES else verdict.warnings
        reasons = tuple(reason for reason in source if prints & set(reason.findings))
        made.append(Group(entries[0].finding.rule, severity, effect, tuple(entries), reasons))
    order = tuple(Effect)
    return tuple(sorted(made, key=lambda g: (order.index(g.effect), -g.severity.rank)))


def bare(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Reasons that no finding made: gaps, sources, formats, licences, rules about the whole."""
    return tuple(reason for reason in reasons if not reason.findings)


def gaps_by_reason(report: Report) -> list[tuple[str, tuple[Gap, ...]]]:
    """Gaps of one reason together, the most frequent first."""
    found: dict[str, list[Gap]] = {}
    for gap in report.gaps:
        found.setdefault(gap.reason, []).append(gap)
    return sorted(
        ((reason, tuple(gaps)) for reason, gaps in found.items()),
        key=lambda item: (-len(item[1]), item[0]),
    )


def visible(text: str) -> str:
    """Text of strangers with everything that is not printable shown as an escape."""
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def size(count: int) -> str:
    """Bytes for people: ``1,023 bytes``, ``4.0 KiB``, ``8.0 GiB``."""
    if count < 1 << 10:
        return f"{count} byte{'' if count == 1 else 's'}"
    for power, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 1 << power:
            return f"{count / (1 << power):,.1f} {unit}"
    return str(count)


def plural(count: int, noun: str) -> str:
    """``1 file``, ``2,000 files``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
