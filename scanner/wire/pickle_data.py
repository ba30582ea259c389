"""Pickles that only build data, recognised by one regular expression over their opcodes.

None of these opcodes imports or calls anything, whatever is on the stack; so a stream that has no other
one up to its STOP has no effect but memory. Its stack discipline is not checked: where that is broken, a
loader stops with an error. ``tests/wire/test_pickle.py`` holds this path against the machine's.
"""

from __future__ import annotations

import re
from functools import cache

from scanner.errors import FormatError
from scanner.reader import Budget, Cursor
from scanner.wire.pickle_stream import SLACK, Window

_WIDTHS = {0x42: 4, 0x54: 4, 0x58: 4, 0x8B: 4, 0x8D: 8, 0x8E: 8, 0x96: 8}
_BYTES_PER_STEP = 4
_FRAME = 0x95


@cache
def _run() -> re.Pattern[bytes]:
    def counted(opcode: bytes, zeros: int = 0, most: int = 255) -> bytes:
        lengths = (re.escape(bytes([n]) + bytes(zeros)) + b".{%d}" % n for n in range(most + 1))
        return opcode + b"(?:" + b"|".join(lengths) + b")"

    alternatives = (
        rb"[\x94()\]}\x8fteuasdl\x90\x91\x85\x86\x87N\x88\x89012\x98]",
        rb"[Khq].",
        rb"M..",
        rb"[Jjr]....",
        rb"G.{8}",
        counted(rb"\x8c"),
        counted(b"X", 3),
        counted(b"C"),
        counted(b"U"),
        counted(rb"\x8a", 0, 32),
        rb"\x80[\x00-\x05]",
        rb"[IL][0-9-][0-9]*+L?\n",
        rb"F[0-9.-][0-9.e+-]*+\n",
        rb"[gp][0-9]{1,18}\n",
        rb"V[^\\\n]*+\n",
        rb"S'[^'\\\n]*+'\n",
    )
    return re.compile(b"(?:" + b"|".join(alternatives) + b")*+", re.DOTALL)


def only_data(cursor: Cursor, budget: Budget) -> int | None:
    """The protocol of a pickle that only builds data, with the cursor behind its STOP; else ``None``.

    Raises:
        BudgetExceeded: It is longer than the budget allows.
    """
    start = cursor.position
    try:
        protocol = _walk(Window(cursor, budget), budget)
    except FormatError:  # the machine will say what is wrong, and what has run by then
        protocol = None
    if protocol is None:
        cursor.position = start
    return protocol


def _walk(window: Window, budget: Budget) -> int | None:
    at = window.load()
    protocol = window.data[at + 1] if window.data[at] == 0x80 else 0
    fresh, frame_end = True, 0
    while True:
        found = _run().match(window.data, at, window.end)
        after = found.end() if found else at
        budget.spend_items((after - at) // _BYTES_PER_STEP + 1)
        stuck = after == at and fresh
        at, fresh = after, False
        code = window.data[at] if at < window.end else -1
        if code == 0x2E:
            window.sync(at + 1)
            return protocol if frame_end <= window.base + at + 1 else None
        if code == _FRAME and at + 9 <= window.end:
            frame_end = window.base + at + 9 + int.from_bytes(window.data[at + 1 : at + 9], "little")
            at = window.jump(at + 9, 0)
            continue
        width = _WIDTHS.get(code)
        if width is not None and at + 1 + width <= window.end:
            length = int.from_bytes(window.data[at + 1 : at + 1 + width], "little")
            at = window.jump(at + 1 + width, length)
        elif not window.final and at > window.end - SLACK and not stuck:
            at, fresh = window.move(at), True
        else:
            return None
