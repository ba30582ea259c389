from __future__ import annotations

import ast
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.formats.python_source import FORMAT
from scanner.inspection import run
from scanner.model import Coverage, Location
from scanner.reader import Budget, BytesReader
from tests.support import FIXTURES, assert_survives, examined, head_of, inspect_bytes, names_of, rules_of

HERE = FIXTURES / "python-source"
PRESENT = {"python-source/present"}


def files(folder: str):
    return pytest.mark.parametrize("path", sorted((HERE / folder).iterdir()), ids=lambda p: p.stem)


def inspect(text: str):
    return inspect_bytes("python-source", text.encode(), "x.py")


@files("clean")
def test_ordinary_source_is_only_noted(path) -> None:
    found = inspect_bytes("python-source", path.read_bytes(), path.name)
    assert rules_of(found) == PRESENT
    assert not found.gaps
    assert found.coverage is Coverage.WHOLE


@files("unsafe")
def test_what_an_import_runs_is_found_however_it_is_named(path) -> None:
    found = inspect_bytes("python-source", path.read_bytes(), path.name)
    assert rules_of(found) == {*PRESENT, "python-source/runs-on-import"}
    assert not found.gaps


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("later", {"dangerous-call"}),
        ("computed", {"acts-on-import"}),
        ("reflection", {"acts-on-import"}),
        ("utf-7", {"encoding", "runs-on-import"}),
    ],
)
def test_other_things_worth_knowing(name: str, rules: set[str]) -> None:
    data = (HERE / f"unsafe-other/{name}.py").read_bytes()
    assert rules_of(inspect_bytes("python-source", data)) == {
        *PRESENT,
        *(f"python-source/{r}" for r in rules),
    }


@files("broken")
def test_what_does_not_parse_is_a_gap(path) -> None:
    found = inspect_bytes("python-source", path.read_bytes(), path.name)
    assert found.gaps
    assert found.coverage is Coverage.NONE


@pytest.mark.parametrize(
    "text",
    [
        "model.eval()\nre.compile('x')\n",
        "def eval(model): pass\neval(1)\n",
        "def f(compile=True):\n    if compile: compile(1)\n",
        "import subprocess\ntry: pass\nexcept subprocess.CalledProcessError: pass\n",
        "import requests\nclass S(requests.Session): pass\nsession: requests.Session = None\n",
        "import importlib\nimportlib.import_module('torch.nn')\n__import__('json')\n",
        "import os\nos.path.join('a')\nos.environ['x'] = '1'\nos.makedirs('x')\n",
        "import functools\n@functools.lru_cache\ndef f(x): return getattr(x, name)()\n",
    ],
)
def test_what_ordinary_source_does_is_no_finding(text: str) -> None:
    assert rules_of(inspect(text)) == PRESENT


def test_a_call_under_the_main_guard_is_not_part_of_an_import() -> None:
    assert rules_of(inspect("if __name__ == '__main__':\n    exec('1')\n")) == {
        *PRESENT,
        "python-source/dangerous-call",
    }


def test_each_finding_has_its_line_and_names() -> None:
    found = inspect("import os\n\n\nos.system('true')\n").findings[1]
    assert found.location.line == 4
    assert found.evidence == (("name", "os.system"), ("capability", "executes"))


@pytest.mark.parametrize(
    "text",
    [
        "(" * 200_000,
        "-" * 500_000 + "1",
        "not " * 100_000 + "x",
        "x" + ".a" * 200_000,
        "1" + "+1" * 200_000,
        "if x:pass\n" + "elif x:pass\n" * 50_000,
        "lambda:" * 50_000 + "1",
        "2**" * 50_000 + "2",
        "x = " + "a(" * 140 + ")" * 140,
        "a1 = a0\n" + "".join(f"a{n + 1} = a{n}\n" for n in range(5000)) + "a5000()\n",
        "\0",
    ],
)
def test_nesting_and_size_are_bounded(text: str) -> None:
    start = time.process_time()
    inspect(text)
    assert time.process_time() - start < 20


