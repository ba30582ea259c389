"""The command line: parse, call, render, exit code. No decision lives here."""

from __future__ import annotations

import sys

from scanner.version import __version__


def main() -> None:
    """Run ``weighbridge`` with the process's arguments."""
    if sys.argv[1:] == ["--version"]:
        # Answered before anything is imported: scripts ask for the version all the time.
        sys.stdout.write(f"weighbridge {__version__}\n")
        return
    from scanner.cli.interruption import interruptible  # noqa: PLC0415 - see above

    with interruptible():
        from scanner.cli.app import app  # noqa: PLC0415 - see above

        app(prog_name="weighbridge")
