"""Hash values: computed in one pass, and compared with what somebody declares."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Protocol

from scanner.errors import ReadFailed
from scanner.model import Artefact, Check, Digest, FileResult, Finding, Location, Origin, Rule, Severity
from scanner.reader import Reader
from scanner.result import Outcome, Verification

# Large enough that a thread seldom asks for the interpreter's lock, which others hold while they import.
_STEP = 4 << 20

MISMATCH = Rule(
    id="digests/mismatch",
    title="The bytes are not the ones that were published",
    severity=Severity.CRITICAL,
    check=Check.HASH_MISMATCH,
    finds="A file whose computed hash differs from the one that its source declares, or that a manifest "
    "in the artefact lists (SHA256SUMS and its like, Croissant).",
    why="The file was changed, damaged or exchanged after it was published.",
    remedy="Delete the file and get it again from its publisher; if it differs again, tell them.",
    example="A blob of a Hub cache whose content no longer matches its name.",
    limits="A remote file over 256 KiB is hashed only where its format is read from end to end.",
    references=("CWE-354",),
)


class _Hash(Protocol):
    def update(self, data: bytes | memoryview, /) -> object: ...

    def hexdigest(self) -> str: ...


def _git_blob(size: int) -> _Hash:
    return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)


def _blake3(_: int) -> _Hash:
    from blake3 import blake3  # noqa: PLC0415 - rare, and a library of its own

    return blake3()


_HASHES: dict[str, Callable[[int], _Hash]] = {
    "sha256": lambda _: hashlib.sha256(),
    "sha384": lambda _: hashlib.sha384(),
    "sha512": lambda _: hashlib.sha512(),
    "blake2b": lambda _: hashlib.blake2b(),
    "sha1": lambda _: hashlib.sha1(usedforsecurity=False),
    "md5": lambda _: hashlib.md5(usedforsecurity=False),
    "git-sha1": _git_blob,
    "blake3": _blake3,
}


def hash_reader(
    reader: Reader, algorithms: tuple[str, ...], stop: Callable[[], bool] = lambda: False
) -> tuple[Digest, ...]:
    """Digests of all bytes, in one pass; algorithms that we do not know are left out.

    Raises:
        ReadFailed: The bytes cannot be had, or ``stop`` has become true.
    """
    states = {name: _HASHES[name](reader.size) for name in algorithms if name in _HASHES}
    offset = 0
    while offset < reader.size:
        if stop():
            raise ReadFailed("interrupted")
        block = reader.read_at(offset, _STEP)
        if not block:
            raise ReadFailed("the file became shorter while it was read")
        for state in states.values():
            state.update(block)
        offset += len(block)
    return tuple(Digest(name, state.hexdigest(), Origin.COMPUTED) for name, state in states.items())


class Passing:
    """A reader that hashes what passes through it, as far as it passes from the first byte on."""

    __slots__ = ("_next", "_reader", "_states")

    def __init__(self, reader: Reader, algorithms: tuple[str, ...]) -> None:
        self._reader = reader
        self._states = {name: _HASHES[name](reader.size) for name in algorithms if name in _HASHES}
        self._next = 0

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self._reader.size

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes from ``offset``, from the reader behind."""
        data = self._reader.read_at(offset, length)
        if offset <= self._next < offset + len(data):
            news = memoryview(data)[self._next - offset :]
            for state in self._states.values():
                state.update(news)
            self._next += len(news)
        return data

    def digests(self) -> tuple[Digest, ...]:
        """Digests of the whole, where all of it has passed; none otherwise."""
        if self._next < self.size:
            return ()
        return tuple(Digest(name, state.hexdigest(), Origin.COMPUTED) for name, state in self._states.items())


def compare(artefact: Artefact, files: tuple[FileResult, ...]) -> Iterator[Verification | Finding]:
    """Hold every declared digest against the computed one."""
    del artefact
    for file in files:
        for digest in file.digests:
            if digest.origin is not Origin.DECLARED:
                continue
            own = file.computed(digest.algorithm)
            claim = f"{digest.source or 'declared'}:{digest.algorithm}"
            if own is None:
                reason = "only declared: the file was not read whole"
                yield Verification(claim, Outcome.UNSUPPORTED, reason, (file.path,))
            elif own == digest.value:
                reason = "the computed digest agrees"
                yield Verification(claim, Outcome.VERIFIED, reason, (file.path,))
            else:
                reason = f"declared {digest.value}, computed {own}"
                yield Verification(claim, Outcome.INVALID, reason, (file.path,))
                evidence = (("declared", digest.value), ("computed", own))
                message = f"{digest.algorithm} differs from the one declared by {digest.source}"
                yield Finding(MISMATCH, Location(file.path), message, evidence=evidence)
