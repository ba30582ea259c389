"""Zip archives: every member that any reader would find, and where readers would not agree."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from scanner.errors import BudgetExceeded, FormatError
from scanner.formats.zip.layout import (
    Span,
    is_deferred,
    overlap,
    raw_storages,
    record_length,
    record_spans,
    storage_spans,
    unowned,
)
from scanner.formats.zip.names import judge_link, judge_names, show
from scanner.formats.zip.rules import (
    ENCRYPTED,
    HEADERS_DISAGREE,
    HIDDEN_MEMBER,
    NO_DIRECTORY,
    OVERLAP,
    RULES,
    SEVERAL_DIRECTORIES,
    STRAY_BYTES,
)
from scanner.inspection import Child, Format, Head, Note, Text
from scanner.model import Facts, Finding, Gap, Location, Rule
from scanner.reader import Budget, Reader, Window
from scanner.wire import zip as wire
from scanner.wire.compression import expanded
from scanner.wire.torch_export import payloads
from scanner.wire.torch_zip import Role, roles
from scanner.wire.zip import Entry, Local

_MEMBERS = 200_000
_PER_RULE = 100
_LINK = 4096
_TRIED = 16 << 20
_BLANK = 64 << 10
_RECORDS = (wire.CENTRAL_MAGIC, wire.END_MAGIC, b"PK\x06\x06", b"PK\x06\x07")
_METHOD_NAMES = {1: "shrink", 6: "implode", 9: "deflate64", 97: "wavpack", 98: "PPMd", 99: "AES encryption"}


def _matches(head: Head) -> bool:
    return head.data.startswith((wire.LOCAL_MAGIC, wire.END_MAGIC)) or bool(head.members)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    counts: Counter[str] = Counter()
    for note in _Archive(reader, budget, where).run():
        if isinstance(note, Finding):
            counts[note.rule.id] += 1
            if counts[note.rule.id] > _PER_RULE:
                continue  # the rule has been found often enough; members are judged all the same
        yield note


class _Archive:
    """One archive while it is read."""

    def __init__(self, reader: Reader, budget: Budget, where: Location) -> None:
        self._reader = reader
        self._budget = budget
        self._where = where
        self._spans: list[Span] = []

    def run(self) -> Iterator[Note]:
        start = max(self._reader.size - wire.TAIL_BYTES, 0)
        ends = wire.find_ends(self._reader, self._reader.read_at(start, wire.TAIL_BYTES), start)
        if not ends and self._reader.read_at(0, 4) != wire.LOCAL_MAGIC:
            raise FormatError("there is no end record")
        entries: list[Entry] = []
        yield from self._directories(ends, entries)
        yield Facts("zip", metadata=(("members", str(len(entries))),))
        yield from judge_names(entries, self._where)
        plain = len(ends) == 1 and ends[0].length <= wire.NAMES_LIMIT
        torch = roles(entry.name for entry in entries) if plain else {}
        exported = payloads(entry.name for entry in entries) - torch.keys() if plain else frozenset[str]()
        storages = raw_storages(entries, torch | dict.fromkeys(exported, Role.STORAGE))
        bulk = [entry for entry in entries if entry.name in storages]
        for entry in entries:
            if entry.name not in storages:
                known = torch.get(entry.name) in {Role.PICKLE, Role.CODE} and entry.method in {0, 8}
                yield from self._member(entry, "pytorch-zip" if known else "")
        alignment = self._alignment(entries) if bulk else 0
        for entry, span in storage_spans(bulk, self._spans, self._reader.size, alignment):
            if span is None:
                yield from self._member(entry, _owner(entry, exported))
            else:
                self._spans.append(span)
                late = wire.LateMember(self._reader, entry)
                yield Child(entry.name, late, size=entry.size, crc=entry.crc, left_to=_owner(entry, exported))
        yield from self._layout(listed=bool(ends))

    def _alignment(self, entries: list[Entry]) -> int:
        """What PyTorch has padded its storages to, where the archive says so."""
        for entry in entries:
            if entry.name.endswith("/.storage_alignment") and entry.method == 0 and entry.size <= 8:
                try:
                    text = wire.LateMember(self._reader, entry).read_at(0, entry.size)
                except FormatError:
                    break  # noted where the member itself is read
                return int(text) if text.isdigit() else 0
        return 0

    def _directories(self, ends: list[wire.End], entries: list[Entry]) -> Iterator[Note]:
        """Members of all directories, each reading of a member once."""
        if not ends:
            yield self._finding(NO_DIRECTORY, 0, "there is no end record that leads to a directory")
            yield Gap(self._where, "malformed zip archive: it has no usable directory")
        if len(ends) > 1:
            places = ", ".join(str(end.directory) for end in ends)
            message = f"readers find different directories, at {places}"
            yield self._finding(SEVERAL_DIRECTORIES, ends[0].position, message)
        seen: set[tuple[object, ...]] = set()
        for end in ends:
            self._spans += record_spans(end)
            yield Text(end.comment.decode("utf-8", "replace"), self._where.at(end.position), "metadata")
            number, own = 0, set[tuple[object, ...]]()
            try:
                for entry in wire.directory(self._reader, end, self._budget):
                    number += 1
                    key = (entry.raw_name, entry.header, entry.method, entry.flags, entry.compressed,
                           entry.size, entry.crc)  # fmt: skip
                    own.add(key)
                    if key not in seen:
                        seen.add(key)
                        entries.append(entry)
                    if len(entries) >= _MEMBERS:
                        yield Gap(self._where, f"more than {_MEMBERS} members")
                        return
            except FormatError as error:
                yield Gap(self._where.at(error.offset), f"malformed zip archive: {error.reason}")
            if len(own) < number:
                message = f"the directory lists {number - len(own)} members again that it has already listed"
                yield self._finding(OVERLAP, end.directory, message)
            if number & 0xFFFF != end.count & 0xFFFF:
                message = f"the end record announces {end.count} members, the directory has {number}"
                yield self._finding(HEADERS_DISAGREE, end.position, message)
        entries.sort(key=lambda entry: (entry.header, entry.raw_name))

    def _member(self, entry: Entry, left_to: str = "") -> Iterator[Note]:
        """One member of a directory, under each reading that its two headers give."""
        try:
            local = wire.local_header(self._reader, entry.header)
        except FormatError as error:
            place = self._where.at(error.offset)
            yield Gap(place, f"the member {show(entry.name)} cannot be read: {error.reason}")
            return
        stop = local.data + entry.compressed
        self._spans.append(Span(entry.header, min(stop, self._reader.size), entry.name, is_deferred(entry)))
        differ = list(_differences(entry, local))
        if differ:
            message = f"the headers of {show(entry.name)} disagree: {'; '.join(differ)}"
            yield self._finding(HEADERS_DISAGREE, entry.header, message, entry.name)
        if (entry.flags | local.entry.flags) & wire.ENCRYPTED:
            message = f"the member {show(entry.name)} is marked as encrypted"
            yield self._finding(ENCRYPTED, entry.header, message, entry.name)
        yield from self._reading(entry, entry, local, left_to)
        other = local.entry
        known = not local.deferred or other.compressed
        longer = max(other.compressed, other.size) > max(entry.compressed, entry.size)
        if other.method != entry.method or (known and longer):  # a shorter reading is part of the first
            sizes = other if known else entry
            yield from self._reading(replace(sizes, crc=other.crc), other, local)

    def _reading(self, sizes: Entry, kind: Entry, local: Local, left_to: str = "") -> Iterator[Note]:
        """A member with the sizes of one header and the method of the same or the other one."""
        inside = self._where.inside(kind.name)
        codec = wire.METHODS.get(kind.method)
        if codec is None or (sizes.flags | kind.flags) & 0x2040:  # strong encryption, masked headers
            name = _METHOD_NAMES.get(kind.method, "unknown" if codec is None else "strong encryption")
            yield Gap(inside, f"compression method {kind.method} ({name}) is not supported")
            return
        wanted = sizes.compressed if codec else max(sizes.compressed, sizes.size)
        length = min(wanted, self._reader.size - local.data)
        if length < wanted:
            yield Gap(inside, f"{wanted} bytes are declared, {length} are left")
        stored: Reader = Window(self._reader, local.data, length)
        if codec == "lzma":
            try:
                stored = wire.lzma_stream(stored, kind.flags, sizes.size)
            except FormatError as error:
                yield Gap(inside, f"cannot be read: {error.reason}")
                return
        child = Child(kind.name, stored, codec, sizes.size, crc=sizes.crc, left_to=left_to)
        if kind.is_folder and not wanted:
            return
        if kind.is_symlink and sizes.size <= _LINK:
            yield from judge_link(kind, self._content(child), self._where)
        if (sizes.flags | local.entry.flags) & wire.ENCRYPTED and not self._is_plain(child):
            yield Gap(inside, "is encrypted, or damaged and marked as encrypted")
            child = replace(child, crc=None)
        yield child

    def _content(self, child: Child) -> bytes:
        if not child.codec:
            return child.reader.read_at(0, _LINK)
        with expanded(child.reader, child.codec, self._budget, child.size) as content:
            return content.read_at(0, _LINK)

    def _is_plain(self, child: Child) -> bool:
        """Whether a member that is marked as encrypted has its checksum without being decrypted."""
        if child.codec:
            with expanded(child.reader, child.codec, self._budget, child.size) as content:
                return content.problem is None and content.crc == child.crc
        if child.reader.size > _TRIED:
            return False
        self._budget.spend_bytes(child.reader.size)
        return zlib.crc32(child.reader.read_at(0, child.reader.size)) == child.crc

    def _layout(self, *, listed: bool) -> Iterator[Note]:
        """Members that share bytes, and bytes that nobody owns."""
        shared = overlap(self._spans)
        if shared:
            message = f"the members {show(shared[0].name)} and {show(shared[1].name)} share bytes"
            yield self._finding(OVERLAP, shared[1].start, message)
        for start, stop in unowned(self._spans, self._reader.size):
            yield from self._walk(start, stop, listed=listed)

    def _walk(self, start: int, stop: int, *, listed: bool) -> Iterator[Note]:
        """What stands in bytes that no directory leads to, one local header after the other.

        Where the archive has a directory (``listed``), a member that it leaves out is a finding.
        """
        at = start
        records = False
        while at < stop:
            self._budget.spend_items()
            head = self._reader.read_at(at, min(46, stop - at))
            length = record_length(head)
            if length and at + length <= stop:
                at, records = at + length, True
                continue
            if not head.startswith(wire.LOCAL_MAGIC):
                break
            try:
                local = wire.local_header(self._reader, at)
                end, following = wire.extent(self._reader, local, stop, self._budget)
            except (FormatError, BudgetExceeded) as error:
                yield Gap(self._where.at(at), f"a member that no directory lists cannot be read: {error}")
                return
            if local.data > stop:
                break
            if listed:
                message = f"no directory lists the member {show(local.entry.name)}"
                yield self._finding(HIDDEN_MEMBER, at, message, local.entry.name)
            yield from self._unlisted(local, end)
            at = min(following, stop)
        if (at < stop and not self._is_blank(at, stop)) or (records and listed):
            message = f"{stop - start} bytes belong to no member"
            yield self._finding(STRAY_BYTES, start, message, length=stop - start)
        if self._reader.read_at(at, 4) in _RECORDS:
            yield Gap(self._where.at(at), "malformed zip archive: a record of its directory is cut")
        elif at < stop and not self._is_blank(at, stop):
            yield Child(f"bytes at {at}", Window(self._reader, at, stop - at))

    def _unlisted(self, local: Local, end: int) -> Iterator[Note]:
        """A member that only its local header describes."""
        entry = local.entry
        yield from judge_names([entry], self._where)
        inside = self._where.inside(entry.name)
        codec = wire.METHODS.get(entry.method)
        if codec is None:
            yield Gap(inside, f"compression method {entry.method} is not supported")
            return
        stored: Reader = Window(self._reader, local.data, max(end - local.data, 0))
        known = not local.deferred or bool(entry.compressed)
        if known and end < local.data + entry.compressed:
            yield Gap(inside, f"{entry.compressed} bytes are declared, {end - local.data} are left")
        try:
            stored = wire.lzma_stream(stored, entry.flags | 2, 0) if codec == "lzma" else stored
        except FormatError as error:
            yield Gap(inside, f"cannot be read: {error.reason}")
            return
        if codec or stored.size:
            yield Child(entry.name, stored, codec, entry.size if known else None)

    def _is_blank(self, start: int, stop: int) -> bool:
        return stop - start <= _BLANK and not self._reader.read_at(start, stop - start).strip(b"\0")

    def _finding(
        self, rule: Rule, offset: int, message: str, member: str = "", length: int | None = None
    ) -> Finding:
        evidence = (("member", show(member)),) if member else (("offset", str(offset)),)
        return Finding(rule, self._where.at(offset, length), message, evidence=evidence)


def _owner(entry: Entry, exported: frozenset[str]) -> str:
    """The refinement that looks at raw numbers itself (docs/adr/0006)."""
    return "torch-export" if entry.name in exported else "pytorch-zip"


def _differences(entry: Entry, local: Local) -> Iterator[str]:
    """What the two headers of a member say differently; deferred values may be zero in the local one."""
    other = local.entry
    if other.raw_name != entry.raw_name:
        yield f"the local name is {show(other.name)}"
    if other.method != entry.method:
        yield f"method {entry.method} and {other.method}"
    if (other.flags ^ entry.flags) & wire.ENCRYPTED:
        yield "only one of them is marked as encrypted"
    if entry.method == 0 and entry.compressed != entry.size and not entry.flags & wire.ENCRYPTED:
        yield f"{entry.size} uncompressed bytes are stored as {entry.compressed}"
    for what, one, two in (
        ("CRC-32", entry.crc, other.crc),
        ("compressed size", entry.compressed, other.compressed),
        ("size", entry.size, other.size),
    ):
        if one != two and not (local.deferred and two == 0):
            yield f"{what} {one} and {two}"


FORMAT = Format(
    name="zip",
    title="zip archive",
    matches=_matches,
    inspect=_inspect,
    rules=RULES,
    suffixes=(".zip", ".whl", ".egg", ".jar", ".mar"),
    spec="PKWARE APPNOTE 6.3.10",
)
