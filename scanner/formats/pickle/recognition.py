"""Whether bytes are a pickle: from protocol 2 on by their magic, before that by running them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile

from scanner.errors import BudgetExceeded, FormatError
from scanner.formats.pickle.callables import classify
from scanner.inspection import Head
from scanner.reader import Budget, BytesReader, Cursor
from scanner.wire.pickle import Machine
from scanner.wire.pickle_values import Event, Global
from scanner.wire.torch_pickle import has_legacy_magic

# Opcodes that need nothing on the stack, so that a stream can begin with them. (INST imports before it fails,
# in one of the two unpicklers, and `isympy` is also a line of text.)
_FIRST = frozenset(b"(])}\x8fIFLJKMG\x8a\x8bSUTVX\x8c\x8dCB\x8e\x96N\x88\x89\x97cP\x82\x83\x84\x95")
_CONTROL = frozenset({*range(32), 127} - {9, 10, 13})
# As pickles: persistent ids that no loader resolves.
_OTHERS = (b"PK\x03\x04", b"PAR1", b"PARE")
_EXTENSIONS = b"\x82\x83\x84"
# Names that an import can find; `?` stands for one that is computed while loading.
_IMPORTABLE = re.compile(r"[\w.+?-]+")
_STEPS = 4096


def matches(head: Head) -> bool:
    """Whether the head alone shows a pickle."""
    data = head.data
    if has_legacy_magic(data):  # the stream that torch wrote before 1.6: `pytorch-legacy` reads it
        return False
    if has_magic(data):
        return not _is_length(data)
    return _begins(data) and _acts(head, _run(head))


def suspects(head: Head) -> bool:
    """Whether everything in the head runs as a pickle without magic, and the end is not in it.

    A text may begin so: `Verily` is a UNICODE opcode up to the end of the line, however far that is. A
    persistent id alone in front of everything is none: who resolves such ids knows the file by its magic,
    and all others stop there. One safetensors header in 32 is of a length that looks like it, before
    gigabytes without a line end.
    """
    data = head.data
    if not _begins(data) or data.startswith(b"P") or head.size <= len(data):
        return False
    run = _run(head)
    return run.goes_on and len(run.reached) == len(run.names)


def _begins(data: bytes) -> bool:
    return bool(data) and data[0] in _FIRST and not data.startswith(_OTHERS)


def has_magic(data: bytes) -> bool:
    """Whether they begin with PROTO, as every pickle of protocol 2 and later does."""
    return data[:1] == b"\x80" and len(data) > 2 and data[1] <= 5


def is_importable(found: Global) -> bool:
    """Whether any import could find such a name; where none can, a loader stops."""
    return all(_IMPORTABLE.fullmatch(part) for part in (found.module, found.name))


@dataclass(frozen=True, slots=True)
class _Run:
    """What the head does when it is run as pickles."""

    events: tuple[Event, ...]
    complete: int
    """Pickles that ended in the head."""
    end: int
    """Where the last of them ended."""
    goes_on: bool
    """Whether all of the head ran, and what follows would go on."""

    @property
    def names(self) -> list[Global]:
        """What is imported."""
        return [e.target for e in self.events if e.kind == "import" and isinstance(e.target, Global)]

    @property
    def reached(self) -> list[Global]:
        """What is imported before a name that no import can find."""
        return list(takewhile(is_importable, self.names))


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The head of a file, and line ends in the place of the rest: they complete a line and are no opcode."""

    data: bytes
    size: int

    def read_at(self, offset: int, length: int) -> bytes:
        length = max(min(length, self.size - offset), 0)
        return self.data[offset : offset + length].ljust(length, b"\n")


def _run(head: Head) -> _Run:
    seen: list[Event] = []
    complete, end, known = 0, 0, len(head.data)
    cursor = Cursor(_Beginning(head.data, head.size), Budget())
    budget = Budget(items=_STEPS)
    goes_on = False
    try:
        while cursor.position < known:
            events = Machine(cursor, budget, shortcuts=False).run()
            # One at a time, so that those before an error are kept.
            seen.extend(event for event in events if event.kind != "stop" and cursor.position <= known)
            complete, end = complete + 1, cursor.position
    except FormatError as error:
        goes_on = error.offset is not None and known <= error.offset and known < head.size
    except BudgetExceeded:
        goes_on = True
    return _Run(tuple(seen), complete, end, goes_on)


def _acts(head: Head, run: _Run) -> bool:
    """Whether what ran is a pickle's doing, or something else that happens to begin alike.

    Many texts begin with a letter that is an opcode: `category,label` would be an import. A loader gets no
    further than a name that cannot be imported, so that what would follow it is not done.
    """
    if head.data[0] in _EXTENSIONS and not run.complete and not run.goes_on:
        return (
            False  # MessagePack; no code is registered by default, so that a loader stops at the first byte
        )
    calls = any(event.kind == "call" and event.target is not None for event in run.events)
    whole = run.complete > 0 and run.end > 2 and run.end == head.size
    if not _is_text(head.data):
        return calls or whole or (bool(run.names) and (run.complete > 0 or head.size > len(head.data)))
    if any(classify(name) != "unknown" for name in run.reached):
        return True
    # Nobody knows the names: then the rest has to be a pickle as well.
    return len(run.reached) == len(run.names) and (whole or (bool(run.names) and (calls or run.goes_on)))


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(data) - 3:  # the head may cut a character
            return False
    return _CONTROL.isdisjoint(data)


def _is_length(data: bytes) -> bool:
    """Whether these are the length of a safetensors header that only begins like a pickle (128, 384 …).

    Only where they break off as a pickle within those eight bytes, so that nothing can hide behind them.
    """
    if data[4:8] != bytes(4) or data[8:9] not in {b"{", b" ", b"\t", b"\r", b"\n"}:
        return False
    try:
        # With a line end, so that a text that runs on behind the head is no malformation.
        for _ in Machine(Cursor(BytesReader(data + b"\n"), Budget()), Budget(items=_STEPS)).run():
            return False
    except FormatError as error:
        return error.offset is not None and error.offset < 8
    except BudgetExceeded:
        return False
    return False
