from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import FIXTURES, assert_survives, inspect_bytes, names_of, rules_of

HERE = FIXTURES / "yaml-text"
BILLION_LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}, *a{n}]\n" for n in range(60))


def files(folder: str):
    return pytest.mark.parametrize("path", sorted((HERE / folder).iterdir()), ids=lambda p: p.stem)


def inspect(text: str):
    return inspect_bytes("yaml-text", text.encode(), "x.yaml")


@files("clean")
def test_ordinary_files_have_no_finding_and_no_gap(path) -> None:
    found = inspect_bytes("yaml-text", path.read_bytes(), path.name)
    assert not found.findings
    assert not found.gaps
    assert "yaml-text" in names_of(path.read_bytes(), path.name)


@pytest.mark.parametrize(
    ("folder", "rule"),
    [
        ("unsafe", "dangerous-callable"),
        ("unsafe-unknown", "unknown-callable"),
        ("unsafe-builds", "builds-objects"),
        ("unsafe-other", "duplicate-key"),
    ],
)
def test_what_a_loader_would_build_is_found(folder: str, rule: str) -> None:
    for path in sorted((HERE / folder).iterdir()):
        found = inspect_bytes("yaml-text", path.read_bytes(), path.name)
        assert rules_of(found) == {f"yaml-text/{rule}"}, path.name
        assert not found.gaps


@files("broken")
def test_broken_files_are_gaps(path) -> None:
    assert inspect_bytes("yaml-text", path.read_bytes(), path.name).gaps


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "- " * 100_000, "{a: " * 100_000, "? " * 100_000, "a: &a [*a, *a]\n", BILLION_LAUGHS],
)
def test_nesting_and_aliases_are_bounded(text: str) -> None:
    start = time.process_time()
    inspect(text)
    assert time.process_time() - start < 5


def test_the_line_of_a_tag_is_told() -> None:
    found = inspect("a: 1\nb:\n  - !!python/name:os.system\n").findings[0]
    assert found.location.line == 3


def test_an_anchor_given_twice_is_no_matter() -> None:
    found = inspect("a: &x 1\nb: &x [!!python/name:os.system ]\nc: *x\n")
    assert rules_of(found) == {"yaml-text/dangerous-callable"}


def test_json_and_cards_are_not_yaml() -> None:
    assert "yaml-text" not in names_of(b'{"a": 1}', "config.json")
    assert "yaml-text" not in names_of(b"---\nlicense: mit\n---\n# A model\n", "README.md")
    assert "yaml-text" in names_of(b"--- !!python/object/apply:os.system ['true']\n", "data")


@given(st.text(alphabet="ab:-[]{}!&*?|>'\"%#\n \t,\x85\u2028", max_size=60))
def test_any_text_is_survived(text: str) -> None:
    inspect(text)


def test_it_survives_mutation() -> None:
    for path in sorted(HERE.rglob("*.y*ml")):
        assert_survives("yaml-text", path.read_bytes(), 20)


def test_cve_2025_23304_the_target_of_a_nemo_configuration() -> None:
    judged = {
        b"target: os.system\n": {"yaml-text/dangerous-callable"},
        b"target: mypackage.Model\n": {"yaml-text/unknown-callable"},
        b"target: nemo.collections.asr.models.SomethingNew\n": {"yaml-text/builds-objects"},
    }
    for data, rules in judged.items():
        assert rules_of(inspect_bytes("yaml-text", data, "model_config.yaml")) == rules, data


def test_a_target_beside_params_is_built_and_any_other_is_a_word() -> None:
    data = b"target: mypackage.Model\nparams: {}\n"
    assert rules_of(inspect_bytes("yaml-text", data, "config.yaml")) == {"yaml-text/unknown-callable"}
    assert not inspect_bytes("yaml-text", b"target: docs.build\n", "config.yaml").findings
    assert inspect_bytes("yaml-text", b"target: os.system\n", "config.yaml").findings
    latent = b"model:\n  target: ldm.models.diffusion.ddpm.LatentDiffusion\n  params: {}\n"
    assert rules_of(inspect_bytes("yaml-text", latent, "v1-inference.yaml")) == {"yaml-text/builds-objects"}
