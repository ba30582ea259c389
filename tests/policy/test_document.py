"""The policy file: every mistake with its place, the offending text and a suggestion."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from scanner.catalogue import known
from scanner.errors import PolicyError
from scanner.model import Severity
from scanner.policy.document import PACKS, load, packs
from scanner.policy.schema import json_schema
from scanner.policy.tree import LIMIT, read_tree
from tests.policy.make import KNOWN, SHA, policy, waiver

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("body", "place", "message"),
    [
        ("gaet: {}", "2:1", "unknown key 'gaet'; did you mean gate?"),
        ("gate:\n  fail_on: hihg", "3:12", "'hihg' is no severity; did you mean high?"),
        ("gate:\n  fial_on: high", "3:3", "unknown key 'fial_on'; did you mean fail_on?"),
        ("gate: high", "2:7", "gate has to be a mapping"),
        ("gate: {fail_on: low, warn_on: high}", "2:7", "warn_on: high is above fail_on: low"),
        ("gaps:\n  allow: yes", "3:10", "allow has to be true or false"),
        ("gaps:\n  allow: 1", "3:10", "allow has to be true or false"),
        ("gaps:\n  accept:\n    - path: x", "4:7", "because is missing in gaps.accept.0"),
        ("name: 7", "2:7", "name has to be text"),
        ("licences:\n  allow: mit", "3:10", "allow has to be a list"),
        ("licences:\n  unknown: maybe", "3:12", "'maybe' is no choice (known: allow, fail, warn)"),
        ("formats:\n  deny: [pickel]", "3:10", "no format is called 'pickel'; did you mean pickle?"),
        ("source:\n  sources: [hugingface]", "3:13", "did you mean huggingface?"),
        ("source:\n  kinds: [modle]", "3:11", "'modle' is no choice; did you mean model?"),
        ("severities:\n  - {rule: made/hig, severity: low, because: x}", "3:12", "did you mean made/high?"),
        ("severities:\n  - {rule: '*', severity: low, because: x}", "3:12", "mismatch is never lowered"),
        ("rules:\n  - {id: A b, require: 'true', message: x}", "3:10", "id has to look like"),
        ("rules:\n  - {id: a, message: x}", "3:5", "needs exactly one of require and deny"),
        ("rules:\n  - {id: a, require: 'true', deny: 'true', message: x}", "3:5", "exactly one"),
        (
            "rules:\n  - {id: a, deny: 'true', message: x}\n  - {id: a, deny: 'true', message: x}",
            "4:10",
            "a rule called a stands in line 3 too",
        ),
        ("extends: strcit", "2:10", "'strcit' is neither a shipped policy nor a .yaml file"),
        ("extends: ./p.yaml", "2:10", "extend each other in a circle"),
        ("a: &x 1\nb: *x", "2:4", "anchors and aliases are not used here"),
        ("name: !!str x", "2:7", "tags are not used here"),
        ("name: x\nname: y", "3:1", "duplicate key 'name': it stands in line 2 too"),
        ("name: [x y: z", "2:14", "expected ',' or ']'"),
        ("name: x\n---\nname: y", "3:1", "only one document"),
        ("? [a]\n: b", "2:3", "a key has to be text"),
        ("gate: " + "{a: " * 20 + "1" + "}" * 20, "2:67", "nested deeper than 16 levels"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(tmp_path, body: str, place: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy(tmp_path, body)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'p.yaml'}:{place}: ")
    line, column = (int(part) for part in place.split(":"))
    assert (caught.value.line, caught.value.column) == (line, column)
    caret = str(caught.value).split("\n")[-1]
    assert caret.strip() == "^"
    assert len(caret) == 4 + column


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (b"- a\n", "the file has to be a mapping"),
        (b"gate: {}\n", "version: 1 is required"),
        (b"version: 2\n", "version: 1 is required, not 2"),
        (b"version: '1'\n", "version: 1 is required, not '1'"),
        (b"version: true\n", "version: 1 is required, not True"),
        (b"%YAML 1.1\n---\nversion: 1\n", "directives are not used here"),
        (b"version: 1\nname: \xff\n", "is not UTF-8 (at byte 17)"),
        (b"version: 1\nname: \x01\n", "special characters are not allowed"),
        (b"version: 1\n#" + b"x" * LIMIT, "is larger than"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_policy_is_refused(tmp_path, raw: bytes, message: str) -> None:
    (tmp_path / "p.yaml").write_bytes(raw)
    with pytest.raises(PolicyError, match=r"p\.yaml") as caught:
        load(str(tmp_path / "p.yaml"), KNOWN)
    assert message in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path) -> None:
    with pytest.raises(PolicyError) as caught:
        policy(tmp_path, "gaet: 1\ngaps: {allow: 3}\nname: []\n")
    text = str(caught.value)
    assert [n for n in ("p.yaml:2:1", "p.yaml:3:15", "p.yaml:4:7") if n in text] == [
        "p.yaml:2:1",
        "p.yaml:3:15",
        "p.yaml:4:7",
    ]


def test_scalars_are_those_of_yaml_1_2(tmp_path) -> None:
    body = "licences: {allow: [no, on, 010, 'true', 1.0, 2027-01-01]}"
    with pytest.raises(PolicyError, match="has to be text"):
        policy(tmp_path, body)  # 010 is the number ten, not text
    assert policy(tmp_path, body.replace("010, ", "")).body.licences.allow == (
        "no", "on", "true", "1.0", "2027-01-01",
    )  # fmt: skip


def test_names_that_do_not_exist_are_told() -> None:
    with pytest.raises(PolicyError, match=r"no shipped policy is called 'strickt'; did you mean strict\?"):
        load("strickt", KNOWN)
    with pytest.raises(PolicyError, match=r"no-such.yaml: cannot be read: No such file"):
        load("no-such.yaml", KNOWN)


def test_a_policy_extends_another(tmp_path) -> None:
    (tmp_path / "deep").mkdir()
    policy(
        tmp_path,
        "name: below\ngate: {fail_on: medium}\nlicences: {allow: [mit, isc]}\nrules:\n"
        "  - {id: a, deny: 'false', message: x}\n  - {id: b, deny: 'false', message: x}\n",
        "below.yaml",
    )
    above = policy(
        tmp_path,
        "extends: ../below.yaml\ngate: {warn_on: info}\nlicences: {allow: [mit]}\nrules:\n"
        "  - {id: b, deny: 'true', message: y}\n",
        "deep/above.yaml",
    )
    body = above.body
    assert above.name == "above"
    assert (body.name, body.gate.fail_on, body.gate.warn_on) == (None, Severity.MEDIUM, Severity.INFO)
    assert body.licences.allow == ("mit",)
    assert [(rule.id, rule.message) for rule in body.rules] == [("a", "x"), ("b", "y")]
    places = [
        above.place(*path) for path in (("gate", "fail_on"), ("gate", "warn_on"), ("rules", 0), ("rules", 1))
    ]
    assert [(Path(p.file).name, p.line) for p in places] == [
        ("below.yaml", 3), ("above.yaml", 3), ("below.yaml", 6), ("above.yaml", 6),
    ]  # fmt: skip
    assert above.digest != policy(tmp_path, "extends: ../below.yaml", "deep/other.yaml").digest


def test_a_mistake_in_the_extended_file_names_that_file(tmp_path) -> None:
    (tmp_path / "below.yaml").write_text("version: 1\ngaet: 1\n")
    with pytest.raises(PolicyError, match=r"below\.yaml:2:1: unknown key 'gaet'"):
        policy(tmp_path, "extends: below.yaml")


@pytest.mark.parametrize(
    ("below", "above", "place"),
    [
        ("gate: {}", "version: 1\nextends: below.yaml", "below.yaml:1:1"),
        ("version: 2", "version: 1\nextends: below.yaml", "below.yaml:1:10"),
        ("version: 1", "extends: below.yaml", "p.yaml:1:1"),
        ("- x", "version: 1\nextends: below.yaml", "below.yaml:1:1"),
    ],
)
def test_each_file_has_its_version(tmp_path, below: str, above: str, place: str) -> None:
    (tmp_path / "below.yaml").write_text(below)
    (tmp_path / "p.yaml").write_text(above)
    with pytest.raises(PolicyError, match=re.escape(f"{place}: version: 1 is required")):
        load(str(tmp_path / "p.yaml"), KNOWN)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"rule": "made/hihg"}, "no rule is called 'made/hihg'; did you mean made/high?"),
        ({"rule": "digests/mismatch"}, "digests/mismatch cannot be waived"),
        ({"rule": "policy/waiver-expired"}, "policy/waiver-expired cannot be waived"),
        ({"owner": None}, "owner is missing in waivers.0"),
        ({"reason": ""}, "reason must not be empty"),
        ({"expires": None}, "expires is missing in waivers.0"),
        ({"expires": "soon"}, "expires has to be a date like 2027-01-31"),
        ({"expires": "2026-12-31"}, "before it is granted"),
        ({"expires": "2027-04-02"}, "a waiver of a high rule holds for at most 90 days: 2027-04-01"),
        ({"rule": "made/critical", "expires": "2027-02-01"}, "at most 30 days: 2027-01-31 at the latest"),
        ({"sha256": None}, "needs either sha256"),
        ({"sha256": None, "broad": True}, "a broad waiver holds for at most 30 days"),
        ({"broad": True}, "needs either sha256"),
        ({"sha256": "abc"}, "sha256 has to look like"),
        ({"path": "*.bin"}, "no * or ? in path"),
        ({"forever": True}, "unknown key 'forever'"),
    ],
)
def test_a_waiver_has_to_be_whole(tmp_path, given: dict[str, object], message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        policy(tmp_path, waiver(**given))
    assert message in str(caught.value)


def test_a_raised_severity_shortens_waivers(tmp_path) -> None:
    raised = "severities: [{rule: made/high, severity: critical, because: x}]\n"
    policy(tmp_path, waiver())
    with pytest.raises(PolicyError, match="a waiver of a critical rule holds for at most 30 days"):
        policy(tmp_path, raised + waiver())


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_only_our_own_error_leaves_the_reader(raw: bytes) -> None:
    try:
        tree = read_tree(raw, "p.yaml")
    except PolicyError:
        return
    assert tree.values[()].file == "p.yaml"


_PLAIN = st.recursive(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
    | st.integers(-(10**17), 10**17)
    | st.booleans()
    | st.none(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(_PLAIN)
def test_json_is_read_as_json_reads_it(value: object) -> None:
    assert read_tree(json.dumps(value).encode(), "p.yaml").value == value


def test_the_published_schema_is_the_one_of_the_models_and_takes_the_packs() -> None:
    published = json.loads((ROOT / "docs/schema/policy-1.schema.json").read_text("utf-8"))
    assert published == json_schema()
    validator = jsonschema.Draft202012Validator(published)
    for name in packs():
        body = YAML(typ="safe").load((PACKS / f"{name}.yaml").read_text("utf-8"))
        validator.validate(body)
        assert load(name, known()).name == name
    assert not validator.is_valid({"version": 1, "gaet": {}})


def _blocks() -> list[str]:
    text = (ROOT / "docs/guides/policies.md").read_text("utf-8")
    return [part.split("```")[0] for part in text.split("```yaml\n")[1:]]


@pytest.mark.parametrize("block", [b for b in _blocks() if "tests:" not in b], ids=lambda b: b.split("\n")[1])
def test_every_policy_of_the_guide_is_valid(tmp_path, block: str) -> None:
    text = block if block.startswith("version") else f"version: 1\n{block}"
    (tmp_path / "guide.yaml").write_text(text)
    load(str(tmp_path / "guide.yaml"), known())


def test_the_fingerprint_of_a_waiver_is_a_digest(tmp_path) -> None:
    assert policy(tmp_path, waiver(fingerprint=SHA)).body.waivers[0].fingerprint == SHA


def test_the_policy_in_the_readme_is_one(tmp_path) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    (body,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "policy.yaml").write_text(body)
    assert load(str(tmp_path / "policy.yaml"), known()).signers() == (("*", "https://accounts.google.com"),)
