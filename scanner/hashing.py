"""Large local files, hashed in threads from the first moment on, while everything else loads and reads."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event
from typing import Self

from scanner.errors import ReadFailed
from scanner.model import Digest, FileEntry, Gap, Location
from scanner.reader import Opener
from scanner.sources import Resolved
from scanner.trust.digests import hash_reader

# Files up to this size are hashed by the worker that has just read them; larger ones in threads.
_SMALL = 1 << 20


def _small(entry: FileEntry | None) -> bool:
    """Whether the worker that reads a local file hashes it as well."""
    return entry is not None and entry.size is not None and entry.size <= _SMALL


class Hashing:
    """Large local files, hashed in threads while workers read their structure."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(max_workers=count)
        self._stop = Event()
        self._futures: dict[str, Future[tuple[Digest, ...] | Gap]] = {}

    def start(self, resolved: Resolved) -> None:
        """Begin; inside the ``with``, so that an interruption finds it armed."""
        entries = {entry.path: entry for entry in resolved.artefact.files}
        for path in sorted(resolved.openers):
            if path in resolved.local_paths and not _small(entries.get(path)):
                wanted = algorithms(entries.get(path), small=False)
                future = self._threads.submit(_hash, resolved.openers[path], wanted, self._stop)
                self._futures[path] = future

    @property
    def paths(self) -> AbstractSet[str]:
        """What is hashed here."""
        return self._futures.keys()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # After an interruption nobody waits for the rest of a hundred gigabytes.
        self._stop.set()
        self._threads.shutdown(cancel_futures=True)

    def results(self) -> dict[str, tuple[Digest, ...] | Gap]:
        """What came of each file."""
        return {path: future.result() for path, future in self._futures.items()}


def algorithms(entry: FileEntry | None, *, small: bool) -> tuple[str, ...]:
    """What a file is hashed with: SHA-256 always; others where somebody declares them, to compare."""
    declared = {digest.algorithm for digest in entry.digests} if entry else set()
    extra = declared & {"sha1", "md5", "sha512", "blake2b", "blake3", "git-sha1"}
    return ("sha256", *sorted(extra | ({"git-sha1"} if small and declared else set())))


def _hash(opener: Opener, algorithms: tuple[str, ...], stop: Event) -> tuple[Digest, ...] | Gap:
    try:
        with opener.open() as reader:
            return hash_reader(reader, algorithms, stop.is_set)
    except ReadFailed as error:
        return Gap(Location(""), str(error))
