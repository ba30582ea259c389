"""What a policy demands, in sentences, each with the line that says so."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.model import Coverage, Rule, Severity
from scanner.policy import waivers
from scanner.policy.document import Policy
from scanner.policy.globs import text_matches
from scanner.policy.schema import Effect, Unknown

_COVERAGE = {
    Coverage.SAMPLED: "at least in part",
    Coverage.STRUCTURE: "as far as a loader interprets it",
    Coverage.WHOLE: "to its last byte",
}


def demands(policy: Policy) -> Iterator[tuple[str, str]]:
    """Sentence and place, in the order in which the policy is asked."""
    body = policy.body
    gate = body.gate
    yield f"Findings of severity {gate.fail_on.value} and above refuse.", _at(policy, "gate", "fail_on")
    if gate.warn_on is not gate.fail_on:
        yield f"Findings of severity {gate.warn_on.value} and above warn.", _at(policy, "gate", "warn_on")
    for index, entry in enumerate(body.severities):
        where = "" if entry.path == "**" else f" in {entry.path}"
        text = f"Findings of {entry.rule}{where} are {entry.severity.value}: {entry.because}"
        yield text, _at(policy, "severities", index)
    yield from _origin(policy)
    yield from _content(policy)
    yield from _trust(policy)
    for index, rule in enumerate(body.rules):
        key, expression = rule.expression
        every = {"artefact": "The artefact"}.get(rule.each.value, f"Each {rule.each.value}")
        does = "is refused" if rule.effect is Effect.FAIL else "is warned about"
        when = "unless" if key == "require" else "if"
        text = f"{every} {does} {when} {' '.join(expression.split())} ({rule.id}: {rule.message})."
        yield text, _at(policy, "rules", index)
    yield from _unread(policy)
    for index, waiver in enumerate(body.waivers):
        bound = "whatever its bytes are" if waiver.broad else f"with SHA-256 {(waiver.sha256 or '')[:12]}…"
        days = f"from {waiver.granted} to {waiver.expires}"
        text = f"{waiver.owner} accepts {waiver.rule} in {waiver.path}, {bound}, {days}: {waiver.reason}"
        yield text, _at(policy, "waivers", index)


def _origin(policy: Policy) -> Iterator[tuple[str, str]]:
    source = policy.body.source
    if source.pinned:
        yield "The target has to name a fixed revision.", _at(policy, "source", "pinned")
    if source.sources:
        yield f"It has to come from {_either(source.sources)}.", _at(policy, "source", "sources")
    if source.names:
        yield f"Its name has to match {_either(source.names)}.", _at(policy, "source", "names")
    if source.kinds:
        yield f"It has to be a {_either(source.kinds)}.", _at(policy, "source", "kinds")


def _content(policy: Policy) -> Iterator[tuple[str, str]]:
    formats, licences = policy.body.formats, policy.body.licences
    if formats.deny:
        text = f"No file may be or contain {_either(formats.deny)}, judged by content."
        yield text, _at(policy, "formats", "deny")
    if formats.allow:
        text = f"Every file, and everything nested in one, has to be {_either(formats.allow)}."
        yield text, _at(policy, "formats", "allow")
    if licences.allow:
        yield f"Every stated licence has to be {_either(licences.allow)}.", _at(policy, "licences", "allow")
    if licences.deny:
        yield f"No stated licence may be {_either(licences.deny)}.", _at(policy, "licences", "deny")
    if licences.unknown is not Unknown.ALLOW:
        does = "refuses" if licences.unknown is Unknown.FAIL else "warns"
        yield f"No stated licence at all {does}.", _at(policy, "licences", "unknown")


def _trust(policy: Policy) -> Iterator[tuple[str, str]]:
    signatures = policy.body.signatures
    if signatures.required:
        who = _either([f"{i.signer} ({i.issuer or 'any issuer'})" for i in signatures.identities])
        by = f" by {who}" if who else ""
        every = ", and it has to cover every file" if signatures.cover_all else ""
        yield f"A signature{by} has to verify{every}.", _at(policy, "signatures", "required")


def _unread(policy: Policy) -> Iterator[tuple[str, str]]:
    gaps, coverage = policy.body.gaps, policy.body.coverage
    if gaps.allow:
        yield "What could not be read is accepted.", _at(policy, "gaps", "allow")
    else:
        yield "Anything that could not be read makes the verdict incomplete.", _at(policy, "gaps", "allow")
        for index, entry in enumerate(gaps.accept):
            text = f"Except {entry.path} where the reason is {entry.reason!r}: {entry.because}"
            yield text, _at(policy, "gaps", "accept", index)
    if coverage.minimum in _COVERAGE:
        text = f"Every file has to be read {_COVERAGE[coverage.minimum]}, or the verdict is incomplete."
        yield text, _at(policy, "coverage", "minimum")


def about(policy: Policy, rule: Rule) -> Iterator[tuple[str, str]]:
    """What the policy does with findings of one rule."""
    entries = [
        (index, entry)
        for index, entry in enumerate(policy.body.severities)
        if text_matches(entry.rule, rule.id)
    ]
    yield f"{rule.id} is {rule.severity.value} by itself: {rule.title}.", ""
    # An entry for all paths leaves nothing at the rule's own severity.
    severities = set() if any(entry.path == "**" for _, entry in entries) else {rule.severity}
    for index, entry in entries:
        where = "" if entry.path == "**" else f" in {entry.path}"
        yield f"It is {entry.severity.value}{where}: {entry.because}", _at(policy, "severities", index)
        severities.add(entry.severity)
    for severity in sorted(severities, key=lambda s: -s.rank):
        yield _fate(policy, severity)
    for index, waiver in enumerate(policy.body.waivers):
        if waiver.rule == rule.id:
            text = f"{waiver.owner} accepts it in {waiver.path} until {waiver.expires}."
            yield text, _at(policy, "waivers", index)
    if waivers.never(rule):
        yield "It can be neither waived nor lowered.", ""
    else:
        days = waivers.longest(rule.severity, broad=False)
        short = waivers.longest(rule.severity, broad=True)
        yield f"It can be waived for {days} days for one file's bytes, or for {short} days broadly.", ""
    if policy.body.rules:
        yield "The policy's own rules may refuse besides.", ""


def _fate(policy: Policy, severity: Severity) -> tuple[str, str]:
    gate = policy.body.gate
    if severity.rank >= gate.fail_on.rank:
        return f"At {severity.value} it refuses the artefact.", _at(policy, "gate", "fail_on")
    if severity.rank >= gate.warn_on.rank:
        return f"At {severity.value} it warns.", _at(policy, "gate", "warn_on")
    return f"At {severity.value} it is only reported.", _at(policy, "gate", "warn_on")


def _either(names: tuple[str, ...] | list[str]) -> str:
    texts = [str(name) for name in names]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}" if texts else ""


def _at(policy: Policy, *path: str | int) -> str:
    place = policy.place(*path)
    return f"{place.file}:{place.line}"