def test_more_than_the_limit_is_a_gap() -> None:
    assert inspect("x = 1\n" * 1_000_000).gaps
    few = run(FORMAT, BytesReader(b"x = 1\n" * 1000), Budget(items=100), Location("x.py"))
    assert "items" in few.gaps[0].reason


def test_source_is_known_by_name_or_by_what_it_begins_with() -> None:
    assert "python-source" in names_of(b"x = 1\n", "a.py")
    assert "python-source" in names_of(b"#!/usr/bin/env python3\nx = 1\n", "run")
    assert "python-source" in names_of(b"# a comment\nimport os\nos.system('true')\n", "weights")
    assert "python-source" in names_of(b"from os import system\n", "weights")
    for other in (
        b"important text\n",
        b"from here to there\n",
        b"import a thing from abroad\n",
        b"# Title\n",
    ):
        assert "python-source" not in names_of(other, "notes")
    assert not FORMAT.matches(head_of(b"\x00\x01", "a.py"))


@given(st.sampled_from(["os.system", "subprocess.run", "builtins.exec", "socket.socket"]), st.data())
def test_whatever_alias_is_used_the_same_name_is_seen(name: str, data) -> None:
    module, _, attribute = name.partition(".")
    alias = data.draw(st.sampled_from(["x", "_y", "quiet"]))
    text = data.draw(
        st.sampled_from(
            [
                f"import {module}\n{name}(1)",
                f"import {module} as {alias}\n{alias}.{attribute}(1)",
                f"from {module} import {attribute} as {alias}\n{alias}(1)",
                f"import {module}\n{alias} = {name}\n{alias}(1)",
                f"__import__('{module}').{attribute}(1)",
                f"import {module}\ngetattr({module}, '{attribute[:2]}' + '{attribute[2:]}')(1)",
                f"import {module}\n{module}.__dict__['{attribute}'](1)",
                f"import {module}\n(lambda: {name}(1))()",
                f"import {module}\n({alias} := {name})(1)",
            ]
        )
    )
    ast.parse(text)
    evidence = {dict(finding.evidence).get("name") for finding in inspect(text).findings}
    assert name in evidence


@given(st.text(alphabet="os.system(eval)=@ \n:lambda'\"[]{}exec import__", max_size=80))
def test_any_text_is_survived(text: str) -> None:
    inspect(text)


def test_it_survives_mutation() -> None:
    for path in sorted(HERE.rglob("*.py")):
        assert_survives("python-source", path.read_bytes(), 20)


@pytest.mark.parametrize(
    "text",
    [
        "import datasets\nclass A(datasets.GeneratorBasedBuilder):\n    pass\n",
        "from datasets import ArrowBasedBuilder\nclass A(ArrowBasedBuilder):\n    pass\n",
        "import tensorflow_datasets as tfds\nclass A(tfds.core.GeneratorBasedBuilder):\n    pass\n",
    ],
)
def test_a_loading_script_of_a_data_set_is_found(text: str) -> None:
    found = inspect_bytes("python-source", text.encode(), "set.py")
    assert "python-source/loading-script" in rules_of(found)


def test_a_class_of_another_kind_is_no_loading_script() -> None:
    found = inspect_bytes("python-source", b"import torch\nclass A(torch.nn.Module):\n    pass\n", "a.py")
    assert "python-source/loading-script" not in rules_of(found)


def test_what_only_begins_like_python_is_a_text() -> None:
    cython = examined(b"import numpy as np\ncimport numpy\ncdef int x = 1\n", "algos.pyx")
    assert (cython.formats, cython.gaps) == (("text",), ())
    script = examined(b"#!/usr/bin/env python3\nimport os\nos.system('true')\n", "run")
    assert "python-source" in script.formats
