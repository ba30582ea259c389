from __future__ import annotations

import time

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

from scanner.formats.jinja import _internal
from scanner.model import Coverage
from tests.support import FIXTURES, assert_survives, inspect_bytes, names_of, rules_of

HERE = FIXTURES / "jinja"


def files(folder: str):
    return pytest.mark.parametrize("path", sorted((HERE / folder).iterdir()), ids=lambda p: p.stem)


def inspect(text: str):
    return inspect_bytes("jinja", text.encode())


@files("clean")
def test_ordinary_templates_have_no_finding_and_no_gap(path) -> None:
    found = inspect_bytes("jinja", path.read_bytes())
    assert not found.findings
    assert not found.gaps
    assert found.coverage is Coverage.WHOLE


@files("unsafe")
def test_names_that_reach_outside_are_found_however_they_are_written(path) -> None:
    found = inspect_bytes("jinja", path.read_bytes())
    assert "jinja/reaches-outside" in rules_of(found)
    assert not found.gaps


# The others need the objects of a real conversation.
@pytest.mark.parametrize(
    "path",
    [
        p
        for p in sorted((HERE / "unsafe").iterdir())
        if p.stem not in {"mapped", "mapped-attr", "context", "frame"}
    ],
    ids=lambda p: p.stem,
)
def test_the_sandbox_agrees_that_these_reach_outside(path) -> None:
    """Oracle: what jinja2's own sandbox refuses, or would hide as undefined, at rendering time."""
    text = path.read_text()
    plain = jinja2.Environment().from_string(text).render(x="", parts=[])
    try:
        fenced = ImmutableSandboxedEnvironment().from_string(text).render(x="", parts=[])
    except SecurityError:
        return
    assert fenced != plain or not plain.strip()


@files("unsafe-built")
def test_names_that_are_built_are_found(path) -> None:
    assert rules_of(inspect_bytes("jinja", path.read_bytes())) == {"jinja/built-name"}


@pytest.mark.parametrize(
    ("name", "rule"),
    [("function", "unknown-function"), ("include", "includes-file"), ("switch", "conditional-text")],
)
def test_other_things_worth_knowing(name: str, rule: str) -> None:
    found = inspect_bytes("jinja", (HERE / f"unsafe-other/{name}.jinja").read_bytes())
    assert rules_of(found) == {f"jinja/{rule}"}


@files("broken")
def test_broken_templates_are_gaps(path) -> None:
    assert inspect_bytes("jinja", path.read_bytes()).gaps


@pytest.mark.parametrize(
    "text",
    [
        "{{ tokens['<|' + role + '|>'] }}",
        "{{ messages[messages|length - 1]['content'] }}",
        "{{ {'user': 'U', 'assistant': 'A'}[message.role] }}",
        "{{ messages[ns.i + 1] }}{{ m[-1] }}{{ m[i // 2] }}{{ m[role|lower] }}",
        "{% set content = content|trim %}{{ m[content] }}",
        "{% set i = i + 1 %}{{ m[i] }}",
        "{% set tools = [] %}{% for tool in tools %}{{ m[tool] }}{% endfor %}",
        "{{ x|attr('content') }}{{ messages|selectattr('role', 'equalto', 'user')|list }}",
        "{{ fn.get('_private') }}{{ message['_private'] }}",
        "{% if 'image' in part.content %}<|vision_start|><|image_pad|><|vision_end|> Picture 1{% endif %}",
    ],
)
def test_what_ordinary_templates_do_is_no_finding(text: str) -> None:
    assert not inspect(text).findings


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + "(" * 100_000,
        "{{ " + "not " * 100_000 + "x }}",
        "{{ " + "-" * 100_000 + "x }}",
        "{% if x %}" * 100_000,
        "{{ x" + "[0" * 100_000,
        "{{ x if " * 100_000,
        "{{ " + "'a'*99999999*" * 50 + "1 }}",
        "x" * (2 << 20),
    ],
)
def test_nesting_and_size_are_bounded(text: str) -> None:
    start = time.process_time()
    inspect(text)
    assert time.process_time() - start < 10


