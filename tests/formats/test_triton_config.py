from __future__ import annotations

import pytest

from scanner.model import Claimed
from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("triton-config/clean/config.pbtxt")


def test_an_ordinary_configuration_has_no_finding_and_no_gap() -> None:
    found = examined(CLEAN, "config.pbtxt")
    assert found.formats == ("text", "triton-config")
    assert not found.findings
    assert not found.gaps
    facts = inspect_bytes("triton-config", CLEAN).facts[0]
    assert [(c.what, c.value) for c in facts.claims] == [(Claimed.NAME, "weighed")]
    assert facts.metadata == (("backend", "onnxruntime"), ("max_batch_size", "8"))
    assert facts.external_files == ("labels.txt",)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("python", "python-backend"),
        ("escaped", "python-backend"),
        ("backend", "native-code"),
        ("library", "native-code"),
        ("environment", "execution-environment"),
        ("path", "path-escape"),
    ],
)
def test_what_the_server_runs_or_loads_is_found(name: str, rule: str) -> None:
    found = inspect_bytes("triton-config", fixture(f"triton-config/unsafe/{name}/config.pbtxt"))
    assert rules_of(found) == {f"triton-config/{rule}"}


def test_an_environment_outside_the_model_is_a_path() -> None:
    data = fixture("triton-config/unsafe/environment/config.pbtxt")
    data = data.replace(b"$$TRITON_MODEL_DIRECTORY", b"s3://bucket")
    assert "triton-config/path-escape" in rules_of(inspect_bytes("triton-config", data))


def test_other_text_protobufs_are_none() -> None:
    assert names_of(b"item {\n  id: 1\n  name: 'cat'\n}\n", "label_map.pbtxt") == {"text"}


def test_cut_inside_a_message_is_a_gap() -> None:
    assert inspect_bytes("triton-config", fixture("triton-config/broken/config.pbtxt")).gaps


def test_it_survives_mutation_and_depth() -> None:
    assert_survives("triton-config", CLEAN)
    assert inspect_bytes("triton-config", b"backend: 'fil' a " + b"{ a " * 10_000).gaps
    assert inspect_bytes("triton-config", b"backend: " + b"[" * 10_000).gaps
