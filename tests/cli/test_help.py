"""What the command says about itself: help that fits and shows examples, completion, colour."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.support import ROOT, weighbridge
from tools.docs import help_of, verbs

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", list(verbs()))
def test_help_shows_an_example_and_fits_a_terminal(verb: str) -> None:
    text = help_of(verb)
    assert max(map(len, text.splitlines())) <= 80
    example = re.search(r"^  Example:\n((?:    .+\n)+)", text, re.MULTILINE)
    assert example, text
    assert f"weighbridge {verb}".strip() in example[1]
    # A mark of click's that came out as a letter, a title that was cut off.
    assert "\\b" not in text
    assert "..." not in text.replace("[ARGS]...", "").replace("TARGETS...", "")
    assert f"<!-- help: {verb} -->\n```text\n{text}```\n" in README


def _complete(*words: str) -> list[str]:
    """What bash is offered for the last of the words."""
    asked = {"COMP_WORDS": "\n".join(("weighbridge", *words)), "COMP_CWORD": str(len(words))}
    result = weighbridge(_WEIGHBRIDGE_COMPLETE="bash_complete", **asked)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["s"], ["plain,scan"]),
        (["policy", "ex"], ["plain,explain"]),
        (["scan", "--out"], ["plain,--output"]),
        (["scan", "--policy", "str"], ["file,str", "plain,strict"]),
        (["scan", "model"], ["file,model"]),
        (["rules", "pickle/dang"], ["plain,pickle/dangerous-callable"]),
        (["policy", "explain", "strict", "pickle/dang"], ["plain,pickle/dangerous-callable"]),
    ],
)
def test_the_shell_is_offered_what_fits(words: list[str], offered: list[str]) -> None:
    assert _complete(*words) == offered


def test_the_script_for_the_shell_names_the_command() -> None:
    script = weighbridge(_WEIGHBRIDGE_COMPLETE="zsh_source")
    assert script.stdout.startswith("#compdef weighbridge\n")


@pytest.mark.parametrize(("extra", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colour_is_for_terminals_that_want_it(extra: dict[str, str], coloured: bool) -> None:
    pty = pytest.importorskip("pty", reason="pseudo-terminals are POSIX's")
    environment = {key: os.environ[key] for key in os.environ.keys() - {"NO_COLOR", "FORCE_COLOR"}}
    environment |= {"TERM": "xterm-256color", **extra}
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-m", "scanner", "scan", "-q", "fixtures/demo/clean"],
        stdout=theirs, cwd=ROOT, check=True, timeout=60, env=environment,
    )  # fmt: skip
    os.close(theirs)
    printed = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "PASS" in printed
    assert bool(re.search(r"\x1b\[[\d;]*(?:3|4)\dm", printed)) == coloured, printed


@pytest.mark.parametrize("form", ["json", "sarif", "markdown"])
def test_what_programs_read_is_utf_8_whatever_the_system_prefers(form: str) -> None:
    arguments = ("scan", "fixtures/demo/trojaned", "--format", form)
    usual, other = weighbridge(*arguments), weighbridge(*arguments, PYTHONIOENCODING="cp1252")
    assert usual.returncode == other.returncode == 1, other.stderr
    assert usual.stdout == other.stdout
