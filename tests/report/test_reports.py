"""Every report as it looks, for one of each kind; and what no report may do with hostile text."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len
from rich.console import Console
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from scanner.model import Finding, Gap, Location
from scanner.report import json_report, markdown, render, sarif, terminal
from scanner.result import Decision, Report
from tests.report.make import CALL, FORMAT, HOSTILE, LENIENT, NOTE, POLICY, REMOTE, file, report, reports

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
SARIF = jsonschema.Draft4Validator(
    json.loads((HERE / "sarif-schema-2.1.0.json").read_text("utf-8")),
    format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER,
)
JSON = jsonschema.Draft202012Validator(
    json.loads((ROOT / "docs/schema/report-1.schema.json").read_text("utf-8"))
)
KINDS = ("pass", "fail", "incomplete", "hostile")


class _Text(SingleFileSnapshotExtension):
    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, Report]:
    return reports(tmp_path_factory.mktemp("reports"))


def printed(
    one: Report, verbose: int = 0, width: int = 80, encoding: str = "utf-8", *, colour: bool = False
) -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    console = Console(
        file=stream, width=width, force_terminal=colour, color_system="standard" if colour else None,
        legacy_windows=False,
    )  # fmt: skip
    terminal.render(one, console, verbose=verbose)
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", ["json", "sarif", "markdown"])
def test_each_report_looks_as_it_did(made, snapshot, kind: str, form: str) -> None:
    assert render(form, (made[kind],)) == snapshot(extension_class=_Text)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verbose", [-1, 0, 1, 2])
def test_the_terminal_looks_as_it_did(made, snapshot, kind: str, verbose: int) -> None:
    assert printed(made[kind], verbose) == snapshot(extension_class=_Text)


@pytest.mark.parametrize("width", [30, 60, 100, 300])
def test_the_terminal_keeps_to_its_width(made, width: int) -> None:
    for one in made.values():
        for verbose in (0, 2):
            lines = printed(one, verbose, width).split("\n")
            assert max(cell_len(line) for line in lines) <= min(width, 100)


def test_a_long_name_does_not_hide_what_is_said(tmp_path) -> None:
    one = report(
        tmp_path, LENIENT, Finding(CALL, Location("a" * 3000, ("b" * 3000,), 5), "calls posix.system")
    )
    text = printed(one)
    assert "b @ 5: calls posix.system" in " ".join(text.split())
    assert len(text.split("\n")) <= 24


def test_colours_are_only_for_terminals(made) -> None:
    assert "\x1b[" in printed(made["fail"], colour=True)
    assert "\x1b" not in printed(made["fail"])


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1"])
def test_a_terminal_without_our_signs_shows_others(made, encoding: str) -> None:
    for one in made.values():
        text = printed(one, 2, encoding=encoding)
        assert text.isascii()
    assert "x Loading this calls something" in printed(made["fail"], encoding=encoding)


def test_what_decides_is_on_one_screen(tmp_path) -> None:
    """However much there is: verdict, the worst reason in full, its remedy, the policy's line."""
    found = [
        Finding(rule, Location(f"folder/model-{number:05}.bin", ("archive/data.pkl",), number), "calls it")
        for rule in (CALL, REMOTE, FORMAT, NOTE)
        for number in range(50)
    ]  # fmt: skip
    gaps = tuple(Gap(Location(f"file{number}"), f"reason {number % 7}") for number in range(30))
    one = report(tmp_path, POLICY, *found, gaps=gaps)
    text = printed(one)
    assert len(text.split("\n")) <= 24
    for part in (
        "FAIL",
        CALL.title,
        CALL.remedy,
        "gate.fail_on, policy.yaml:3",
        "30 things could not be read",
    ):
        assert part in text


_TEXT = st.text(max_size=30) | st.just(HOSTILE) | st.text("ab \n|`*_<>[](){}@#\\~!-\x1b\u202e", max_size=40)


@st.composite
def _reports(draw, folder: Path) -> Report:
    places = st.builds(
        Location, _TEXT, st.lists(_TEXT, max_size=2).map(tuple), st.none() | st.integers(0, 2**40)
    )
    rules = st.sampled_from([CALL, REMOTE, FORMAT, NOTE])
    pairs = st.lists(st.tuples(_TEXT, _TEXT), max_size=2).map(tuple)
    found = draw(st.lists(st.builds(Finding, rules, places, _TEXT, evidence=pairs), max_size=4))
    gaps = draw(st.lists(st.builds(Gap, places, _TEXT), max_size=3))
    given = {"files": (file(draw(_TEXT)), file("x")), "gaps": tuple(gaps), "name": draw(_TEXT)}
    given["source"] = draw(st.sampled_from(["local", "huggingface"]))
    return report(folder, draw(st.sampled_from([LENIENT, POLICY])), *found, **given)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@given(st.data())
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_hostile_text_stays_text_in_every_report(folder, data) -> None:
    one = data.draw(_reports(folder))
    log = json.loads(sarif.render((one,)))
    SARIF.validate(log)
    for result in log["runs"][0]["results"]:
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"([A-Za-z0-9._~/-]|%[0-9A-F]{2})*", uri)
    JSON.validate(json_report.document(one))
    for verbose in (0, 2):
        shown = printed(one, verbose)
        assert all(c.isprintable() or c == "\n" for c in shown)
    text = markdown.render((one,))
    assert all(c.isprintable() or c == "\n" for c in text)
    _only_our_markup(text)


