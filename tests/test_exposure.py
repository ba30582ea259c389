from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.exposure import expose
from scanner.inspection import Text
from scanner.model import Location

SECRETS = {
    "huggingface": "hf_" + "aBcD" * 8 + "eF",
    "github": "ghp_" + "a1B2" * 9,
    "aws": "AKIA" + "A2B3" * 4,
    "key": "-----BEGIN EC PRIVATE KEY-----",
}


def found(text: str, line: int | None = 1) -> list[tuple[str, str, int | None]]:
    place = Location("card.md", line=line)
    return [(f.rule.id, dict(f.evidence)["kind"], f.location.line) for f in expose([Text(text, place)])]


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_found_at_its_line_and_never_repeated(kind: str) -> None:
    text = f"first\nsecond {SECRETS[kind]} end"
    assert found(text) == [("exposure/secret", kind, 2)]
    (finding,) = expose([Text(text, Location("x", line=1))])
    assert SECRETS[kind] not in finding.message
    assert all(SECRETS[kind] not in value for _, value in finding.evidence)


@pytest.mark.parametrize(
    "text", ["hf_short", "ghp_ and gho_", "AKIAnothing", "a PRIVATE KEY", "xhf_" + "a" * 34]
)
def test_what_only_begins_like_a_secret_is_none(text: str) -> None:
    assert not found(text)


def test_tag_characters_are_hidden_text_and_a_flag_is_not() -> None:
    flag = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
    assert not found(f"from {flag} with love")
    assert found(f"{flag}\nread me\U000e0061\U000e0062") == [("exposure/hidden-text", "tag characters", 2)]
    assert found("\U000e0061\U000e0062") == [("exposure/hidden-text", "tag characters", 1)]


def test_direction_overrides_are_hidden_text() -> None:
    assert found("é\n\u202egnp.exe") == [("exposure/hidden-text", "direction overrides", 2)]


def test_a_text_without_a_line_keeps_its_place() -> None:
    assert found(SECRETS["aws"], None) == [("exposure/secret", "aws", None)]


@given(st.text(max_size=200), st.sampled_from(sorted(SECRETS)), st.text(max_size=200))
def test_a_secret_in_any_text_is_found(before: str, kind: str, after: str) -> None:
    assert ("exposure/secret", kind) in {found_[:2] for found_ in found(f"{before} {SECRETS[kind]} {after}")}
