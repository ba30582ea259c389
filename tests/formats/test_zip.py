from __future__ import annotations

import io
import struct
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.archives import PAYLOAD, central, patched, zipped
from scanner.formats import by_name
from scanner.formats.identity import read_head
from scanner.inspection import Child, Inspection, run
from scanner.model import Location
from scanner.reader import Budget, BytesReader
from scanner.wire.compression import expanded
from scanner.wire.zip import LateMember, member_names
from tests.support import assert_survives, examined, fixture, inspect_bytes, rules_of

CLEAN = fixture("zip/clean/plain.zip")


def content(child: Child) -> bytes:
    if not child.codec:
        return child.reader.read_at(0, child.reader.size)
    with expanded(child.reader, child.codec, Budget(), child.size) as data:
        assert data.problem is None
        return data.read_at(0, data.size)


def contents(found: Inspection) -> dict[str, bytes]:
    return {child.name: content(child) for child in found.children}


def unsafe(name: str) -> bytes:
    return fixture(f"zip/unsafe/{name}.zip")


@pytest.mark.parametrize("name", ["plain", "empty", "lzma"])
def test_ordinary_archives_have_no_finding_and_no_gap(name: str) -> None:
    data = fixture(f"zip/clean/{name}.zip")
    found = inspect_bytes("zip", data)
    assert not found.findings
    assert not found.gaps
    with zipfile.ZipFile(io.BytesIO(data)) as oracle:
        assert contents(found) == {name: oracle.read(name) for name in oracle.namelist()}
    assert not examined(data, f"{name}.zip").findings


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("escape", {"path-escape"}),
        ("absolute", {"path-escape"}),
        ("backslash", {"path-escape"}),
        ("symlink", {"path-escape"}),
        ("nul", {"ambiguous-name"}),
        ("broken-utf8", {"ambiguous-name"}),
        ("twice", {"duplicate-name"}),
        ("local-name", {"headers-disagree"}),
        ("local-method", {"headers-disagree"}),
        ("local-sizes", {"headers-disagree"}),
        ("local-flag", {"headers-disagree", "encrypted-flag"}),
        ("flag", {"encrypted-flag"}),
        ("hidden", {"hidden-member"}),
        ("prefix", {"stray-bytes"}),
        ("behind", {"stray-bytes"}),
        ("overlap", {"overlap", "headers-disagree", "stray-bytes"}),
        ("without-directory", {"no-directory"}),
        ("two-directories", {"several-directories"}),
        ("crc", set()),
    ],
)
def test_unsafe_archives_are_found(name: str, rules: set[str]) -> None:
    assert rules_of(inspect_bytes("zip", unsafe(name))) == {f"zip/{rule}" for rule in rules}


# GHSA-7q5r-7gvp-wc82 (CVE-2025-1944): zipfile refuses a member whose local name differs, PyTorch loads it.
# GHSA-w8jq-xcqf-f792 (CVE-2025-1945): zipfile asks for a password where the flag is set, PyTorch does not.
# GHSA-mjqp-26hc-grxg (CVE-2025-10156): zipfile stops at a bad CRC, PyTorch does not look at it.
@pytest.mark.parametrize(
    "name",
    ["local-name", "local-method", "local-sizes", "flag", "local-flag", "crc", "hidden", "nul", "twice",
     "prefix", "behind", "without-directory", "two-directories"],
)  # fmt: skip
def test_no_trick_with_headers_hides_the_payload(name: str) -> None:
    assert "pickle/dangerous-callable" in {f.rule.id for f in examined(unsafe(name)).findings}


