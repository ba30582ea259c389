from __future__ import annotations

import json
from pathlib import Path

import pytest

from scanner.data import load, names, tags_for
from scanner.data.capabilities import USES, applied, capability, reason, safe_names, uses
from scanner.model import Check
from tools.callables.reach import Walk
from tools.callables.source import Library

ROOT = Path(__file__).parent.parent


def test_every_safe_name_is_dotted_has_a_reason_and_is_said_once() -> None:
    seen = [
        f"{module}.{member}"
        for name in names("callables")
        for entry in load(f"callables/{name}")["safe"]
        for module, members in entry["names"].items()
        for member in members
    ]
    assert len(seen) == len(set(seen)) == len(safe_names())
    for name in seen:
        assert capability(name) == "safe", name
        assert ": " in reason(name), name


def test_uses_are_of_the_known_kinds_and_what_applies_another_is_itself_called() -> None:
    for name in safe_names():
        assert uses(name) <= USES, name
        for _, use in applied(name):
            assert use in {*USES, "import"}
            assert not uses(name).isdisjoint({"call", "call-with-objects"}), name


def test_functions_that_no_pickler_calls_are_only_named() -> None:
    assert (
        uses("numpy.mean")
        == uses("torch.FloatStorage")
        == uses("sklearn.cluster._kmeans.chi2")
        == frozenset()
    )
    assert uses("sklearn.cluster._kmeans.KMeans") == {"new", "state"}
    assert uses("collections.OrderedDict") == {"call", "items", "state"}


@pytest.mark.parametrize("name", names("callables"))
def test_no_callable_is_both_safe_and_dangerous(name: str) -> None:
    library = load(f"callables/{name}")
    dangerous = library.get("dangerous", {})
    safe = {f"{m}.{c}" for entry in library["safe"] for m, cs in entry["names"].items() for c in cs}
    assert not safe & dangerous.keys()


def test_what_stands_under_an_executing_module_is_dangerous_unless_named() -> None:
    assert capability("torch.serialization.load") == "executes"
    assert capability("torch.serialization._get_layout") == "safe"
    assert capability("io.open") == "reads-files"
    assert capability("io.BytesIO") == "safe"
    assert capability("numpy.ndarray.__class__.os") == "resolves-names"
    assert capability("sklearn.pipeline.Unheard") == "unknown"
    assert capability("__torch__.Net") == "safe"


def test_every_check_kind_has_tags() -> None:
    assert all(tags_for(kind) for kind in Check)


SOURCE = """
import os
from collections import OrderedDict
from pkg.other import helper


class Plain(OrderedDict):
    def __init__(self, a, b=None):
        self.a, self.b = list(a), b

    def __setstate__(self, state):
        super().__setstate__(dict(state))


class Runs:
    def __setstate__(self, state):
        self.prepare(state)

    def prepare(self, state):
        helper(state["command"])


class CallsState:
    def __init__(self, function):
        function()


class Scorer:
    def __call__(self, estimator, x):
        return str(getattr(estimator, self.method)) + x


class Child(Plain):
    def __del__(self):
        os.remove(self.a)
"""


def test_the_analyser_follows_what_a_pickle_can_have_run(tmp_path) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    (package / "__init__.py").write_text(SOURCE)
    (package / "other.py").write_text("from os import system\n\n\ndef helper(c):\n    return system(c)\n")
    walk = Walk(Library(tmp_path, ["pkg"]))
    found = {name: walk.named(f"pkg.{name}") for name in ("Plain", "Runs", "CallsState", "Child", "Scorer")}
    assert not found["Plain"].capability
    assert not found["Plain"].unproved
    assert found["Runs"].capability == "executes"
    assert "calls its own function" in found["CallsState"].unproved
    assert found["Child"].capability
    assert "getattr with data" in found["Scorer"].unproved


def test_the_schemas_are_json() -> None:
    for path in (ROOT / "docs" / "schema").glob("*.json"):
        assert json.loads(path.read_text())["$schema"]
