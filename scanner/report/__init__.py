"""How a result is told: one module a format, each turning reports into text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from scanner.result import Report

# name -> module with ``render(reports) -> str``; terminal output needs a console and stands apart.
FORMATS = {
    "json": "scanner.report.json_report",
    "sarif": "scanner.report.sarif",
    "markdown": "scanner.report.markdown",
}


def render(name: str, reports: Sequence[Report]) -> str:
    """The reports as text in one of :data:`FORMATS`."""
    module = import_module(FORMATS[name])
    write: Callable[[Sequence[Report]], str] = module.render
    return write(reports)