def test_every_trick_is_one_that_zipfile_stumbles_over_or_does_not_see() -> None:
    """The oracle: what an ordinary reader makes of the same files."""
    for name, error in (
        ("local-name", zipfile.BadZipFile),
        ("flag", RuntimeError),
        ("crc", zipfile.BadZipFile),
    ):
        with zipfile.ZipFile(io.BytesIO(unsafe(name))) as archive, pytest.raises(error):
            archive.read("data.pkl")
    assert zipfile.ZipFile(io.BytesIO(unsafe("hidden"))).namelist() == ["readme.txt"]
    assert zipfile.ZipFile(io.BytesIO(unsafe("two-directories"))).namelist() == ["other.txt"]
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(unsafe("without-directory")))
    with pytest.raises(UnicodeDecodeError):
        zipfile.ZipFile(io.BytesIO(unsafe("broken-utf8")))


# GHSA-769v-p64c-89pr (CVE-2025-1889): a scanner that goes by the ending does not open the member.
def test_a_member_is_judged_by_content_whatever_it_is_called() -> None:
    result = examined(zipped(("weights.jpg", PAYLOAD)))
    assert "pickle/dangerous-callable" in {f.rule.id for f in result.findings}


def test_a_wrong_checksum_is_a_finding_and_the_content_is_judged() -> None:
    rules = {f.rule.id for f in examined(unsafe("crc")).findings}
    assert {"expansion/checksum", "pickle/dangerous-callable"} <= rules
    deflated = zipped(("a.txt", b"weighed\n" * 50), method=8)
    wrong = patched(patched(deflated, 14, "<L", 7), central(deflated) + 16, "<L", 7)
    assert {f.rule.id for f in examined(wrong).findings} == {"expansion/checksum"}


def test_encrypted_data_is_a_gap() -> None:
    assert any("encrypted" in gap.reason for gap in examined(fixture("zip/broken/encrypted.zip")).gaps)


def test_an_unknown_method_is_a_gap() -> None:
    gaps = examined(fixture("zip/broken/method.zip")).gaps
    assert [gap.reason for gap in gaps] == ["compression method 98 (PPMd) is not supported"]


def test_ten_gibibytes_claimed_are_a_gap_and_cost_nothing() -> None:
    gaps = examined(fixture("zip/broken/claims-10-gib.zip")).gaps
    assert any("4294967280 bytes are declared, 4096 came out" in gap.reason for gap in gaps)


def test_a_bomb_meets_the_budget_and_does_not_starve_what_comes_after_it() -> None:
    data = zipped(("zeros", bytes(64 << 20)), ("data.pkl", PAYLOAD), method=8)
    result = examined(data, bytes=48 << 20)
    rules = {f.rule.id for f in result.findings}
    assert {"expansion/bomb", "pickle/dangerous-callable"} <= rules
    assert any("could not be expanded" in gap.reason for gap in result.gaps)


def test_a_member_that_is_listed_again_and_again_is_found() -> None:
    data = zipped(("zeros", bytes(100_000)), method=8)
    at, end = central(data), data.rindex(b"PK\5\6")
    listed = data[at:end] * 50
    data = data[:at] + listed + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 50, 50, len(listed), at, 0)
    assert rules_of(inspect_bytes("zip", data)) == {"zip/overlap"}


def test_thousands_of_small_members_are_all_looked_at() -> None:
    result = examined(zipped(*((f"{n}.txt", b"weighed\n") for n in range(6000))))
    assert not result.findings
    assert not result.gaps


def test_thousands_of_members_without_sizes_or_directory_are_all_looked_at() -> None:
    head = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 8, 0, 0, 33, 0, 0, 0, 1, 0) + b"n"
    found = inspect_bytes("zip", (head + b"weighed\n") * 6000)
    assert len(found.children) == 6000
    assert {gap.reason for gap in found.gaps} == {"malformed zip archive: it has no usable directory"}


def test_deep_nesting_is_a_gap() -> None:
    assert any("16 depth" in gap.reason for gap in examined(fixture("zip/broken/deep.zip")).gaps)


