"""What the shell offers at the TAB key, beside verbs and options, which click knows itself."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem


def paths(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Files and folders, which the shell finds itself."""
    del ctx, parameter
    return [CompletionItem(incomplete, type="file")]


def policies(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The shipped packs, and files."""
    from scanner.policy.document import packs  # noqa: PLC0415 - only at the TAB key

    shipped = [CompletionItem(name) for name in packs() if name.startswith(incomplete)]
    # Files come first: at their mark, bash forgets what was offered before.
    return [*paths(ctx, parameter, incomplete), *shipped]


def rules(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Rule ids."""
    from scanner.catalogue import all_rules  # noqa: PLC0415 - imports every format

    del ctx, parameter
    fitting = (rule for rule in all_rules() if rule.id.startswith(incomplete))
    return [CompletionItem(rule.id, help=rule.title) for rule in fitting]
