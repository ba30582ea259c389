"""The decision: what refuses, what warns, what is incomplete, and the line that said so."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model import Coverage, Location, Severity
from scanner.policy.licences import acceptable
from scanner.result import Decision, Outcome, Verification
from tests.policy.make import file, finding, gap, judge, policy

WORSE = (Decision.PASS, Decision.INCOMPLETE, Decision.FAIL)


def reasons(verdict) -> list[tuple[str, int | None]]:
    return [(reason.rule, reason.line) for reason in verdict.reasons]


@pytest.mark.parametrize(
    ("level", "decision", "rule"),
    [
        ("critical", Decision.FAIL, "gate.fail_on"),
        ("high", Decision.FAIL, "gate.fail_on"),
        ("medium", Decision.PASS, "gate.warn_on"),
        ("low", Decision.PASS, None),
    ],
)
def test_severities_refuse_warn_or_are_only_reported(tmp_path, level, decision, rule) -> None:
    rules = policy(tmp_path, "gate:\n  fail_on: high\n  warn_on: medium\n")
    found = finding(level)
    verdict = judge(rules, found)
    assert verdict.decision is decision
    told = [(r.rule, r.line, r.findings, r.remedy) for r in (*verdict.reasons, *verdict.warnings)]
    line = {"gate.fail_on": 3, "gate.warn_on": 4}
    assert told == ([(rule, line[rule], (found.fingerprint,), "what to do")] if rule else [])


def test_severities_are_re_rated_and_the_last_entry_counts(tmp_path) -> None:
    rules = policy(
        tmp_path,
        "severities:\n"
        "  - {rule: made/*, severity: low, because: all}\n"
        "  - {rule: made/high, path: 'b/**', severity: critical, because: there}\n",
    )
    verdict = judge(rules, finding("high", "a/x"), finding("high", "b/x"), finding("critical"))
    assert [entry.severity for entry in verdict.judged] == [Severity.LOW, Severity.CRITICAL, Severity.LOW]
    assert [entry.finding.rule.severity for entry in verdict.judged] == [
        Severity.HIGH, Severity.HIGH, Severity.CRITICAL,
    ]  # fmt: skip


def test_a_gap_makes_it_incomplete_unless_its_kind_is_accepted(tmp_path) -> None:
    assert reasons(judge(policy(tmp_path, "gaps:\n  allow: false\n"), gaps=(gap(),))) == [("gaps.allow", 3)]
    allowed = policy(tmp_path, "gaps: {allow: true}")
    assert judge(allowed, gaps=(gap(),)).decision is Decision.PASS
    some = policy(tmp_path, "gaps: {accept: [{path: 'docs/**', reason: unknown*, because: x}]}")
    assert judge(some, gaps=(gap("docs/a/b"),)).decision is Decision.PASS
    assert judge(some, gaps=(gap("docs/a", "too large"),)).decision is Decision.INCOMPLETE
    assert judge(some, gaps=(gap("docs/a"), gap("doc"))).decision is Decision.INCOMPLETE


def test_a_refused_file_and_a_gap_fail_and_both_are_told(tmp_path) -> None:
    verdict = judge(policy(tmp_path, "name: x"), finding("high"), gaps=(gap(),))
    assert verdict.decision is Decision.FAIL
    assert [reason.rule for reason in verdict.reasons] == ["gate.fail_on", "gaps.allow"]


@pytest.mark.parametrize(
    ("minimum", "enough"),
    [("none", 4), ("sampled", 3), ("structure", 2), ("whole", 1)],
)
def test_coverage_is_demanded(tmp_path, minimum: str, enough: int) -> None:
    rules = policy(tmp_path, f"coverage: {{minimum: {minimum}}}")
    levels = (Coverage.WHOLE, Coverage.STRUCTURE, Coverage.SAMPLED, Coverage.NONE)
    decisions = [judge(rules, files=(file(coverage=level),)).decision for level in levels]
    assert decisions == [Decision.PASS] * enough + [Decision.INCOMPLETE] * (4 - enough)


def test_an_accepted_gap_needs_no_coverage(tmp_path) -> None:
    body = "coverage: {minimum: whole}\ngaps: {accept: [{path: '**', because: x}]}"
    given = {"files": (file(coverage=Coverage.NONE),), "gaps": (gap(),)}
    assert judge(policy(tmp_path, body), **given).decision is Decision.PASS


def test_where_it_comes_from(tmp_path) -> None:
    body = "source:\n  pinned: true\n  sources: [huggingface]\n  names: [our/*]\n  kinds: [dataset]\n"
    verdict = judge(policy(tmp_path, body), pinned=False)
    assert reasons(verdict) == [
        ("source.pinned", 3), ("source.sources", 4), ("source.names", 5), ("source.kinds", 6),
    ]  # fmt: skip
    body = "source: {pinned: true, sources: [local], names: [our/*, org/*], kinds: [model]}"
    assert judge(policy(tmp_path, body)).decision is Decision.PASS


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ("deny: [pickle]", True),
        ("deny: ['pick*']", True),
        ("deny: [zip]", True),
        ("deny: [text]", False),
        ("allow: [pickle, zip]", False),
        ("allow: [pickle]", True),
        ("allow: ['*'], deny: [pickle]", True),
    ],
)
def test_formats_are_judged_by_content_and_inside(tmp_path, body: str, refused: bool) -> None:
    given = (file(formats=("zip",), nested=("pickle",)),)
    verdict = judge(policy(tmp_path, f"formats: {{{body}}}"), files=given)
    assert (verdict.decision is Decision.FAIL) is refused


@pytest.mark.parametrize(
    ("stated", "allow", "deny", "good"),
    [
        ("MIT", ["mit"], [], True),
        ("apache-2.0", ["Apache-2.0"], [], True),
        ("MIT OR GPL-3.0-only", ["mit"], [], True),
        ("MIT AND GPL-3.0-only", ["mit"], [], False),
        ("MIT AND (GPL-3.0-only OR ISC)", ["mit", "isc"], [], True),
        ("GPL-3.0-only WITH Classpath-exception-2.0", ["gpl-3.0-only"], [], False),
        ("mit or isc", ["isc"], [], True),
        ("llama 3 community (see file)", ["mit"], [], False),
        ("llama 3 community (see file)", [], ["mit"], True),
        ("MIT OR", ["mit"], [], False),
        ("(((", ["mit"], [], False),
        ("AGPL-3.0-only", [], ["agpl-3.0-only"], False),
        ("MIT OR AGPL-3.0-only", [], ["agpl-3.0-only"], True),
        ("MIT", ["mit"], ["mit"], False),
    ],
)
def test_a_licence_expression_is_acceptable_or_not(stated, allow, deny, good) -> None:
    assert acceptable(stated, allow, deny) is good


def test_every_stated_licence_has_to_be_acceptable(tmp_path) -> None:
    rules = policy(tmp_path, "licences: {allow: [mit], unknown: fail}")
    assert judge(rules, inventory=(("licence", "mit"),)).decision is Decision.PASS
    both = judge(rules, inventory=(("licence", "mit"), ("licence", "other")))
    assert [reason.rule for reason in both.reasons] == ["licences.allow"]
    assert [reason.rule for reason in judge(rules).reasons] == ["licences.unknown"]
    lenient = judge(policy(tmp_path, "licences: {allow: [mit], unknown: warn}"))
    assert (lenient.decision, len(lenient.warnings)) == (Decision.PASS, 1)


def signature(outcome: Outcome = Outcome.VERIFIED, *subject: str, claim: str = "oms") -> Verification:
    return Verification(
        claim,
        outcome,
        "because",
        subject,
        "a@our.example",
        "https://id.example",
        location=Location("model.sig"),
    )


@pytest.mark.parametrize(
    ("body", "given", "rule"),
    [
        ("required: false", (), None),
        ("required: true", (), "signatures.required"),
        ("required: true", (signature(Outcome.VERIFIED, "model.bin"),), None),
        ("required: true", (signature(Outcome.UNSUPPORTED, "model.bin"),), "signatures.required"),
        ("required: true", (signature(Outcome.UNTRUSTED_SIGNER, "model.bin"),), "signatures.required"),
        ("required: true", (signature(Outcome.VERIFIED, "m", claim="sha256sums"),), "signatures.required"),
        ("required: true", (signature(Outcome.VERIFIED, "other"),), "signatures.cover_all"),
        ("required: true, cover_all: false", (signature(Outcome.VERIFIED, "other"),), None),
        (
            "required: true, identities: [{signer: '*@our.example'}]",
            (signature(Outcome.VERIFIED, "model.bin"),),
            None,
        ),
        (
            "required: true, identities: [{signer: '*@our.example', issuer: 'https://id.example'}]",
            (signature(Outcome.VERIFIED, "model.bin"),),
            None,
        ),
        (
            "required: true, identities: [{signer: '*@our.example', issuer: 'https://other.example'}]",
            (signature(Outcome.VERIFIED, "model.bin"),),
            "signatures.required",
        ),
        (
            "required: true, identities: [{signer: '*our.exampl'}]",
            (signature(Outcome.VERIFIED, "model.bin"),),
            "signatures.required",
        ),
    ],
)  # fmt: skip
def test_signatures_are_demanded(tmp_path, body: str, given, rule: str | None) -> None:
    rules = policy(tmp_path, f"signatures: {{{body}}}")
    verdict = judge(rules, verifications=given, files=(file(), file("model.sig"))[: 2 if given else 1])
    assert [reason.rule for reason in verdict.reasons] == ([rule] if rule else [])


def test_rules_of_ones_own_name_what_breaks_them(tmp_path) -> None:
    rules = policy(
        tmp_path,
        "rules:\n"
        "  - {id: a, each: file, require: 'file.size < 5', message: too big, remedy: shrink it}\n"
        "  - {id: b, each: finding, deny: 'finding.check == \"remote-code\"', message: no, effect: warn}\n"
        "  - {id: c, each: gap, deny: 'true', message: never}\n"
        "  - {id: d, each: verification, deny: 'true', message: never}\n"
        "  - {id: e, deny: 'size(files) > 5', message: too many}\n"
        "gate: {fail_on: critical}\n",
    )
    files = tuple(file(f"f{size}", size=size) for size in range(9))
    found = finding("high", "f1")
    verdict = judge(rules, found, finding("low"), files=files)
    assert [(r.rule, r.line, r.message, r.remedy) for r in verdict.reasons] == [
        ("rules.a", 3, "too big: f5, f6, f7 and 1 more", "shrink it"),
        ("rules.e", 7, "too many", ""),
    ]
    warned = [r for r in verdict.warnings if r.rule == "rules.b"]
    assert [(r.message, r.findings) for r in warned] == [("no: f1", (found.fingerprint,))]


_LEVELS = st.sampled_from(["critical", "high", "medium", "low", "info"])
_FOUND = st.builds(finding, _LEVELS, st.sampled_from(["a", "b/c"]), callable=st.sampled_from("abcd"))
_BODIES = st.builds(
    lambda fail, rate, rule, deny, check: (
        f"gate: {{fail_on: {fail}, warn_on: low}}\n"
        f"severities: [{{rule: '{rule}', path: '{deny}', severity: {rate}, because: x}}]\n"
        f"rules:\n  - {{id: a, each: finding, deny: 'finding.check == \"{check}\"', message: m}}\n"
        f"  - {{id: b, each: finding, require: 'finding.rank < 4 || finding.path == \"a\"', message: m}}\n"
        f"  - {{id: c, deny: 'findings.exists(f, f.rank == 3)', message: m, effect: warn}}\n"
    ),
    st.sampled_from(["medium", "high", "critical"]),
    _LEVELS,
    st.sampled_from(["made/high", "other/*", "made/medium"]),
    st.sampled_from(["**", "a", "b/*"]),
    st.sampled_from(["remote-code", "provenance", "secret"]),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("evaluation")


@given(body=_BODIES, found=st.lists(_FOUND, max_size=5), more=_FOUND, gaps=st.booleans())
def test_the_decision_is_a_function_and_a_finding_never_mends_it(folder, body, found, more, gaps) -> None:
    rules = policy(folder, body)
    given = {"gaps": (gap(),) if gaps else ()}
    first = judge(rules, *found, **given)
    assert judge(rules, *found, **given) == first
    worse = judge(rules, *found, more, **given)
    assert WORSE.index(worse.decision) >= WORSE.index(first.decision)
    assert {reason.rule for reason in first.reasons} <= {reason.rule for reason in worse.reasons}


@given(_BODIES, st.lists(_FOUND, max_size=4))
def test_whatever_the_policy_says_a_changed_file_refuses(folder, body, found) -> None:
    assert judge(policy(folder, body), *found, finding("mismatch")).decision is Decision.FAIL
