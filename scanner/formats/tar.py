"""Tar archives: every member, where its name leads, and what lies outside the members."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from scanner.inspection import Child, Format, Head, Note
from scanner.model import Check, Facts, Finding, Gap, Location, Rule, Severity
from scanner.reader import Budget, Reader, Window
from scanner.wire import tar as wire
from scanner.wire import webdataset
from scanner.wire.paths import escape, link_escape, parents, plain
from scanner.wire.tar import Member, Stop

_REPACK = "Refuse the archive, or unpack it with `tarfile`'s data filter and pack it again."
PATH_ESCAPE = Rule(
    id="tar/path-escape",
    title="A member would be written outside the folder it is unpacked into",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="A name that is absolute, names a drive or climbs out with `..`, a symbolic or hard link that "
    "leads outside, and a name that passes through a link of the archive.",
    why="A program that unpacks it to the letter overwrites or reads files of the user who runs it.",
    remedy=_REPACK,
    example="A link `data -> /etc` followed by a member `data/passwd`.",
    references=("CVE-2007-4559", "CVE-2025-4517", "CWE-22", "CWE-59"),
)
SPECIAL_FILE = Rule(
    id="tar/special-file",
    title="A member is a device or a pipe",
    severity=Severity.MEDIUM,
    check=Check.PATH_ESCAPE,
    finds="A character or block device, or a FIFO.",
    why="No model needs one; unpacked by root it gives access to disks or memory, and a pipe blocks readers.",
    remedy=_REPACK,
    example="A block device `disk` with the numbers 8, 0.",
    references=("CWE-67",),
)
DUPLICATE_NAME = Rule(
    id="tar/duplicate-name",
    title="Two members have one name",
    severity=Severity.MEDIUM,
    check=Check.EVASION,
    finds="A name that stands twice in the archive.",
    why="Unpacking keeps the last one, a program that reads the first match sees another file.",
    remedy=_REPACK,
    example="Two members named `model.pkl`. Both were inspected.",
    references=("CWE-694",),
)
SIZES_DISAGREE = Rule(
    id="tar/sizes-disagree",
    title="A member has two sizes",
    severity=Severity.MEDIUM,
    check=Check.EVASION,
    finds="A header whose size differs from that in its PAX record, or a link or folder that claims data.",
    why="Readers step on by different sizes, so that one of them finds members that the other one skips.",
    remedy=_REPACK,
    example="A PAX size of 0 for a member of 1024 bytes that are headers. Both readings were inspected.",
    references=("CVE-2025-62518", "CWE-436"),
)
STRAY_BYTES = Rule(
    id="tar/stray-bytes",
    title="Bytes that no member owns",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes other than zeros behind the end of the archive or behind a damaged header.",
    why="Most readers stop there, some go on and unpack what follows.",
    remedy=_REPACK,
    example="A second archive behind the end blocks of the first. It was inspected on its own.",
    references=("CWE-436",),
)
UNPICKLED = Rule(
    id="tar/unpickled-member",
    title="WebDataset unpickles members of this archive",
    severity=Severity.MEDIUM,
    check=Check.CODE_EXECUTION,
    finds="An archive of samples that has members whose last ending is `.pkl`, `.pickle` or `.pyd`.",
    why="WebDataset's default decoder gives such members to `pickle.loads`, whatever they hold.",
    remedy="Decode with a list of handlers of your own, or have the publisher write `.json` or `.npy`.",
    example="`000001.jpg` beside `000001.pyd`",
    limits="Archives whose samples have one field each are judged by what their members are.",
    references=("https://github.com/webdataset/webdataset", "CWE-502"),
)
_MEMBERS = 200_000
_PER_RULE = 100
_STEP = 1 << 20
_SKIPPED = 64 << 20
# In the tar archives that torch.save wrote before version 0.2, these mix pickles and raw numbers.
_RAW = frozenset({"pickle", "storages", "sys_info", "tensors"})


def _matches(head: Head) -> bool:
    return wire.is_tar(head.data)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    found: list[Member] = []
    stop = Stop(0)
    for item in wire.members(reader, budget):
        if isinstance(item, Stop):
            stop = item
            break
        found.append(item)
        # Each is handed out at once, so that damage behind it does not lose it.
        yield from _content(item, reader, where)
        if len(found) >= _MEMBERS:
            yield Gap(where, f"more than {_MEMBERS} members")
            return
    samples, fields = webdataset.fields(m.name for m in found if m.kind == wire.FILE)
    told = (("samples", str(samples)), ("fields", ", ".join(fields)[:400])) if samples else ()
    yield Facts("tar", metadata=(("members", str(len(found))), *told))
    yield from _unpickled(found, fields, reader, where)
    counts: Counter[str] = Counter()
    for finding in (*_names(found, where), *_sizes(found, where)):
        counts[finding.rule.id] += 1
        if counts[finding.rule.id] <= _PER_RULE:
            yield finding
    yield from _other_reading(found, reader)
    yield from _ending(stop, reader, budget, where)


def _content(member: Member, reader: Reader, where: Location) -> Iterator[Note]:
    left = max(reader.size - member.data, 0)
    if member.size > left:
        yield Gap(where.inside(member.name), f"{member.size} bytes are declared, {left} are left")
    if member.sparse:
        yield Gap(where.inside(member.name), "sparse members are not supported")
    elif member.size and left:
        legacy = "pytorch-tar" if plain(member.name) in _RAW else ""
        yield Child(member.name, Window(reader, member.data, min(member.size, left)), left_to=legacy)
    if member.other_size is not None and member.other_size > member.size and left:
        window = Window(reader, member.data, min(member.other_size, left))
        yield Child(f"{member.name} to other readers", window)


def _unpickled(
    found: list[Member], fields: tuple[str, ...], reader: Reader, where: Location
) -> Iterator[Note]:
    """Members that are pickles to WebDataset, whatever they look like."""
    named = sorted(field for field in fields if field.rpartition(".")[2] in webdataset.UNPICKLED)
    for field in named[:_PER_RULE]:
        message = f"WebDataset unpickles the field {_show(field)} of each sample"
        yield Finding(UNPICKLED, where, message, evidence=(("field", _show(field)),))
    for member in found if named else ():
        part = webdataset.field(member.name)
        left = max(reader.size - member.data, 0)
        if part and part[1] in named and not member.sparse and member.size and left:
            window = Window(reader, member.data, min(member.size, left))
            yield Child(member.name, window, read_as="pickle")


def _sizes(found: list[Member], where: Location) -> Iterator[Finding]:
    for member in found:
        if member.other_size is not None:
            sizes = f"{member.size} bytes to some readers, {member.other_size} to others"
            yield _finding(SIZES_DISAGREE, member, where, f"{_show(member.name)} has {sizes}")


def _other_reading(found: list[Member], reader: Reader) -> Iterator[Child]:
    """What a reader finds that goes by the other size: one such reading, which has the later ones in it."""
    headers = {member.header for member in found}
    for member in found:
        at = member.other_end
        if at != member.end and at not in headers and wire.is_header(reader.read_at(at, wire.BLOCK)):
            yield Child(f"members at {at} to other readers", Window(reader, at, reader.size - at))
            return


def _names(found: list[Member], where: Location) -> Iterator[Finding]:
    links = {plain(member.name) for member in found if member.kind == wire.SYMLINK}
    seen: set[str] = set()
    for member in found:
        name = _show(member.name)
        how = escape(member.name)
        if not how and links and any(parent in links for parent in parents(member.name)):
            how = "passes through a link of the archive"
        if how:
            yield _finding(PATH_ESCAPE, member, where, f"the member name {name} {how}")
        if member.target:
            symbolic = member.kind == wire.SYMLINK
            how = link_escape(member.name, member.target) if symbolic else escape(member.target)
            if how:
                message = f"the link {name} leads to {_show(member.target)}, which {how}"
                yield _finding(PATH_ESCAPE, member, where, message)
        if member.kind in wire.DEVICES:
            yield _finding(SPECIAL_FILE, member, where, f"{name} is a device or a pipe")
        if plain(member.name) in seen and member.kind != wire.FOLDER:
            yield _finding(DUPLICATE_NAME, member, where, f"the name {name} stands twice")
        seen.add(plain(member.name))


def _ending(stop: Stop, reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    if stop.problem:
        yield Gap(where.at(stop.offset), f"malformed tar archive: {stop.problem}")
    at = stop.offset
    while at < reader.size:
        block = reader.read_at(at, _STEP)
        budget.spend_bytes(max(len(block), 1))
        rest = block.lstrip(b"\0")
        if rest:
            at += (len(block) - len(rest)) // wire.BLOCK * wire.BLOCK
            break
        at += len(block)
    if stop.problem:
        yield from _next_header(at, reader, budget)
    if at < reader.size:
        message = f"{reader.size - at} bytes lie behind the end of the archive"
        place = where.at(at, reader.size - at)
        yield Finding(STRAY_BYTES, place, message, evidence=(("offset", str(at)),))
        yield Child(f"bytes at {at}", Window(reader, at, reader.size - at))


def _next_header(at: int, reader: Reader, budget: Budget) -> Iterator[Child]:
    """GNU tar skips a damaged header and goes on with the next sound one."""
    for start in range(at + wire.BLOCK, min(reader.size, at + _SKIPPED), wire.BLOCK):
        budget.spend_items()
        if wire.is_tar(reader.read_at(start, wire.BLOCK)):
            yield Child(f"members at {start} to other readers", Window(reader, start, reader.size - start))
            return


def _show(name: str) -> str:
    return ascii(name if len(name) <= 120 else name[:117] + "…")


def _finding(rule: Rule, member: Member, where: Location, message: str) -> Finding:
    return Finding(rule, where.at(member.header), message, evidence=(("member", _show(member.name)),))


FORMAT = Format(
    name="tar",
    title="tar archive",
    matches=_matches,
    inspect=_inspect,
    rules=(DUPLICATE_NAME, PATH_ESCAPE, SIZES_DISAGREE, SPECIAL_FILE, STRAY_BYTES, UNPICKLED),
    suffixes=(".tar",),
    spec="POSIX.1-2017 pax; GNU tar manual, Standard",
)
