"""How the test Hub misbehaves, and for which requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Behaviour = Literal[
    "",  # as it should be, with the status, headers and delay of the fault
    "no-range",  # ignores Range: 200 and the whole file
    "other-bytes",  # other bytes of the same length, the same ETag
    "other-etag",  # another ETag
    "other-size",  # another total size
    "wrong-range",  # another range than was asked
    "no-total",  # Content-Range: bytes 0-9/*
    "no-content-range",  # 206 without Content-Range
    "short",  # announces the right length, sends half, closes
    "reset",  # sends half, then resets the connection
    "drop",  # resets the connection without an answer
    "hang",  # sends half, then nothing for an hour
    "endless",  # the right headers, then a body without length and without end
    "flood",  # the same, and ignores Range
    "loop",  # redirects to itself
    "gzip",  # Content-Encoding: gzip
    "downgrade",  # redirects to another scheme
]


@dataclass
class Fault:
    """One misbehaviour for the requests whose `METHOD path` a pattern finds."""

    where: str
    behave: Behaviour = ""
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()
    """Headers to leave out, in lower case."""
    body: bytes | None = None
    """Sent with `status`, in place of an error message."""
    delay: float = 0.0
    after: int = 0
    """Behave for this many matching requests first."""
    times: int | None = None
    """Misbehave this many times, then no more; `None`: always."""
    location: str = ""
    """Where `loop` and `downgrade` point to; empty: to itself."""
    seen: int = 0

    def strikes(self, line: str) -> bool:
        """Whether it acts on this request; counts those that match."""
        if re.search(self.where, line) is None:
            return False
        self.seen += 1
        number = self.seen - self.after
        return number > 0 and (self.times is None or number <= self.times)
