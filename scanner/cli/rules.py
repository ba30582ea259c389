"""``weighbridge rules``: the catalogue, and one rule's page."""

from __future__ import annotations

import json

import click

from scanner.cli import completion
from scanner.cli.options import emit, output_options
from scanner.errors import ScannerError


@click.command("rules")
@click.argument("ident", required=False, shell_complete=completion.rules)
@output_options(("terminal", "json"))
def command(ident: str | None, form: str, output: str | None) -> None:
    """List every rule, or print the page of the rule IDENT.

    \b
    Example:
      weighbridge rules pickle/dangerous-callable
    """
    from scanner.catalogue import all_rules  # noqa: PLC0415 - imports every format
    from scanner.report import rule_page  # noqa: PLC0415

    rules = all_rules()
    if ident is not None:
        rules = tuple(rule for rule in rules if rule.id == ident)
        if not rules:
            import difflib  # noqa: PLC0415 - only for a typing error

            near = difflib.get_close_matches(ident, [rule.id for rule in all_rules()], 1)
            hint = f"; did you mean {near[0]}?" if near else "; `weighbridge rules` lists them"
            raise ScannerError(f"no rule is called {ident}{hint}")
    if form == "json":
        emit(json.dumps([rule_page.document(rule) for rule in rules], indent=2) + "\n", output)
    elif ident is not None:
        emit(rule_page.page(rules[0]), output)
    else:
        width = max(len(rule.id) for rule in rules)
        emit("".join(f"{r.id:<{width}}  {r.severity.value:<8}  {r.title}\n" for r in rules), output)