def test_a_hundred_thousand_levels_are_a_gap() -> None:
    name, levels = b"n", 100_000
    head, tail = b"", []
    size = 22
    heads = []
    for _ in range(levels):
        heads.append(struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 33, 0, size, size, 1, 0) + name)
        entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 33, 0, size, size, 1, 0, 0, 0, 0, 0, 0)
        entry += name
        end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry), size + 31, 0)
        tail.append(entry + end)
        size += 31 + len(entry) + len(end)
    head = b"".join(reversed(heads))
    data = head + b"PK\5\6" + bytes(18) + b"".join(tail)
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == ["n"]
    assert any("16 depth" in gap.reason for gap in examined(data).gaps)


@pytest.mark.parametrize("data", [CLEAN, unsafe("hidden"), fixture("zip/clean/lzma.zip")])
def test_truncated_at_every_byte_is_a_gap_and_never_clean(data: bytes) -> None:
    for cut in range(4, len(data)):
        assert inspect_bytes("zip", data[:cut]).gaps, cut


@pytest.mark.parametrize("name", ["plain", "lzma"])
def test_it_survives_mutation(name: str) -> None:
    assert_survives("zip", fixture(f"zip/clean/{name}.zip"))
    assert_survives("zip", unsafe("hidden"))


_NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\0/\\", exclude_categories=("Cs", "Cc")), min_size=1
)


@given(
    st.dictionaries(_NAMES.filter(lambda n: n not in {".", ".."}), st.binary(max_size=300), max_size=5),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]),
    st.binary(max_size=40),
)
def test_it_reads_what_zipfile_writes(members: dict[str, bytes], method: int, comment: bytes) -> None:
    if b"PK" in comment or len({name.casefold() for name in members}) < len(members):
        return
    data = zipped(*members.items(), method=method, comment=comment)
    found = inspect_bytes("zip", data)
    assert not found.findings
    assert not found.gaps
    assert contents(found) == members
    assert set(read_head(BytesReader(data), "x").members) == set(members)


def test_archives_that_are_written_as_a_stream_are_ordinary() -> None:
    class Unseekable(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise io.UnsupportedOperation

    out = Unseekable()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.txt", "b.txt"):
            archive.writestr(name, b"weighed\n" * 30)
        with archive.open("big.txt", "w", force_zip64=True) as member:
            member.write(b"found good\n")
    found = inspect_bytes("zip", out.getvalue())
    assert not found.findings
    assert contents(found)["big.txt"] == b"found good\n"
    # without its directory, the sizes are only known from what follows the data
    cut = inspect_bytes("zip", out.getvalue()[: central(out.getvalue())])
    assert contents(cut) == contents(found)


def test_a_comment_as_long_as_it_can_be() -> None:
    data = b"#!/bin/sh\n" + zipped(("data.pkl", PAYLOAD), comment=b"x" * 65535)
    assert read_head(BytesReader(data), "x").members == ("data.pkl",)
    assert rules_of(inspect_bytes("zip", data)) == {"zip/stray-bytes"}


def test_a_unicode_path_field_that_renames_a_member_is_found() -> None:
    body = b"\1" + struct.pack("<L", zlib.crc32(b"note.txt")) + b"../evil.pkl"
    info = zipfile.ZipInfo("note.txt")
    info.extra = struct.pack("<HH", 0x7075, len(body)) + body
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(info, b"x")
    assert rules_of(inspect_bytes("zip", out.getvalue())) == {"zip/ambiguous-name", "zip/path-escape"}


def test_a_name_through_a_link_of_the_archive_is_found() -> None:
    link = zipfile.ZipInfo("data")
    link.create_system, link.external_attr = 3, 0o120777 << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(link, "inside")
        archive.writestr("data/x", b"x")
    assert rules_of(inspect_bytes("zip", out.getvalue())) == {"zip/path-escape"}


def torch_like(count: int, size: int = 512) -> bytes:
    members = [("m/data.pkl", b"\x80\x02}."), *((f"m/data/{n}", bytes(size)) for n in range(count))]
    return zipped(*members, ("m/version", b"3\n"))


class Counting:
    def __init__(self, data: bytes) -> None:
        self._inner = BytesReader(data)
        self.places: list[tuple[int, int]] = []

    @property
    def size(self) -> int:
        return self._inner.size

    def read_at(self, offset: int, length: int) -> bytes:
        self.places.append((offset, length))
        return self._inner.read_at(offset, length)


def test_raw_storages_are_handed_over_without_touching_them() -> None:
    reader = Counting(torch_like(50, 200_000))
    found = run(by_name()["zip"], reader, Budget(), Location("m.pt"))
    assert not found.findings
    assert len(found.children) == 52
    left = [child for child in found.children if child.left_to == "pytorch-zip"]
    late = [child for child in left if child.name != "m/data.pkl"]
    assert (len(left), len(late)) == (51, 50)
    assert all(isinstance(child.reader, LateMember) for child in late)
    assert len(reader.places) < 12
    assert content(late[7]) == bytes(200_000)


def test_storages_that_are_padded_to_a_page_are_ordinary() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02}.")
        archive.writestr("m/.storage_alignment", b"4096")
        for number in range(30):
            info = zipfile.ZipInfo(f"m/data/{number}")
            room = -(out.tell() + 30 + len(info.filename) + 4) % 4096
            info.extra = struct.pack("<2H", 0x4246, room) + b"Z" * room
            archive.writestr(info, bytes(3000))
    reader = Counting(out.getvalue())
    found = run(by_name()["zip"], reader, Budget(), Location("m.pt"))
    assert not found.findings
    assert len([child for child in found.children if isinstance(child.reader, LateMember)]) == 30
    assert len(reader.places) < 14


