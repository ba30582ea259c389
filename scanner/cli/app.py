"""The group of verbs; a verb's module is imported when it is used."""

from __future__ import annotations

from importlib import import_module

import click

from scanner.errors import ScannerError
from scanner.version import __version__

_VERBS = {
    "scan": "Weigh artefacts and let a policy decide.",
    "bom": "Write the AI bill of materials.",
    "verify": "Check signatures and digests only.",
    "policy": "Check, explain and test policies.",
    "rules": "List every rule, or print one rule's page.",
}


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in _VERBS:
            return None
        command: click.Command = import_module(f"scanner.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if args and args[0] not in _VERBS:
                import difflib  # noqa: PLC0415 - only for a typing error

                near = difflib.get_close_matches(args[0], list(_VERBS), 1)
                hint = f" Did you mean '{near[0]}'?" if near else f" Verbs: {', '.join(_VERBS)}."
                raise click.UsageError(error.message + hint, ctx) from error
            raise

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except ScannerError as error:
            # Exit code 2: nothing was decided (product page, verdicts).
            raise _Failed(str(error)) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Verbs"):
            formatter.write_dl(list(_VERBS.items()))


class _Failed(click.ClickException):
    exit_code = 2

    def format_message(self) -> str:
        from scanner.cli.options import printable  # noqa: PLC0415 - only on errors

        return printable(self.message)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="weighbridge", message="%(prog)s %(version)s")
def app() -> None:
    """Weigh AI artefacts before they may enter: scan, verify, judge.

    \b
    Example:
      weighbridge scan model.safetensors
      weighbridge scan hf://org/model@main --policy strict

    Exit codes: 0 pass, 1 fail, 2 error (nothing decided), 3 incomplete.
    """
