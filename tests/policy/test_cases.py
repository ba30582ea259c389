"""``weighbridge policy``: check, explain, test; and the shipped packs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from scanner.cli.app import app
from scanner.model import Check, Finding, Location, Severity
from scanner.policy.document import PACKS, Known, load
from scanner.result import Decision
from tests.policy.make import RULES, judge, rule, waiver

ROOT = Path(__file__).parent.parent.parent


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["policy", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, result.output


def guide() -> str:
    text = (ROOT / "docs/guides/policies.md").read_text("utf-8")
    return next(p.split("```")[0] for p in text.split("```yaml\n")[1:] if "tests:" in p)


def test_check_says_yes_or_every_mistake(tmp_path) -> None:
    assert run("check", "baseline") == (
        0,
        "baseline.yaml: policy baseline is valid (rules of its own: 0, waivers: 0)\n",
    )
    (tmp_path / "p.yaml").write_text("version: 1\ngaet: 1\ngate: {fail_on: 3}\n")
    code, output = run("check", str(tmp_path / "p.yaml"))
    assert code == 2
    assert "p.yaml:2:1: unknown key 'gaet'; did you mean gate?\n    gaet: 1\n    ^" in output
    assert "p.yaml:3:17: 3 is no severity" in output


def test_explain_says_what_is_demanded_and_where(tmp_path) -> None:
    code, output = run("explain", "strict")
    assert code == 0
    for text in (
        "Findings of severity medium and above refuse.  [strict.yaml:",
        "The target has to name a fixed revision.",
        "No file may be or contain pickle, judged by content.",
        "Anything that could not be read makes the verdict incomplete.  [baseline.yaml:",
    ):
        assert text in output
    places = json.loads(run("explain", "strict", "--format", "json")[1])
    lines = {name: (PACKS / f"{name}.yaml").read_text().split("\n") for name in ("strict", "baseline")}
    for entry in places:
        name, _, line = entry["place"].partition(".yaml:")
        assert lines[name][int(line) - 1].strip()


def test_explain_says_what_happens_to_a_rule(tmp_path) -> None:
    (tmp_path / "p.yaml").write_text(
        "version: 1\nextends: baseline\nseverities:\n"
        "  - {rule: pickle/*, severity: low, because: we sandbox them}\n"
        + waiver(rule="pickle/unknown-callable", expires="2027-01-20")
    )
    code, output = run("explain", str(tmp_path / "p.yaml"), "pickle/unknown-callable")
    assert code == 0
    assert "It is low: we sandbox them" in output
    assert "At low it is only reported." in output
    assert "jane accepts it in model.bin until 2027-01-20." in output
    assert "It can be neither waived nor lowered." in run("explain", "strict", "digests/mismatch")[1]
    code, output = run("explain", "strict", "pickle/unknown-calable")
    assert code == 2
    assert "did you mean pickle/unknown-callable?" in output


def test_the_cases_of_the_guide_come_out_as_they_say(tmp_path) -> None:
    (tmp_path / "tests.yaml").write_text(guide())
    report = CliRunner().invoke(app, ["scan", str(ROOT / "fixtures/demo/clean"), "--format", "json"])
    (tmp_path / "candidate.json").write_text(report.stdout)
    code, output = run("test", "strict", str(tmp_path / "tests.yaml"))
    assert (code, output.split("\n")[2]) == (0, "2 of 2 cases as expected"), output


def test_a_case_that_comes_out_otherwise_is_told(tmp_path) -> None:
    (tmp_path / "t.yaml").write_text(
        "version: 1\ntests:\n"
        "  - name: one\n    expect: pass\n    facts: {findings: [{rule: pickle/unknown-callable}]}\n"
        "  - name: two\n    expect: fail\n    because: [gate.warn_on, rules.nothing]\n"
        "    facts: {findings: [{rule: pickle/unknown-callable}, {rule: pickle/present}]}\n"
    )
    code, output = run("test", "baseline", str(tmp_path / "t.yaml"))
    assert code == 1
    assert "FAIL one\n" in output
    assert "t.yaml:3: expected pass, is fail" in output
    assert "gate.fail_on (baseline.yaml:" in output
    assert "not among the reasons: rules.nothing" in output
    assert "not among the reasons: gate.warn_on" not in output
    assert "0 of 2 cases as expected" in output


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("tests: []", "tests"),
        ("tests: [{name: a, expect: pass}]", "needs exactly one of report and facts"),
        ("tests: [{name: a, expect: psas, facts: {}}]", "'psas' is no choice; did you mean pass?"),
        ("tests: [{name: a, expect: pass, facts: {findings: [{rule: x/y}]}}]", "no rule is called 'x/y'"),
        ("tests: [{name: a, expect: pass, facts: {files: [{path: 3}]}}]", "input should be a valid string"),
        ("tests: [{name: a, expect: pass, report: no.json}]", "no.json is no JSON report that can be read"),
        ("tests: [{name: a, expect: pass, report: t.yaml}]", "t.yaml is no JSON report that can be read"),
    ],
)  # fmt: skip
def test_a_table_with_a_mistake_is_an_error(tmp_path, body: str, message: str) -> None:
    (tmp_path / "t.yaml").write_text(f"version: 1\n{body}\n")
    code, output = run("test", "baseline", str(tmp_path / "t.yaml"))
    assert code == 2
    assert message in output


@pytest.mark.parametrize("name", ["baseline", "strict"])
def test_the_shipped_packs_keep_their_promises(name: str) -> None:
    code, output = run("test", name, str(Path(__file__).parent / f"{name}.yaml"))
    assert code == 0, output
    assert "no case breaks" not in output


@pytest.mark.parametrize("check", [Check.REMOTE_CODE, Check.EXECUTABLE])
def test_strict_refuses_code_at_any_severity(check: Check) -> None:
    low = rule("made/code", Severity.LOW, check)
    known_here = Known(lambda: (*RULES.values(), low), lambda: ("pickle",), lambda: ())
    strict = load("strict", known_here)
    verdict = judge(strict, Finding(low, Location("x"), "there"), files=())
    assert verdict.decision is Decision.FAIL
