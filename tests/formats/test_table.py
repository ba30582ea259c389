from __future__ import annotations

import pytest

from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of


def test_a_table_with_sums_and_signs_is_clean() -> None:
    data = fixture("table/clean/a.csv")
    found = inspect_bytes("table", data)
    assert names_of(data, "a.csv") == {"table", "text"}
    assert not found.findings
    assert not found.gaps


@pytest.mark.parametrize(("name", "formula"), [("link.csv", "hyperlink"), ("dde.tsv", "cmd")])
def test_cells_that_reach_outside_are_found_with_their_line(name: str, formula: str) -> None:
    found = inspect_bytes("table", fixture(f"table/unsafe/{name}"))
    assert rules_of(found) == {"table/formula"}
    assert found.findings[0].evidence == (("formula", formula),)
    assert found.findings[0].location.line == 2


@pytest.mark.parametrize("shift", range(-30, 3))
def test_a_formula_across_two_blocks_is_found_once_in_its_line(shift: int) -> None:
    rows = b"a,b\n" * (((1 << 20) + shift) // 4)
    found = inspect_bytes("table", rows + b"x,=WEBSERVICE(1)\n" + b"a,b\n" * 200)
    assert [finding.location.line for finding in found.findings] == [rows.count(b"\n") + 1]


def test_bytes_are_no_table() -> None:
    assert names_of(fixture("table/broken/binary.csv"), "binary.csv") == set()


def test_it_survives_mutation() -> None:
    assert_survives("table", fixture("table/unsafe/link.csv"))


def _list(scheme: str, header: str = "url,caption", rows: int = 150) -> bytes:
    lines = [f'{scheme}://host{row % 3}.localhost/{row}.jpg,"a picture, {row}"' for row in range(rows)]
    return "\n".join([header, *lines, ""]).encode()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_list_of_addresses_without_digests_is_found(scheme: str) -> None:
    found = inspect_bytes("table", _list(scheme))
    assert rules_of(found) == {"table/address-list"}
    plain = 150 if scheme == "http" else 0
    assert found.findings[0].message.startswith(f"150 addresses at 3 hosts, {plain} of them not over https")
    assert dict(found.facts[0].metadata)["hosts"].startswith("host0.localhost (50), ")


@pytest.mark.parametrize(
    "data",
    [
        _list("https", "url,sha256"),
        _list("https", rows=20),
        _list("https") + b"a,b\n" * 200,
        b"text\n" + b"see https://localhost/a for more\n" * 200,
    ],
)
def test_other_tables_with_addresses_are_none(data: bytes) -> None:
    assert not inspect_bytes("table", data).findings


def test_addresses_are_counted_once_whatever_block_they_lie_in() -> None:
    data = _list("https", rows=60_000)
    assert len(data) > 2 << 20
    found = inspect_bytes("table", data)
    assert found.findings[0].message.startswith("60000 addresses at 3 hosts")


@pytest.mark.parametrize("path", ["../../.ssh/id_rsa", "/etc/passwd", "C:\\secret.png"])
def test_files_outside_the_folder_are_found(path: str) -> None:
    data = f'file_name,text\na.png,x\n"{path}",y\n'.encode()
    assert rules_of(inspect_bytes("table", data, "train/metadata.csv")) == {"table/path-escape"}
    assert not inspect_bytes("table", data, "other.csv").findings


def test_a_cell_that_the_reader_refuses_is_a_gap() -> None:
    data = b"file_name,text\n" + b"a" * 200_000 + b",x\n"
    assert inspect_bytes("table", data, "metadata.csv").gaps
