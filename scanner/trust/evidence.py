"""The files of an artefact as evidence: what they are by their bytes, hashed once and only where needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scanner.errors import ReadFailed
from scanner.model import FileResult
from scanner.reader import Opener, Window
from scanner.trust.digests import hash_reader


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the pipeline learnt about each file, and how to read it again where that does not suffice."""

    files: Mapping[str, FileResult]
    openers: Mapping[str, Opener]
    unreadable: frozenset[str] = frozenset()
    """Paths that are listed but were not read: links out of the artefact, devices, refused files."""
    _hashed: dict[tuple[str, str, int, int], str | None] = field(default_factory=dict)

    def whole(self, path: str) -> bool:
        """Whether the file was read whole; one that is read in ranges is never hashed for a signature."""
        file = self.files.get(path)
        return file is not None and file.computed("sha256") is not None

    def digest(self, path: str, algorithm: str) -> str | None:
        """The file's computed digest in hexadecimal; ``None`` where it cannot be had."""
        file = self.files.get(path)
        if file is None or not self.whole(path):
            return None
        return file.computed(algorithm) or self.part(path, algorithm, 0, file.size)

    def part(self, path: str, algorithm: str, start: int, end: int) -> str | None:
        """The digest of the bytes from ``start`` up to ``end`` of a file that was read whole."""
        if not self.whole(path) or path not in self.openers:
            return None
        key = (path, algorithm, start, end)
        if key not in self._hashed:
            self._hashed[key] = self._hash(key)
        return self._hashed[key]

    def _hash(self, key: tuple[str, str, int, int]) -> str | None:
        path, algorithm, start, end = key
        try:
            with self.openers[path].open() as reader:
                if end > reader.size:
                    return None
                found = hash_reader(Window(reader, start, end - start), (algorithm,))
        except ReadFailed:
            return None
        return found[0].value if found else None

    def read(self, path: str, limit: int) -> bytes | None:
        """All bytes of a small file; ``None`` where it is larger than ``limit`` or cannot be read."""
        opener = self.openers.get(path)
        if opener is None:
            return None
        try:
            with opener.open() as reader:
                data = reader.read_at(0, limit + 1)
        except ReadFailed:
            return None
        return data if len(data) <= limit else None
