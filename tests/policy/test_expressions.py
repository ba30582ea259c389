"""CEL: checked at load against the declared facts, fail-closed when it runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import PolicyError
from scanner.policy.expressions import Compiled, NotEvaluated, compile_expression
from scanner.policy.facts import FILE, RECORDS, facts
from scanner.policy.schema import Each
from scanner.result import Decision, Judged
from tests.policy.make import evidence, file, finding, gap, judge, policy


@pytest.mark.parametrize(
    ("each", "text", "message", "offset"),
    [
        ("file", "file.sise > 1", "file.sise is not among the facts", 0),
        ("file", "fil.size > 1", "fil.size is not among the facts", 0),
        ("file", "artefact.nmae == 'x'", "artefact.nmae is not among the facts", 0),
        ("file", "files.size() > 1", "lists belong to rules about the whole artefact", 0),
        ("file", "file.path == 1", "no matching overload for '_==_' applied to '(string, int)'", 10),
        ("file", "file.size", "gives int, but has to give true or false", 0),
        ("file", "file.path", "gives string, but has to give true or false", 0),
        ("file", "file.path.startWith('x')", "startWith is not among the facts", 10),
        ("file", "file.size >", "Syntax error", 11),
        ("file", "file.path + 'x' == 'y'", "cannot be joined with +", 10),
        ("file", "size(file.formats + file.formats) > 1", "cannot be joined with +", 18),
        ("file", "file.path.matches('(')", "the pattern is no RE2 regular expression: ", 18),
        ("file", "file.path.matches('(?=x)')", "the pattern is no RE2 regular expression: ", 18),
        ("file", "file.path.matches(file.coverage)", "the pattern of matches() has to be written out", 17),
        ("artefact", "files.all(f, f.paht == 'x')", "file has no field 'paht'", 14),
        ("artefact", "files.all(f, has(f.paht))", "file has no field 'paht'", 16),
        ("artefact", "files.filter(f, f.size > 1).all(g, g.pth == 'x')", "file has no field 'pth'", 36),
        ("artefact", "files[0].pth == 'x'", "file has no field 'pth'", 8),
        ("artefact", "files[0]['path'] == 'x'", "fields are written with a dot", 8),
        ("artefact", "(size(files) > 1 ? files : files)[0].pth == ''", "file has no field 'pth'", 36),
        ("artefact", "[files[0]].all(f, f.pth == 'x')", "file has no field 'pth'", 19),
        ("artefact", "findings.exists(f, f.path == 'x' && f.size == 1)", "finding has no field 'size'", 37),
        ("artefact", "files.exists(f, f.size == '10')", "compares int with string", 23),
        ("artefact", "files.exists(f, f.path == artefact.files)", "compares string with int", 23),
        ("artefact", "files.exists(f, 1 in f.formats)", "compares int with string", 18),
        ("artefact", "files.exists(f, f.path + f.path == 'x')", "cannot be joined with +", 23),
        ("artefact", "files.map(f, f.path).exists(p, p + p == 'x')", "cannot be joined with +", 33),
        ("artefact", "(" * 40 + "true" + ")" * 40, "recursion limit", 0),
    ],
)
def test_a_mistake_is_found_when_the_policy_is_loaded(each, text, message, offset) -> None:
    found = compile_expression(text, Each(each))
    assert isinstance(found, list), "it was accepted"
    assert message in found[0].message
    assert found[0].offset == offset


@pytest.mark.parametrize(
    ("body", "place", "hint"),
    [
        ("    require: file.sise > 1\n", "5:14", "did you mean file.size?"),
        ("    require: 'file.sise > 1'\n", "5:15", "did you mean file.size?"),
        (
            "    require: |\n      file.size > 1 &&\n        file.pth != 'x'\n",
            "7:9",
            "did you mean file.path?",
        ),
        (
            "    require: >\n      file.size > 1 &&\n      file.pth != 'x'\n",
            "5:14",
            "did you mean file.path?",
        ),
    ],
)
def test_the_place_is_the_one_in_the_file(tmp_path, body: str, place: str, hint: str) -> None:
    with pytest.raises(PolicyError, match=f"p.yaml:{place}: ") as caught:
        policy(tmp_path, f"rules:\n  - id: x\n    each: file\n{body}    message: m\n")
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("files.all(f, f.path.startsWith('m'))", False),
        ("files.filter(f, f.size > 5).size() == 1", True),
        ("files.map(f, f.path) == ['model.bin', 'b']", True),
        ("files.exists_one(f, 'zip' in f.nested)", True),
        ("files.map(f, f.size).all(s, s + s < 30)", True),
        ("files[0].path == 'model.bin' && files[1].size == 2", True),
        ("artefact.files == size(files) && artefact.bytes == 12", True),
        ("artefact.formats == ['pickle', 'zip']", True),
        ("findings.exists(f, f.rank == 3 && f.evidence['callable'] == 'posix.system')", True),
        ("findings.all(f, f.severity == 'high' && f.check == 'remote-code')", True),
        ("findings.exists(f, 'callable' in f.evidence && f.evidence.callable.startsWith('posix.'))", True),
        ("gaps.exists(g, g.reason == 'unknown format')", True),
        ("inventory.exists(e, e.name == 'licence' && e.value == 'mit' && e.state == 'declared')", True),
        ("artefact.licences == ['mit'] && verifications.size() == 0", True),
        ("files.exists(f, f.size / 0 == 1)", None),
        ("files[7].size == 1", None),
        ("findings[0].evidence['nothing'] == 'x'", None),
        ("true || files[7].size == 1", True),
        ("int(files[0].path) == 1", None),
    ],
)
def test_expressions_see_the_facts(text: str, expected: bool | None) -> None:
    found = finding("high", callable="posix.system")
    given = evidence(
        found,
        files=(file(nested=("zip",)), file("b", size=2)),
        gaps=(gap(),),
        inventory=(("licence", "mit"),),
    )
    values = facts(given, (Judged(found, found.rule.severity),))
    program = compile_expression(text, Each.ARTEFACT)
    assert isinstance(program, Compiled), program
    if expected is None:
        with pytest.raises(NotEvaluated):
            program.answer(values.lists(program.used))
    else:
        assert program.answer(values.lists(program.used)) is expected


@pytest.mark.parametrize("key", ["require", "deny"])
@pytest.mark.parametrize("effect", ["fail", "warn"])
@pytest.mark.parametrize("expression", ["files[7].size == 1", "artefact.bytes / 0 == 1"])
def test_a_rule_that_cannot_be_evaluated_refuses(tmp_path, key: str, effect: str, expression: str) -> None:
    body = f"rules: [{{id: x, {key}: '{expression}', message: m, effect: {effect}}}]"
    verdict = judge(policy(tmp_path, body))
    assert verdict.decision is Decision.FAIL
    assert "could not be evaluated, which refuses" in verdict.reasons[0].message


def test_more_steps_than_cel_makes_refuse_and_say_so(tmp_path) -> None:
    many = tuple(file(f"f{number}") for number in range(10_001))
    whole = "rules: [{id: x, require: 'files.all(f, f.size > 1)', message: m}]"
    verdict = judge(policy(tmp_path, whole), files=many)
    assert verdict.decision is Decision.FAIL
    assert "ask about each item" in verdict.reasons[0].message
    each = "rules: [{id: x, each: file, require: file.size > 1, message: m}]"
    assert judge(policy(tmp_path, each), files=many).decision is Decision.PASS


def test_every_declared_field_can_be_used_in_every_place() -> None:
    literals = {"string": "''", "int": "0", "bool": "true", "list(string)": "[]"}
    for record in RECORDS:
        for fact in record.fields:
            compare = f"== {literals[fact.type]}" if fact.type in literals else ".size() == 0"
            name = f"{record.name}.{fact.name}"
            if record.name in set(Each):
                assert isinstance(compile_expression(f"{name} {compare}", Each(record.name)), Compiled), name
            if record.plural:
                text = f"{record.plural}.all(x, x.{fact.name} {compare})"
                assert isinstance(compile_expression(text, Each.ARTEFACT), Compiled), text


@given(st.text(max_size=20), st.integers(0, 2**70))
def test_names_and_sizes_of_strangers_do_no_harm(name: str, size: int) -> None:
    hostile = name + "\ud800\x00"
    row = FILE.row(file(hostile, size=size))
    program = compile_expression("file.path != '' && file.size >= 0", Each.FILE)
    assert isinstance(program, Compiled)
    assert program.answer({f"file.{key}": value for key, value in row.items()}) is True


@given(st.text("abfils.()[]<>=!&|'\"+ 01", max_size=40))
def test_any_text_is_either_compiled_or_refused(text: str) -> None:
    for each in (Each.ARTEFACT, Each.FILE):
        found = compile_expression(text, each)
        assert isinstance(found, Compiled) or found[0].message
