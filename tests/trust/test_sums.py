"""Lists of digests and Croissant descriptions in the artefact: consistent, or not."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.result import Outcome
from scanner.trust.sums import parse
from tests.trust.made import check

A, B = b"alpha", b"beta"


def digest(data: bytes, name: str = "sha256") -> str:
    return hashlib.new(name, data).hexdigest()


def told(files: dict[str, bytes], **more) -> tuple[list[tuple[str, str]], list[str]]:
    checked = check(files, **more)
    entries = [(v.claim, v.outcome.value) for v in checked.verifications if v.claim != "signature"]
    return entries, checked.rules


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("SHA256SUMS", f"{digest(A)}  a\n{digest(B)} *sub/b\n"),
        ("sha256sums.txt", f"{digest(A).upper()}  ./a\r\n{digest(B)}  sub/b\r\n"),
        ("SHA256SUMS", f"SHA256 (a) = {digest(A)}\nSHA256 (sub/b) = {digest(B)}\n"),
        ("checksums.txt", f"# made by hand\n{digest(A)}  a\n{digest(B, 'sha512')}  sub/b\n"),
        ("SHA512SUMS", f"{digest(A, 'sha512')}  a\n{digest(B, 'sha512')}  sub/b\n"),
        ("model.checksum", f"{digest(A)}  a\n{digest(B)}  sub/b\n"),
    ],
)
def test_both_forms_and_their_variants(name: str, text: str) -> None:
    entries, rules = told({"a": A, "sub/b": B, name: text.encode()})
    assert [outcome for _, outcome in entries] == ["verified"]
    assert rules == []
    entries, rules = told({"a": A, "sub/b": B + b"!", name: text.encode()})
    assert [outcome for _, outcome in entries] == ["invalid", "verified"]
    assert rules == ["digests/mismatch"]


def test_agreement_is_called_consistent_and_no_more() -> None:
    checked = check({"a": A, "SHA256SUMS": f"{digest(A)}  a\n".encode()})
    entry = checked.verifications[0]
    assert (entry.claim, entry.subject) == ("sha256sums", ("a",))
    assert entry.reason.startswith("consistent: ")
    assert "not who made them" in entry.reason


@pytest.mark.parametrize("suffix", ["sha256", "SHA256", "sha256sum", "sha512", "sha256.txt"])
def test_a_file_beside_its_digest(suffix: str) -> None:
    algorithm = "sha512" if "512" in suffix else "sha256"
    for content in (digest(A, algorithm), f"{digest(A, algorithm)}  m.bin", f"{digest(A, algorithm)}\n"):
        entries, rules = told({"d/m.bin": A, f"d/m.bin.{suffix}": content.encode()})
        assert (entries, rules) == ([(f"{algorithm}sums", "verified")], [])
        _, rules = told({"d/m.bin": B, f"d/m.bin.{suffix}": content.encode()})
        assert rules == ["digests/mismatch"]


@pytest.mark.parametrize("algorithm", ["blake2b", "blake3"])
def test_rarer_algorithms(algorithm: str) -> None:
    from blake3 import blake3  # noqa: PLC0415

    value = blake3(A).hexdigest() if algorithm == "blake3" else hashlib.blake2b(A).hexdigest()
    short = {"blake2b": "B2SUMS", "blake3": "B3SUMS"}[algorithm]
    entries, _ = told({"a": A, short: f"{value}  a\n".encode()})
    assert [outcome for _, outcome in entries] == ["verified"]


def test_names_with_escapes() -> None:
    name = "odd\nname\\x"
    text = "\\" + f"{digest(A)}  odd\\nname\\\\x\n"
    entries, rules = told({name: A, "SHA256SUMS": text.encode()})
    assert (entries, rules) == ([("sha256sums", "verified")], [])


def test_weak_digests_are_compared_and_called_weak() -> None:
    entries, rules = told({"a": A, "MD5SUMS": f"{digest(A, 'md5')}  a\n".encode()})
    assert (entries, rules) == ([("md5sums", "verified")], ["digests/weak"])


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "sub/../../a", "C:\\a", "\\\\host\\a"])
def test_paths_that_leave_the_artefact_are_not_followed(name: str) -> None:
    entries, rules = told({"a": A, "SHA256SUMS": f"{digest(A)}  {name}\n".encode()})
    assert (entries, rules) == ([], ["digests/path-escape"])


def test_a_path_may_go_up_inside_the_artefact() -> None:
    entries, _ = told({"a": A, "sub/SHA256SUMS": f"{digest(A)}  ../a\n".encode()})
    assert entries == [("sha256sums", "verified")]


def test_what_is_listed_and_not_here_and_what_is_listed_twice() -> None:
    text = f"{digest(A)}  a\n{digest(B)}  a\n{digest(B)}  gone\n"
    entries, rules = told({"a": A, "SHA256SUMS": text.encode()})
    assert rules == ["digests/conflict", "digests/mismatch", "digests/missing-file"]
    assert entries == [("sha256sums", "invalid"), ("sha256sums", "verified")]
    twice = f"{digest(A)}  a\n{digest(A)}  a\n"
    assert told({"a": A, "SHA256SUMS": twice.encode()})[1] == []
    across = {"a": A, "SHA256SUMS": f"{digest(A)}  a\n".encode(), "a.sha256": f"{digest(B)}".encode()}
    assert "digests/conflict" in told(across)[1]


def test_a_long_list_of_absent_files_is_one_finding() -> None:
    lines = [f"{digest(B)}  gone/{i}\n" for i in range(500)] + [f"{digest(B)}  ../{i}\n" for i in range(500)]
    checked = check({"a": A, "SHA256SUMS": "".join(lines).encode()})
    assert checked.rules == ["digests/missing-file", "digests/path-escape"]
    assert "and 497 more" in checked.findings[0].message


def test_files_that_are_not_read_whole_are_never_consistent() -> None:
    entries, rules = told({"a": B, "SHA256SUMS": f"{digest(A)}  a\n".encode()}, whole=False)
    assert (entries, rules) == ([("sha256sums", "unsupported")], [])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_list(data: bytes) -> None:
    for entry in parse(data, "sha256", "x"):
        assert len(entry.value) == 64


def croissant(*objects: dict) -> bytes:
    return json.dumps(
        {"conformsTo": "http://mlcommons.org/croissant/1.1", "distribution": list(objects)}
    ).encode()


def item(url: str, value: str, **more) -> dict:
    return {"@type": "cr:FileObject", "name": "n", "contentUrl": url, "sha256": value, **more}


@pytest.mark.parametrize(
    "url",
    ["data/a.csv", "./data/a.csv", "https://host/org/set/resolve/main/data/a.csv", "https://h/data%2Fa.csv"],
)
@pytest.mark.parametrize("name", ["croissant.json", "set.croissant.json", "metadata.json", "x.jsonld"])
def test_croissant_files_are_matched_by_their_address(url: str, name: str) -> None:
    files = {"data/a.csv": A, name: croissant(item(url, digest(A)))}
    assert told(files) == ([("croissant", "verified")], [])
    assert told(files | {"data/a.csv": B}) == ([("croissant", "invalid")], ["digests/mismatch"])


def test_croissant_entries_that_say_nothing_about_a_file_here() -> None:
    entries = (
        item("data/a.csv", "https://github.com/mlcommons/croissant/issues/80"),
        item("data/a.csv", digest(B), containedIn={"@id": "archive"}),
        item("https://host/other/b.csv", digest(B)),
        item("https://host/xdata/a.csv", digest(B)),
        {"@type": "cr:FileSet", "includes": "*.csv"},
    )
    assert told({"data/a.csv": A, "croissant.json": croissant(*entries)}) == ([], [])


def test_croissant_by_md5_and_by_name_and_in_a_folder() -> None:
    entry = {"@type": "sc:FileObject", "name": "a.csv", "contentUrl": "elsewhere", "md5": digest(A, "md5")}
    files = {"set/a.csv": A, "a.csv": B, "set/croissant.json": croissant(entry)}
    assert told(files) == ([("croissant", "verified")], [])


def test_malformed_croissant_files_are_not_followed() -> None:
    broken = b'{"conformsTo": "http://mlcommons.org/croissant/1.1", '
    checked = check({"croissant.json": broken})
    assert [v.outcome for v in checked.verifications if v.claim == "croissant"] == [Outcome.UNSUPPORTED]
    for text in (b'["mlcommons.org/croissant"]', b'{"x": "mlcommons.org/croissant", "distribution": 3}'):
        assert told({"croissant.json": text}) == ([], [])