@pytest.mark.parametrize(
    "text", ["{{ 1" + "+1" * 20_000 + " }}", "{{ x" + ".a" * 20_000 + " }}", "{{ x" + "~'a'" * 20_000 + " }}"]
)
def test_long_chains_are_no_nesting(text: str) -> None:
    assert not inspect(text).gaps


@pytest.mark.parametrize("text", ["{{ x['{0:>999999999}'.format(1)] }}", "{{ x['%*d' % (999999999, 1)] }}"])
def test_a_width_beyond_reason_is_not_computed_and_still_found(text: str) -> None:
    assert rules_of(inspect(text)) == {"jinja/built-name"}


def test_templates_are_known_by_what_they_begin_with() -> None:
    assert "jinja" in names_of(b"{%- for message in messages %}{{ message }}{% endfor %}")
    assert "jinja" in names_of(b"{# a note #}\n{% set x = 1 %}")
    assert "jinja" in names_of(b"{{ bos_token }}", "chat_template.jinja")
    for other in (b'{"a": 1}', b"{{ .System }}", b"plain {% if %}", b"{%", b""):
        assert "jinja" not in names_of(other)


def test_a_template_file_claims_its_digest() -> None:
    found = inspect_bytes("jinja", b"{{ x }}", "chat_template.jinja")
    assert [claim.value[:14] for claim in found.facts[0].claims] == ["sha256:e52c737"]
    assert not inspect_bytes("jinja", b"{{ x }}", "page.jinja").facts[0].claims


@given(st.text(alphabet="{}%_ abxc'\"[]().|~+-*=:,\n0123456789", max_size=60))
def test_any_text_is_survived(text: str) -> None:
    inspect("{{ " + text + " }}")
    inspect("{% set a = " + text + " %}{{ x[a] }}")


@given(st.lists(st.sampled_from(["__", "class", "_", "cl", "ass", "x"]), min_size=1, max_size=5))
def test_folding_agrees_with_rendering(parts: list[str]) -> None:
    """Whatever way the same text is put together, the same name is seen."""
    want = "".join(parts)
    quoted = [f"'{part}'" for part in parts]
    reverse = want[::-1]
    for expression in (
        " ~ ".join(quoted),
        " + ".join(quoted),
        f"[{', '.join(quoted)}]|join",
        f"''.join([{', '.join(quoted)}])",
        f"'{reverse}'[::-1]",
        f"'{reverse}'|reverse",
        "'" + "%s" * len(parts) + "' % (" + ", ".join(quoted) + ",)",
        "'" + "{}" * len(parts) + "'.format(" + ", ".join(quoted) + ")",
    ):
        assert jinja2.Environment().from_string("{{ " + expression + " }}").render() == want
        found = inspect("{{ x[" + expression + "] }}")
        assert bool(found.findings) == _internal(want), expression


def test_it_survives_mutation() -> None:
    for path in sorted(HERE.rglob("*.jinja")):
        assert_survives("jinja", path.read_bytes(), 25)


@pytest.mark.parametrize(
    "template",
    [
        "{% set k = {'a': '__class__'} %}{{ ''[k.a] }}",
        "{% set k = {'a': {'b': ['__cla']}} %}{{ ''[k.a.b[0] ~ 'ss__'] }}",
        "{{ ''[x|default('__class__')] }}",
        "{{ ''[x|d(default_value='__cla') ~ 'ss__'] }}",
        "{{ ''[dict(a='__class__')['a']] }}",
        "{{ messages|map('upper')|attr(anything) if 'gi_frame' else '' }}",
    ],
)
def test_a_name_is_found_wherever_it_is_kept(template: str) -> None:
    assert {"jinja/reaches-outside", "jinja/built-name"} & rules_of(inspect_bytes("jinja", template.encode()))
