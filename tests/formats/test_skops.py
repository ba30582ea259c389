from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.skops import file, model, node, plain
from fixtures.recipes.zipped import pack
from scanner.model import Claimed
from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("skops/clean/model.skops")


def test_an_ordinary_file_has_no_finding_and_no_gap() -> None:
    found = examined(CLEAN, "model.skops")
    assert found.formats == ("skops", "zip")
    assert not found.findings
    assert not found.gaps
    facts = inspect_bytes("skops", CLEAN).facts[0]
    assert [(c.what, c.value) for c in facts.claims] == [
        (Claimed.ARCHITECTURE, "sklearn.linear_model._logistic.LogisticRegression"),
        (Claimed.LIBRARY, "skops 0.16.0"),
    ]
    assert facts.metadata == (("protocol", "2"),)


@pytest.mark.parametrize(
    ("name", "callable_", "rule"),
    [
        ("type", "os.system", "skops/dangerous-callable"),
        ("keys", "os.system", "skops/dangerous-callable"),
        ("operator", "operator.methodcaller", "skops/dangerous-callable"),
        ("method", "pdb.Pdb.eval", "skops/dangerous-callable"),
        ("unknown", "mypackage.Model", "skops/unknown-callable"),
        ("generator", "numpy.random.seed", "skops/unknown-callable"),
        ("function", "os.system", "skops/dangerous-callable"),
        ("partial", "os.system", "skops/dangerous-callable"),
        ("constructor", "subprocess.Popen", "skops/dangerous-callable"),
        ("doubled", "os.system", "skops/dangerous-callable"),
    ],
)
def test_what_a_node_reaches_is_judged(name: str, callable_: str, rule: str) -> None:
    found = inspect_bytes("skops", fixture(f"skops/unsafe/{name}.skops"))
    assert (rule, callable_) in {(f.rule.id, dict(f.evidence).get("callable")) for f in found.findings}
    assert callable_ in found.facts[0].entry_points


def test_cve_2025_54412_and_54413_a_node_that_hides_what_it_calls() -> None:
    for name in ("operator", "method"):
        assert "skops/disguised-node" in rules_of(
            inspect_bytes("skops", fixture(f"skops/unsafe/{name}.skops"))
        )


def test_cve_2025_54886_a_pickle_that_is_called_skops() -> None:
    found = examined(fixture("pickle/unsafe/global.pkl"), "model.skops")
    assert {f.rule.id for f in found.findings} >= {"identity/name-mismatch", "pickle/dangerous-callable"}


def test_a_text_in_a_node_reaches_nothing() -> None:
    assert not inspect_bytes("skops", file(model(note=plain("os.system")))).findings


def test_usual_methods_of_safe_types_pass_and_others_do_not() -> None:
    owner = "sklearn.linear_model._logistic.LogisticRegression"
    for method, rules in (("predict", set()), ("tofile", {"skops/unknown-callable"}),
                          ("__reduce__", {"skops/dangerous-callable"})):  # fmt: skip
        bound = node("MethodNode", owner, content={"func": method, "obj": model()})
        assert rules_of(inspect_bytes("skops", file(model(score=bound)))) == rules, method


def test_the_schema_is_found_behind_a_nul_and_in_every_copy() -> None:
    bad = json.dumps(node("TypeNode", "os.system"))
    assert "skops" in names_of(b"PK\3\4", members=("schema.json\0.txt",))
    both = pack({"schema.json": json.dumps(model()), "schema_json": bad}).replace(
        b"schema_json", b"schema.json"
    )
    found = inspect_bytes("skops", both)
    assert "skops/dangerous-callable" in rules_of(found)


def test_a_zip_archive_with_another_schema_says_nothing() -> None:
    found = inspect_bytes("skops", pack({"schema.json": '{"$schema": "x", "type": "object"}'}))
    assert not found.findings
    assert not found.gaps
    assert not found.facts


def test_broken_files_are_gaps() -> None:
    assert "cannot be read" in inspect_bytes("skops", fixture("skops/broken/cut.skops")).gaps[0].reason
    assert "MagicNode" in inspect_bytes("skops", fixture("skops/broken/foreign-node.skops")).gaps[0].reason


@given(st.recursive(st.text() | st.none(), lambda inner: st.dictionaries(
    st.sampled_from(["__class__", "__module__", "__loader__", "content", "obj", "func", "attrs"]), inner
) | st.lists(inner), max_leaves=20))  # fmt: skip
def test_any_schema_is_survived(value: object) -> None:
    inspect_bytes("skops", pack({"schema.json": json.dumps(value)}))


def test_it_survives_mutation() -> None:
    assert_survives("skops", CLEAN)
    assert_survives("skops", fixture("skops/unsafe/method.skops"))
