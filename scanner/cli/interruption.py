"""What happens when somebody stops a run: workers end, nothing was decided, the shell is told why."""

from __future__ import annotations

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE = 1.0  # seconds


class Interrupted(BaseException):
    """A signal asked to stop; no handler of ordinary errors may swallow it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into a clean end: one line, exit code 128 + the signal's number.

    Whatever the interruption has become on its way counts as one: Python turns what is raised while a class
    is made into a RuntimeError, and a traceback's exit code would read as a refusal.
    """
    asked: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        asked.append(number)
        # What is raised inside a destructor or a weak reference's callback is dropped: ask again then.
        again = threading.Timer(_PATIENCE, _thread.interrupt_main, (number,))
        again.daemon = True
        again.start()
        raise Interrupted(number)

    for number in _SIGNALS:
        signal.signal(number, stop)
    try:
        yield
    finally:
        if asked:
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)  # the end has begun; a second Ctrl-C changes nothing
            sys.stderr.write("interrupted: nothing was decided\n")
            sys.exit(128 + asked[0])
