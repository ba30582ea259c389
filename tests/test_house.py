"""The house rules that no linter knows: sizes, pages, fixtures, names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from scanner.catalogue import all_rules
from scanner.formats import all_formats

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "scanner").rglob("*.py"))


def test_files_have_at_most_400_lines() -> None:
    long = {str(p.relative_to(ROOT)): n for p in SOURCES if (n := len(p.read_text().splitlines())) > 400}
    assert not long


def test_functions_have_at_most_60_lines() -> None:
    long = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > 60:
                    long.append(f"{path.relative_to(ROOT)}:{node.name} {lines}")
    assert not long


def test_no_module_has_a_name_that_means_nothing() -> None:
    banned = {"utils", "util", "helpers", "helper", "common", "base", "misc", "manager"}
    assert not [p.name for p in SOURCES if p.stem in banned]


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.id)
def test_each_rule_has_its_page_and_every_part_of_it(rule) -> None:
    page = ROOT / "docs" / "rules" / f"{rule.id.partition('/')[0]}.md"
    assert f"## {rule.id}\n" in page.read_text()
    for part in ("title", "finds", "why", "remedy"):
        assert len(getattr(rule, part)) > 8, part


@pytest.mark.parametrize("fmt", all_formats(), ids=lambda fmt: fmt.name)
def test_each_format_owns_its_rules_and_has_fixtures_and_tests(fmt) -> None:
    for rule in fmt.rules:
        assert rule.id.startswith(f"{fmt.name}/"), rule.id
    for kind in ("clean", "broken", *(("unsafe",) if fmt.rules else ())):
        folder = ROOT / "fixtures" / fmt.name / kind
        assert folder.is_dir(), f"no fixtures/{fmt.name}/{kind}"
        assert any(folder.iterdir())
    module = fmt.name.replace("-", "_")
    assert list((ROOT / "tests" / "formats").glob(f"test_{module}.py")), module


def test_every_fixture_is_small() -> None:
    big = [p for p in (ROOT / "fixtures").rglob("*") if p.is_file() and p.stat().st_size > 65536]
    assert not big


def test_no_broad_except_outside_the_worker() -> None:
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                name = getattr(node.type, "id", None)
                if node.type is None or name in {"Exception", "BaseException"}:
                    found.append(path.relative_to(ROOT).as_posix())
    assert found == ["scanner/workers.py"]


def _project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_each_distribution_that_is_imported_is_declared() -> None:
    """What another distribution happens to bring may go with its next release."""
    declared = {_normal(Requirement(text).name) for text in _project()["dependencies"]}
    brought = packages_distributions()
    imported = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module or "")
    for top in (
        {name.partition(".")[0] for name in imported} - sys.stdlib_module_names - {"scanner", "compression"}
    ):
        assert {_normal(name) for name in brought[top]} & declared, top


def test_the_core_stays_small() -> None:
    """At most 75 distributions with our own (architecture page), on every system and Python."""
    text = (ROOT / "requirements" / "core.txt").read_text()
    assert 30 < len(re.findall(r"^[a-z].*==", text, re.MULTILINE)) <= 74


def test_decisions_are_numbered_in_turn() -> None:
    names = sorted(path.name for path in (ROOT / "docs" / "adr").glob("*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


def test_the_changelog_says_what_is_unreleased() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.search(r"^## Unreleased\n\n### \w+\n\n- ", text, re.MULTILINE)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="only in a clone does git know what it leaves out")
def test_no_fixture_is_left_out_of_a_commit() -> None:
    command = ["git", "ls-files", "--others", "--ignored", "--exclude-standard", "fixtures"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not [name for name in listed.splitlines() if "__pycache__" not in name]