def test_constants_of_torchscript_are_raw_storages_too() -> None:
    data = zipped(("m/data.pkl", b"N."), ("m/constants.pkl", b"N."), ("m/constants/0", bytes(8)))
    found = inspect_bytes("zip", data)
    assert {child.name: child.left_to for child in found.children}["m/constants/0"] == "pytorch-zip"


def test_with_two_directories_nothing_is_left_to_a_reader_of_one() -> None:
    data = zipped(("m/data.pkl", b"N."), ("m/data/0", PAYLOAD))
    end = data.rindex(b"PK\5\6")
    other = zipped(("other.txt", b"harmless\n"))
    found = inspect_bytes("zip", patched(data, end + 20, "<H", len(other)) + other)
    assert not any(child.left_to for child in found.children)


def test_hidden_bytes_between_raw_storages_are_found_by_arithmetic() -> None:
    data = torch_like(3)
    at = data.index(b"PK\3\4", data.index(b"m/data/1"))
    grown = data[:at] + PAYLOAD * 20 + data[at:]
    shift = len(PAYLOAD) * 20
    directory = grown.index(b"PK\1\2")
    while (directory := grown.find(b"PK\1\2", directory)) >= 0:
        (offset,) = struct.unpack_from("<L", grown, directory + 42)
        if offset >= at:
            grown = patched(grown, directory + 42, "<L", offset + shift)
        directory += 46
    end = grown.rindex(b"PK\5\6")
    grown = patched(grown, end + 16, "<L", struct.unpack_from("<L", grown, end + 16)[0] + shift)
    assert zipfile.ZipFile(io.BytesIO(grown)).testzip() is None
    result = examined(grown)
    assert {"zip/stray-bytes", "pickle/dangerous-callable"} <= {f.rule.id for f in result.findings}


def test_names_are_told_even_where_the_directory_breaks_off() -> None:
    data = zipped(("a", b"1"), ("b", b"2"))
    second = data.rindex(b"PK\1\2")
    damaged = data[:second] + b"XX" + data[second + 2 :]
    assert member_names(BytesReader(damaged), damaged, 0) == ("a",)
    found = inspect_bytes("zip", damaged)
    assert found.gaps
    assert set(contents(found)) >= {"a", "b"}
