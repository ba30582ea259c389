"""Verbs and errors that belong to no other room, and the package as a library."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import scanner
from scanner.catalogue import all_rules
from tests.support import POSIX, ROOT, weighbridge


def test_rules_are_listed_and_each_has_its_page() -> None:
    listed = weighbridge("rules").stdout.splitlines()
    assert [line.split()[0] for line in listed] == [rule.id for rule in all_rules()]
    page = weighbridge("rules", "pickle/dangerous-callable").stdout
    assert page.startswith("## pickle/dangerous-callable\n")
    assert page in (ROOT / "docs" / "rules" / "pickle.md").read_text(encoding="utf-8")


def test_rules_are_data_too() -> None:
    documents = json.loads(weighbridge("rules", "--format", "json").stdout)
    assert {document["id"] for document in documents} == {rule.id for rule in all_rules()}
    (one,) = json.loads(weighbridge("rules", "pickle/dangerous-callable", "--format", "json").stdout)
    assert (one["id"], one["severity"]) == ("pickle/dangerous-callable", "critical")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rules", "pickle/dangerous-calable"], "did you mean pickle/dangerous-callable?"),
        (["rules", "nothing"], "`weighbridge rules` lists them"),
        (["scna", "x"], "Did you mean 'scan'?"),
        (["xyzzy"], "Verbs: scan,"),
        (["scan"], "Missing argument 'TARGETS...'"),
        (["scan", "fixtures/demo/clean", "--now", "soon"], "'soon' is no date like 2027-01-31"),
        (["scan", "fixtures/demo/clean", "-o", "no/such/folder/x"], "cannot be written"),
        (["scan", "fixtures/demo/clean", "--policy", "strickt"], "strict"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_a_slip_is_an_error_with_a_way_out(arguments: list[str], message: str) -> None:
    result = weighbridge(*arguments)
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not result.stdout


@POSIX
def test_an_interruption_is_one_whatever_it_has_become() -> None:
    code = (
        "import os, signal\n"
        "from scanner.cli.interruption import interruptible\n"
        "with interruptible():\n"
        "    try:\n        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    except BaseException as stop:\n        raise RuntimeError('while a class was made') from stop\n"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert (result.returncode, result.stderr) == (143, "interrupted: nothing was decided\n")


def test_the_package_weighs_without_the_command() -> None:
    report = scanner.scan(str(ROOT / "fixtures" / "demo" / "trojaned"))
    assert report.verdict.decision is scanner.Decision.FAIL
    assert {finding.rule.severity for finding in report.findings} >= {scanner.Severity.CRITICAL}
    assert isinstance(report, scanner.Report)
    with pytest.raises(scanner.ScannerError, match="no-such-thing"):
        scanner.scan("no-such-thing")


def test_the_package_has_its_public_names_and_no_others() -> None:
    assert all(hasattr(scanner, name) for name in scanner.__all__)
    with pytest.raises(AttributeError, match="'scanner' has no attribute 'scam'"):
        _ = scanner.scam
