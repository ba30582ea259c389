"""Waivers: bound to bytes, to a time and to an owner; honoured in one place."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import PolicyError
from scanner.model import Severity
from scanner.policy.document import Policy
from scanner.policy.evaluation import evaluate
from scanner.result import Decision
from tests.policy.make import NOW, SHA, evidence, file, finding, judge, policy, waiver

HIGH = finding("high", callable="a")


def test_a_waived_finding_stays_in_the_report_and_refuses_no_more(tmp_path) -> None:
    verdict = judge(policy(tmp_path, waiver(ticket="T-1")), HIGH)
    assert verdict.decision is Decision.PASS
    (entry,) = verdict.judged
    assert entry.finding is HIGH
    assert entry.severity is Severity.HIGH
    assert entry.waived_by == f"jane until 2027-03-01: reviewed (T-1) [{tmp_path / 'p.yaml'}:3]"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"sha256": "b" * 64}, f"the file has other bytes now (sha256 {SHA})"),
        ({"path": "other.bin"}, "no finding is in that file"),
        ({"rule": "made/medium"}, "the rule finds nothing"),
        ({"fingerprint": "b" * 64}, "its fingerprint is another one"),
        (
            {"sha256": None, "broad": True, "expires": "2027-01-31", "path": "*.pt"},
            "no finding is in that file",
        ),
    ],
)
def test_what_does_not_fit_is_not_waived_and_says_why(tmp_path, given: dict[str, object], why: str) -> None:
    verdict = judge(policy(tmp_path, waiver(**given)), HIGH)
    assert verdict.decision is Decision.FAIL
    assert [entry.finding.rule.id for entry in verdict.judged] == ["made/high", "policy/waiver-unused"]
    note = verdict.judged[1].finding
    assert note.message.endswith(why)
    assert note.location.line == 3


def test_a_digest_that_is_only_declared_does_not_free(tmp_path) -> None:
    bare = file(digests=())
    verdict = judge(policy(tmp_path, waiver()), HIGH, files=(bare,))
    assert verdict.decision is Decision.FAIL
    assert "was not hashed" in verdict.judged[1].finding.message


@pytest.mark.parametrize("path", ["*.bin", "model.bin", "**"])
def test_a_broad_waiver_needs_no_digest(tmp_path, path: str) -> None:
    body = waiver(sha256=None, broad=True, path=path, expires="2027-01-31")
    assert judge(policy(tmp_path, body), HIGH, files=(file(digests=()),)).decision is Decision.PASS


def test_a_fingerprint_narrows_it_to_one_finding(tmp_path) -> None:
    other = finding("high", callable="b")
    verdict = judge(policy(tmp_path, waiver(fingerprint=HIGH.fingerprint)), HIGH, other)
    assert [entry.waived_by is None for entry in verdict.judged] == [False, True]
    assert verdict.reasons[0].findings == (other.fingerprint,)


@pytest.mark.parametrize(
    ("day", "passes"),
    [("2026-12-31", False), ("2027-01-01", True), ("2027-03-01", True), ("2027-03-02", False)],
)
def test_it_holds_from_its_first_to_its_last_day(tmp_path, day: str, passes: bool) -> None:
    now = dt.datetime.fromisoformat(day).replace(hour=23, minute=59, tzinfo=dt.UTC)
    verdict = judge(policy(tmp_path, waiver()), HIGH, now=now)
    assert (verdict.decision is Decision.PASS) is passes
    notes = [entry.finding.rule.id for entry in verdict.judged[1:]]
    assert notes == ([] if passes else ["policy/waiver-expired"])


def test_the_end_of_the_day_is_the_one_of_utc(tmp_path) -> None:
    tokyo = dt.timezone(dt.timedelta(hours=9))
    morning = dt.datetime(2027, 3, 2, 8, 59, tzinfo=tokyo)  # still the first of March in UTC
    assert judge(policy(tmp_path, waiver()), HIGH, now=morning).decision is Decision.PASS


def test_its_end_is_announced(tmp_path) -> None:
    rules = policy(tmp_path, waiver())
    texts = [
        [reason.message for reason in judge(rules, HIGH, now=NOW.replace(month=month, day=day)).warnings]
        for month, day in ((2, 14), (2, 15), (2, 28), (3, 1))
    ]
    start = "the waiver of made/high for model.bin by jane ends "
    assert texts == [[], [f"{start}in 14 days"], [f"{start}in 1 day"], [f"{start}today"]]


def test_without_a_clock_waivers_are_an_error_and_nothing_else_is(tmp_path) -> None:
    with pytest.raises(PolicyError, match="no time was given"):
        judge(policy(tmp_path, waiver()), HIGH, now=None)
    assert judge(policy(tmp_path, "name: x"), HIGH, now=None).decision is Decision.FAIL


def test_a_glob_over_rules_cannot_be_waived_by_a_broken_promise(tmp_path) -> None:
    """The evaluation itself refuses what the loader would: two locks on one door."""
    rules = policy(tmp_path, waiver())
    entry = rules.body.waivers[0].model_copy(update={"rule": "digests/mismatch"})
    forged = Policy(
        rules.name, rules.path, rules.digest, rules.body.model_copy(update={"waivers": (entry,)}), rules.tree
    )
    verdict = evaluate(forged, evidence(finding("mismatch")), NOW)
    assert verdict.decision is Decision.FAIL
    assert verdict.judged[0].waived_by is None


_FINDINGS = st.lists(
    st.builds(
        finding,
        st.sampled_from(["critical", "high", "medium", "low", "info", "mismatch"]),
        st.sampled_from(["model.bin", "a/b.bin", "other.txt"]),
        callable=st.sampled_from("abc"),
    ),
    max_size=6,
)
_WAIVERS = st.fixed_dictionaries(
    {
        "rule": st.sampled_from(["made/critical", "made/high", "made/medium", "made/low", "other/info"]),
        "path": st.sampled_from(["model.bin", "a/b.bin", "**"]),
        "sha256": st.none(),
        "broad": st.just(True),
        "granted": st.just("2026-11-01"),
        "expires": st.sampled_from(["2026-11-01", "2026-11-20", "2026-12-01"]),
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("waivers")


@given(
    found=_FINDINGS, entries=st.lists(_WAIVERS, min_size=1, max_size=3), gate=st.sampled_from(["low", "high"])
)
def test_an_expired_waiver_frees_nothing(folder, found, entries, gate) -> None:
    """Whatever is judged without the waivers is judged the same with them; only notes are added."""
    head = f"gate: {{fail_on: {gate}, warn_on: low}}\n"
    body = head + waiver(**entries[0]) + "".join(
        waiver(**entry).partition("\n")[2] for entry in entries[1:]
    )  # fmt: skip
    without = judge(policy(folder, head, "without.yaml"), *found)
    expired = judge(policy(folder, body, "expired.yaml"), *found)
    count = len(without.judged)
    assert expired.judged[:count] == without.judged
    assert {entry.finding.rule.id for entry in expired.judged[count:]} == {"policy/waiver-expired"}

    def others(reasons):
        return [(r.rule, r.message, r.findings) for r in reasons if "policy/waiver" not in r.message]

    assert others(expired.reasons) == others(without.reasons)
    assert others(expired.warnings) == others(without.warnings)
    if without.decision is Decision.FAIL:
        assert expired.decision is Decision.FAIL
