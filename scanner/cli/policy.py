"""``weighbridge policy``: check, test and explain policy files."""

from __future__ import annotations

import sys

import click

from scanner import policy


@click.group("policy")
def command() -> None:
    """Check, test and explain policy files.

    \b
    Example:
      weighbridge policy check policies/production.yaml
    """


@command.command("check")
@click.argument("path")
def check(path: str) -> None:
    """Load the policy PATH (or shipped pack) and say whether it is usable."""
    loaded = policy.check(path)
    click.echo(f"{loaded.name}: usable (sha256 {loaded.digest[:16]}…)")


@command.command("explain")
@click.argument("path")
@click.argument("rule")
def explain(path: str, rule: str) -> None:
    """Say what the policy PATH does with the rule RULE, and which line says so."""
    click.echo(policy.explain(policy.load(path), rule))


@command.command("test")
@click.argument("path")
def test(path: str) -> None:
    """Run the policy test file PATH: facts in, expected decisions out."""
    result = policy.run_tests(path)
    for line in result.lines:
        click.echo(line)
    sys.exit(0 if result.passed else 1)