def _only_our_markup(text: str) -> None:
    """Names and messages are in code spans: everything else is made of our own words and signs."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        assert token.type not in {"fence", "code_block", "link_open", "hr"}, token
        if token.type == "html_block":
            summary = r"<details><summary>(Noted|Waived): [0-9,]+ findings?</summary>"
            assert re.fullmatch(rf"</details>|{summary}", token.content.strip())
        for child in token.children or ():
            assert child.type in {"text", "code_inline", "softbreak", "strong_open", "strong_close"}, child
            if child.type == "text":
                assert not set(child.content) & set("@<>`[]{}|\\"), child.content


def test_a_table_keeps_its_three_columns(made) -> None:
    rows = [line for line in markdown.render((made["hostile"],)).split("\n") if line.startswith("|")]
    tokens = MarkdownIt("commonmark").enable("table").parse("\n".join(rows))
    cells = [token.type for token in tokens].count("td_open")
    assert cells == 3 * (len(rows) - 2)
    assert all(len(row.replace("\\|", "").split("|")) == 5 for row in rows)


def test_a_comment_that_would_be_too_long_is_cut(tmp_path) -> None:
    found = [Finding(CALL, Location("f" * 250 + str(n)), "m" * 290) for n in range(5)]
    one = report(tmp_path, LENIENT, *found)
    text = markdown.render([one] * 60)
    assert len(text) < 65_536
    assert text.endswith("shortened; the JSON report has everything.\n")


def test_sarif_says_what_the_policy_made_of_each_finding(made) -> None:
    body = json.loads(sarif.render((made["fail"],)))
    (run,) = body["runs"]
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    results = {
        (r["ruleId"], r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]): r
        for r in run["results"]
    }
    levels = {key[0]: result["level"] for key, result in results.items()}
    assert levels == {
        "made/call": "error",
        "made/remote": "note",
        "made/format": "warning",
        "made/note": "note",
        "policy/rules.small": "error",
        "policy/gaps.allow": "error",
    }
    assert rules["made/call"]["properties"]["security-severity"] == "9.5"
    assert "### Remediation" in rules["made/call"]["help"]["markdown"]
    waived = results["made/remote", "models/model/config.json"]
    assert waived["suppressions"][0]["status"] == "accepted"
    assert waived["locations"][0]["physicalLocation"]["region"] == {"startLine": 12}
    nested, direct = (r for r in run["results"] if r["ruleId"] == "made/call")
    assert nested["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}
    assert nested["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "model.bin/archive/data.pkl"
    assert direct["locations"][0]["physicalLocation"]["region"] == {
        "startLine": 1,
        "byteOffset": 3,
        "byteLength": 4,
    }
    hashes = [r["partialFingerprints"]["primaryLocationLineHash"] for r in (nested, direct)]
    assert len(set(hashes)) == 2
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    (invocation,) = run["invocations"]
    assert invocation["exitCode"] == 1
    assert len(invocation["toolExecutionNotifications"]) == 3


def test_an_incomplete_scan_is_no_success(made) -> None:
    body = json.loads(sarif.render((made["incomplete"], made["pass"])))
    states = [run["invocations"][0]["executionSuccessful"] for run in body["runs"]]
    assert states == [False, True]


@pytest.mark.parametrize(
    ("target", "name", "paths", "uri"),
    [
        ("models/x", "x", ("a b.bin",), "models/x/a%20b.bin"),
        ("models/x.bin", "x.bin", ("x.bin",), "models/x.bin"),
        (".", "model", ("x.bin",), "x.bin"),
        ("x.bin", "x.bin", ("x.bin",), "x.bin"),
    ],
)
def test_a_place_is_seen_from_where_the_command_ran(tmp_path, target, name, paths, uri) -> None:
    one = report(
        tmp_path, LENIENT, Finding(CALL, Location(paths[0]), "m"),
        target=target, name=name, files=tuple(file(path) for path in paths),
    )  # fmt: skip
    run = json.loads(sarif.render((one,)))["runs"][0]
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": uri}


@pytest.mark.parametrize("target", ["../x", str(Path("/abs/x")), "hf://org/name"])
def test_elsewhere_it_is_seen_from_the_artefact(tmp_path, target: str) -> None:
    one = report(
        tmp_path, LENIENT, Finding(CALL, Location("a.bin"), "m"),
        target=target, source="huggingface" if ":" in target else "local",
    )  # fmt: skip
    run = json.loads(sarif.render((one,)))["runs"][0]
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == {
        "uri": "a.bin",
        "uriBaseId": "ARTEFACT",
    }
    assert "ARTEFACT" in run["originalUriBaseIds"]


def test_the_kinds_are_what_they_are_called(made) -> None:
    decisions = [made[kind].verdict.decision for kind in KINDS]
    assert decisions == [Decision.PASS, Decision.FAIL, Decision.INCOMPLETE, Decision.FAIL]


def test_reports_of_real_files_follow_their_schemas() -> None:
    """Every fixture there is: whatever a format says, the reports can carry it."""
    reports = {}
    for form in ("sarif", "json", "markdown", "terminal"):
        command = [sys.executable, "-m", "scanner", "scan", "fixtures", "--format", form]
        result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=300)
        assert result.returncode == 1, result.stderr
        assert not result.stderr
        reports[form] = result.stdout
    SARIF.validate(json.loads(reports["sarif"]))
    JSON.validate(json.loads(reports["json"]))
    _only_our_markup(reports["markdown"])
    assert len(reports["terminal"].split("\n")) <= 24
