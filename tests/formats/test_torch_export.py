from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.torch_export import package, program, tensor
from scanner.formats.torch_export.program import fault
from scanner.model import Tensor
from tests.support import assert_survives, examined, fixture, inspect_bytes, rules_of

CLEAN = fixture("torch-export/clean/model.pt2")


def test_an_ordinary_package_has_no_finding_and_no_gap() -> None:
    found = examined(CLEAN, "model.pt2")
    assert found.formats == ("torch-export", "zip")
    assert not found.findings
    assert not found.gaps
    facts = inspect_bytes("torch-export", CLEAN).facts[0]
    assert facts.tensors == (Tensor("l.weight", "f32", (2, 3)),)
    assert facts.version == "0"
    assert facts.metadata == (("archive format", "pt2"), ("byteorder", "little"))


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("target", "dangerous-callable"),
        ("operator", "dangerous-callable"),
        ("library", "unknown-operator"),
        ("expression", "expression-code"),
        ("subclass", "expression-code"),
        ("guard", "expression-code"),
        ("pickled", "pickled-payload"),
        ("opaque", "pickled-payload"),
        ("unused", "payload"),
        ("short", "payload"),
        ("compiled", "native-code"),
    ],
)
def test_what_loading_runs_is_found(name: str, rule: str) -> None:
    found = inspect_bytes("torch-export", fixture(f"torch-export/unsafe/{name}.pt2"))
    assert rules_of(found) == {f"torch-export/{rule}"}


@pytest.mark.parametrize("name", ["pickled", "opaque", "unused"])
def test_pickles_in_the_place_of_numbers_are_read(name: str) -> None:
    found = examined(fixture(f"torch-export/unsafe/{name}.pt2"), "model.pt2")
    assert "pickle/dangerous-callable" in {f.rule.id for f in found.findings}


def test_both_readings_of_a_repeated_switch_are_judged() -> None:
    config = package(config={"w": tensor()}).replace(b'"use_pickle": false', b'"use_pickle":  true')
    assert "torch-export/pickled-payload" in rules_of(inspect_bytes("torch-export", config))


def test_broken_parts_are_gaps() -> None:
    for name in ("cut", "symbolic"):
        assert inspect_bytes("torch-export", fixture(f"torch-export/broken/{name}.pt2")).gaps


@pytest.mark.parametrize(
    "text",
    ["s0", "2*s77 + 1", "Eq(Mod(s0, 8), 0)", "Max(1, s0)", "(s0//2) - 1", "Integer(2)", "u0 >= 2", "-1.5"],
)
def test_arithmetic_passes(text: str) -> None:
    assert fault(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')",
        "open",
        "x.__class__",
        "[i for i in s0]",
        "(lambda: 0)()",
        "f'{s0}'",
        "exec",
        "s0(1)(2)",
        "a b",
        "x := 1",
    ],
)
def test_code_does_not_pass(text: str) -> None:
    assert fault(text)


@given(st.text(max_size=60))
def test_any_expression_and_target_is_survived(text: str) -> None:
    fault(text)
    fault(text, guard=True)
    inspect_bytes("torch-export", package(program(target=text, size=text, guard=text)))


def test_it_survives_mutation() -> None:
    assert_survives("torch-export", CLEAN)
