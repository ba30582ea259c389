"""``weighbridge policy``: check a policy, say what it demands, and try it on cases."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from scanner.cli import completion
from scanner.cli.options import emit, output_options, printable
from scanner.errors import ScannerError


@click.group("policy")
def command() -> None:
    """Check a policy file, explain it, and test it.

    \b
    Example:
      weighbridge policy check policy.yaml
    """


@command.command("check", short_help="Check keys, types, names and expressions.")
@click.argument("policy", shell_complete=completion.policies)
def check(policy: str) -> None:
    """Check POLICY, a file or a shipped pack: keys, types, names, expressions.

    Exits 0, or 2 with every mistake at its line and column.

    \b
    Example:
      weighbridge policy check policy.yaml
    """
    from scanner.catalogue import known  # noqa: PLC0415 - imports every format
    from scanner.policy import load  # noqa: PLC0415

    found = load(policy, known())
    parts = f"rules of its own: {len(found.body.rules)}, waivers: {len(found.body.waivers)}"
    emit(printable(f"{found.path}: policy {found.name} is valid ({parts})\n"), None)


@command.command("explain", short_help="Say what a policy demands.")
@click.argument("policy", shell_complete=completion.policies)
@click.argument("rule", required=False, shell_complete=completion.rules)
@output_options(("terminal", "json"))
def explain(policy: str, rule: str | None, form: str, output: str | None) -> None:
    """Say what POLICY demands, or what it does with findings of RULE.

    \b
    Example:
      weighbridge policy explain strict
      weighbridge policy explain strict pickle/unknown-callable
    """
    from scanner.catalogue import known  # noqa: PLC0415
    from scanner.policy import load  # noqa: PLC0415
    from scanner.policy.explain import about, demands  # noqa: PLC0415
    from scanner.policy.tree import nearest  # noqa: PLC0415

    names = known()
    found = load(policy, names)
    chosen = names.rule(rule) if rule else None
    if rule and chosen is None:
        raise ScannerError(f"no rule is called {rule}{nearest(rule, (r.id for r in names.rules))}")
    lines = list(about(found, chosen) if chosen else demands(found))
    if form == "json":
        emit(json.dumps([{"text": t, "place": p} for t, p in lines], indent=2) + "\n", output)
        return
    head = f"{found.name}: {found.body.description}\n\n" if found.body.description and not chosen else ""
    body = "".join(f"- {text}{f'  [{place}]' if place else ''}\n" for text, place in lines)
    emit(printable(head + body), output)


@command.command("test", short_help="Judge cases and compare with what they expect.")
@click.argument("policy", shell_complete=completion.policies)
@click.argument("tests", type=click.Path(dir_okay=False))
def test(policy: str, tests: str) -> None:
    """Judge every case of TESTS by POLICY and compare with what the case expects.

    A case has facts, or names a saved JSON report. Exits 0 when all come out as expected, 1 when one
    does not, 2 when a file cannot be used.

    \b
    Example:
      weighbridge policy test policy.yaml policy-tests.yaml
    """
    from scanner.catalogue import known  # noqa: PLC0415
    from scanner.policy import load  # noqa: PLC0415
    from scanner.policy.cases import run, untested  # noqa: PLC0415

    names = known()
    found = load(policy, names)
    ran = list(run(found, Path(tests), names))
    lines = []
    for one in ran:
        lines.append(f"{'ok  ' if one.good else 'FAIL'} {one.case.name}")
        if one.good:
            continue
        decision = one.verdict.decision.value
        lines.append(f"     {one.file}:{one.line}: expected {one.case.expect.value}, is {decision}")
        lines += (f"     not among the reasons: {name}" for name in one.missing)
        lines += (f"     {r.rule} ({r.file}:{r.line}): {r.message}" for r in one.verdict.reasons)
    failed = sum(not one.good for one in ran)
    lines.append(f"{len(ran) - failed} of {len(ran)} cases as expected")
    lines += (f"no case breaks the rule {name}" for name in untested(found, ran))
    emit(printable("\n".join(lines)) + "\n", None)
    sys.exit(1 if failed else 0)
