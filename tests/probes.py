"""Functions for worker processes under test; they live in a module, so that a worker can import them."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time


def _spin() -> None:
    while True:
        pass


def _hoard() -> None:
    hoard = []
    while True:
        hoard.append(bytearray(8 << 20))


_ACTS = {
    "die": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "exit": lambda: os._exit(3),
    "hang": lambda: time.sleep(600),
    "spin": _spin,
    "memory": _hoard,
    "quit": lambda: sys.exit(1),
    "slow": lambda: time.sleep(0.2),
    "unsendable": threading.Lock,
}


def act(what: str) -> object:
    """Answer, or misbehave as told."""
    name = what.partition(":")[0]
    if name == "bug":
        raise ZeroDivisionError(f"secret {id(what)}")
    if name == "recurse":
        return act("recurse:" + what)
    if name == "where":
        time.sleep(0.05)
        return f"{os.getpid()} {threading.get_ident()}"
    return _ACTS.get(name, lambda: None)() or what.upper()
