from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.archives import PAYLOAD, link, tarred, zipped
from scanner.formats.identity import read_head
from scanner.reader import BytesReader
from tests.support import FIXTURES, assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

CLEAN = sorted((FIXTURES / "tar/clean").glob("*.tar"))


@pytest.mark.parametrize("path", CLEAN, ids=lambda path: path.stem)
def test_ordinary_archives_have_no_finding_and_no_gap(path) -> None:
    data = path.read_bytes()
    assert names_of(data) == {"tar"}
    result = examined(data, path.name)
    assert not result.findings
    assert not result.gaps
    with tarfile.open(fileobj=io.BytesIO(data)) as oracle:
        found = inspect_bytes("tar", data)
        assert [child.name for child in found.children] == oracle.getnames()


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("escape", {"path-escape"}),
        ("absolute", {"path-escape"}),
        ("symlink", {"path-escape"}),
        ("hardlink", {"path-escape"}),
        ("device", {"special-file"}),
        ("twice", {"duplicate-name"}),
        ("behind", {"stray-bytes"}),
        ("sizes", {"sizes-disagree"}),
    ],
)
def test_unsafe_archives_are_found(name: str, rules: set[str]) -> None:
    found = inspect_bytes("tar", fixture(f"tar/unsafe/{name}.tar"))
    assert rules_of(found) == {f"tar/{rule}" for rule in rules}


# GHSA-2qc9-6vhm-8v4q (CVE-2025-62518): readers that ignore a PAX size find other members.
@pytest.mark.parametrize("name", ["twice", "behind", "sizes"])
def test_no_second_reading_hides_the_payload(name: str) -> None:
    result = examined(fixture(f"tar/unsafe/{name}.tar"))
    assert "pickle/dangerous-callable" in {f.rule.id for f in result.findings}


def test_members_behind_a_damaged_header_are_judged() -> None:
    data = bytearray(tarred(("a.txt", b"weighed\n"), ("b.txt", b"x"), ("data.pkl", PAYLOAD)))
    data[1024] ^= 1
    with tarfile.open(fileobj=io.BytesIO(bytes(data))) as oracle:
        assert oracle.getnames() == ["a.txt"]
    result = examined(bytes(data))
    assert result.gaps
    assert "pickle/dangerous-callable" in {f.rule.id for f in result.findings}


def test_links_that_stay_inside_are_ordinary() -> None:
    data = tarred(("v1/model.bin", b"weighed\n"), link("latest/model.bin", "../v1/model.bin"))
    assert not inspect_bytes("tar", data).findings


def test_a_name_in_broken_utf8_is_no_escape() -> None:
    data = tarred(("\udcffname.txt", b"weighed\n"), kind=tarfile.GNU_FORMAT)
    found = inspect_bytes("tar", data)
    assert not found.findings
    assert [child.name for child in found.children] == ["\xffname.txt"]


def test_sparse_members_are_a_gap() -> None:
    assert examined(fixture("tar/broken/sparse.tar")).gaps


def test_a_size_in_base_256_is_read() -> None:
    data = tarred(("a.txt", b"weighed\n"), kind=tarfile.GNU_FORMAT)
    raw = bytearray(data)
    raw[124:136] = b"\x80" + (8).to_bytes(11, "big")
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    with tarfile.open(fileobj=io.BytesIO(bytes(raw))) as oracle:
        assert oracle.getmembers()[0].size == 8
    assert inspect_bytes("tar", bytes(raw)).children[0].reader.size == 8
    raw[124:136] = b"\x80" + (10 << 30).to_bytes(11, "big")
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    found = inspect_bytes("tar", bytes(raw))
    assert any("10737418240 bytes are declared" in gap.reason for gap in found.gaps)


def test_a_tar_that_ends_with_a_zip_is_not_a_zip() -> None:
    data = tarred(("a.txt", b"weighed\n"), ("weights.zip", zipped(("b.txt", b"weighed\n"))))
    assert read_head(BytesReader(data), "model.tar").members == ()
    result = examined(data, "model.tar")
    assert result.formats == ("tar",)
    assert not result.findings
    assert not result.gaps


def test_truncated_at_every_byte_is_a_gap_and_never_clean() -> None:
    data = tarred(("deep/" * 30 + "a.txt", b"weighed\n"), ("b.txt", b"x"))
    for cut in range(512, len(data) - 1024):
        assert inspect_bytes("tar", data[:cut]).gaps, cut


@pytest.mark.parametrize("path", CLEAN, ids=lambda path: path.stem)
def test_it_survives_mutation(path) -> None:
    assert_survives("tar", path.read_bytes())


_NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=120)


@given(
    st.lists(st.tuples(_NAMES, st.binary(max_size=1200)), max_size=4),
    st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]),
)
def test_it_reads_what_tarfile_reads(members: list[tuple[str, bytes]], kind: int) -> None:
    data = tarred(*members, kind=kind)
    found = inspect_bytes("tar", data)
    assert not found.gaps
    with tarfile.open(fileobj=io.BytesIO(data)) as oracle:
        expected = [
            (info.name, oracle.extractfile(info).read()) for info in oracle if info.size and info.isreg()
        ]
    got = [(child.name, child.reader.read_at(0, child.reader.size)) for child in found.children]
    # In a PAX header, tarfile takes a slash off the end of a name.
    assert [(name.rstrip("/"), data) for name, data in got] == [(n.rstrip("/"), d) for n, d in expected]


@given(st.binary(max_size=600))
def test_random_bytes_are_no_tar(data: bytes) -> None:
    assert "tar" not in names_of(data)


def test_members_that_webdataset_unpickles_are_pickles_whatever_they_look_like() -> None:
    result = examined(fixture("tar/unsafe/samples.tar"), "shard.tar")
    rules = {finding.rule.id for finding in result.findings}
    assert {"tar/unpickled-member", "pickle/dangerous-callable"} <= rules
    text = tarred(("a.txt", b"x"), ("a.pyd", b"I1\n(cposix\nsystem\nVtrue\no."))
    assert "pickle/dangerous-callable" in {finding.rule.id for finding in examined(text).findings}


def test_samples_are_told_and_a_project_is_none() -> None:
    facts = dict(inspect_bytes("tar", fixture("tar/clean/samples.tar")).facts[0].metadata)
    assert facts == {"members": "4", "samples": "2", "fields": "cls, txt"}
    project = tarred(("p/a.py", b""), ("p/a.pyd", b"MZ"), ("p/b.py", b"x"), ("p/c.py", b"x"))
    assert not inspect_bytes("tar", project).findings
