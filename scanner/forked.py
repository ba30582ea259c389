"""Loaded into the fork server, and nowhere else, before it forks workers.

It brings what workers need, so that each of them starts with it, and makes the server silent about
workers whose scan was interrupted while they were starting: their pipes and locks are gone, and a
traceback would tell the user nothing.
"""

from __future__ import annotations

import sys
from types import TracebackType

import scanner.examination  # noqa: F401 - loaded on purpose
from scanner.formats import all_formats

_GONE = (FileNotFoundError, BrokenPipeError, ConnectionError, EOFError)


def _hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, _GONE):
        sys.__excepthook__(kind, error, trace)


all_formats()  # which imports every one of them
sys.excepthook = _hook
