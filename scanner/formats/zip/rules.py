"""What can be found about a zip archive itself; its members are judged as what they are."""

from __future__ import annotations

from scanner.model import Check, Rule, Severity

_APPNOTE = "https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT"
_REPACK = "Refuse the archive, or unpack it and pack it again with an ordinary program."

PATH_ESCAPE = Rule(
    id="zip/path-escape",
    title="A member would be written outside the folder it is unpacked into",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="A name that is absolute, names a drive or climbs out with `..`, a symbolic link that leads "
    "outside, and a name that passes through a link of the archive.",
    why="A program that unpacks it to the letter overwrites files of the user who runs it.",
    remedy=_REPACK,
    example="A member named `../../.bashrc`.",
    references=("CVE-2023-48299", "CWE-22", "CWE-59"),
)
AMBIGUOUS_NAME = Rule(
    id="zip/ambiguous-name",
    title="Readers spell a member's name differently",
    severity=Severity.MEDIUM,
    check=Check.EVASION,
    finds="A name with a NUL or another control character, a name that claims to be UTF-8 and is not, or a "
    "Unicode path field that renames a member.",
    why="One reader sees another name than the next one, or refuses the archive, and so looks elsewhere.",
    remedy=_REPACK,
    example="`data.pkl\\0.txt`: CPython cuts the name at the NUL.",
    references=(f"{_APPNOTE} 4.6.9", "CWE-436"),
)
DUPLICATE_NAME = Rule(
    id="zip/duplicate-name",
    title="Two members have one name",
    severity=Severity.MEDIUM,
    check=Check.EVASION,
    finds="A name that stands twice in the archive, or that differs only in case.",
    why="Readers differ in which of the two they open: CPython takes the last one, others the first; "
    "PyTorch does not look at case.",
    remedy=_REPACK,
    example="Two members named `archive/data.pkl`. Both were inspected.",
    references=("CWE-694",),
)
HEADERS_DISAGREE = Rule(
    id="zip/headers-disagree",
    title="A member's two headers contradict each other",
    severity=Severity.MEDIUM,
    check=Check.EVASION,
    finds="A local header whose name, method, encryption flag, sizes or checksum differ from those in the "
    "central directory, or a directory whose number of entries is not the one declared.",
    why="A careful reader stops there and sees nothing, while PyTorch loads the member.",
    remedy=_REPACK,
    example="`data.pkl` in the directory, `other.txt` in the local header. Both readings were inspected.",
    references=("CVE-2025-1944", "CWE-436"),
)
HIDDEN_MEMBER = Rule(
    id="zip/hidden-member",
    title="A member is missing from the directory",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="A local header with data that no directory of the archive lists.",
    why="Listing the archive does not show it; a program that reads it as a stream unpacks it.",
    remedy=_REPACK,
    example="A member whose directory entry was removed. It was inspected.",
    references=("CWE-436",),
)
STRAY_BYTES = Rule(
    id="zip/stray-bytes",
    title="Bytes that no member owns",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes other than zeros in front of, between or behind the members.",
    why="Another program may run or load them: a script in front of an archive is a program.",
    remedy="Refuse the archive unless its publisher explains them. They were inspected on their own.",
    example="A shell script in front of an archive.",
    limits="The padding in front of a tensor of a PyTorch archive (mostly 64 bytes) is not looked at.",
    references=("CWE-646",),
)
ENCRYPTED = Rule(
    id="zip/encrypted-flag",
    title="A member is marked as encrypted",
    severity=Severity.MEDIUM,
    check=Check.EVASION,
    finds="The encryption flag of a member, whether its data is encrypted or not.",
    why="A careful reader asks for a password and sees nothing, while PyTorch ignores the flag and loads.",
    remedy="Refuse the archive. Models are signed, not locked.",
    example="A checkpoint with bit 0 of the flags set. It was inspected as if the flag were not there.",
    references=("CVE-2025-1945", "CWE-436"),
)
OVERLAP = Rule(
    id="zip/overlap",
    title="Members share bytes",
    severity=Severity.MEDIUM,
    check=Check.EXHAUSTION,
    finds="Members that lie inside one another or begin at the same local header.",
    why="A few kilobytes can unpack to terabytes, and one range of bytes is read as two things.",
    remedy="Refuse the archive: no ordinary program writes this.",
    example="The zip bomb of David Fifield (2019).",
    references=("CVE-2019-13232", "CWE-409"),
)
NO_DIRECTORY = Rule(
    id="zip/no-directory",
    title="The archive has no usable directory",
    severity=Severity.MEDIUM,
    check=Check.EVASION,
    finds="A file that begins as a zip archive and has no end record that leads to a directory.",
    why="It is cut, or made so that ordinary readers see nothing while others unpack it as a stream.",
    remedy="Get the file again. What its local headers describe was inspected.",
    example="The first half of an archive.",
    references=(f"{_APPNOTE} 4.3.16",),
)
SEVERAL_DIRECTORIES = Rule(
    id="zip/several-directories",
    title="The archive has more than one directory",
    severity=Severity.MEDIUM,
    check=Check.EVASION,
    finds="End records, or readings of one end record, that lead to different directories.",
    why="Programs differ in which one they use, so they unpack different files.",
    remedy=_REPACK,
    example="A second end record inside the archive's comment. Members of all were inspected.",
    references=("CWE-436",),
)
RULES = (
    AMBIGUOUS_NAME,
    DUPLICATE_NAME,
    ENCRYPTED,
    HEADERS_DISAGREE,
    HIDDEN_MEMBER,
    NO_DIRECTORY,
    OVERLAP,
    PATH_ESCAPE,
    SEVERAL_DIRECTORIES,
    STRAY_BYTES,
)
