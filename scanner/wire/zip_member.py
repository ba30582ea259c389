"""Members of a zip archive that a format has to read itself, by their names; no opinions.

The zip format judges the archive and hands every member on. A format that knows an archive's layout needs
the few members that say what it is, under every directory that a reader might use.
"""

from __future__ import annotations

from collections.abc import Iterable

from scanner.errors import BudgetExceeded, FormatError
from scanner.reader import Budget, Reader, Window, read_whole
from scanner.wire.compression import expanded
from scanner.wire.zip import METHODS, TAIL_BYTES, Entry, directory, find_ends, local_header


def plain_name(name: str) -> str:
    """The name as CPython's ``zipfile`` knows it: it cuts at a NUL."""
    return name.partition("\0")[0]


def has_member(names: Iterable[str], wanted: str) -> bool:
    """Whether some reader finds a member of that name."""
    return any(plain_name(name) == wanted for name in names)


def entries(reader: Reader, budget: Budget) -> list[Entry]:
    """Every entry of every directory, each once, in file order; folders are left out.

    Raises:
        FormatError: There is no directory, or it is damaged.
        BudgetExceeded: It is larger than the budget allows.
    """
    start = max(reader.size - TAIL_BYTES, 0)
    ends = find_ends(reader, reader.read_at(start, TAIL_BYTES), start)
    if not ends:
        raise FormatError("there is no end record that leads to a directory", reader.size)
    found: dict[tuple[bytes, int, int, int], Entry] = {}
    for end in ends:
        for entry in directory(reader, end, budget):
            found.setdefault((entry.raw_name, entry.header, entry.method, entry.size), entry)
    listed = [entry for entry in found.values() if not entry.is_folder]
    return sorted(listed, key=lambda entry: (entry.header, entry.raw_name))


def content(reader: Reader, entry: Entry, budget: Budget, limit: int) -> bytes:
    """The member's bytes, expanded.

    Raises:
        FormatError: It is not where the directory says, is packed in an unknown way or does not expand.
        BudgetExceeded: It is longer than ``limit`` or than the budget.
    """
    codec = METHODS.get(entry.method)
    if codec is None or codec == "lzma":
        raise FormatError(f"compression method {entry.method} is not supported", entry.header)
    if entry.size > limit:
        raise BudgetExceeded("bytes", limit)
    local = local_header(reader, entry.header)
    # Stored members are as long as the directory says, whatever else it says.
    length = entry.compressed if codec else max(entry.compressed, entry.size)
    stored = Window(reader, local.data, min(length, max(reader.size - local.data, 0)))
    if not codec:
        return read_whole(stored, budget, limit)
    with expanded(stored, codec, budget, entry.size) as expanding:
        data = read_whole(expanding, budget, limit)
        if expanding.problem is not None:
            raise FormatError(f"does not expand: {expanding.problem}", entry.header)
        return data
