from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from fixtures.recipes.sqlite import TABLE, database
from tests.support import FIXTURES, assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("sqlite/clean/rows.sqlite")


@pytest.mark.parametrize("name", sorted(path.name for path in (FIXTURES / "sqlite" / "clean").iterdir()))
def test_clean_databases_have_facts_and_no_finding(name: str) -> None:
    data = fixture(f"sqlite/clean/{name}")
    assert names_of(data) == {"sqlite"}
    found = inspect_bytes("sqlite", data)
    assert not found.findings
    assert not found.gaps
    assert dict(found.facts[0].metadata)["table entries"] == "1"


@pytest.mark.parametrize(
    ("name", "rule"),
    [("extension", "dangerous-function"), ("module", "virtual-table"), ("tail", "trailing-bytes")],
)
def test_unsafe_files_are_found(name: str, rule: str) -> None:
    found = inspect_bytes("sqlite", fixture(f"sqlite/unsafe/{name}.sqlite"))
    assert rules_of(found) == {f"sqlite/{rule}"}


@pytest.mark.parametrize("name", ["cut", "loop"])
def test_what_cannot_be_read_is_a_gap(name: str) -> None:
    assert inspect_bytes("sqlite", fixture(f"sqlite/broken/{name}.sqlite")).gaps


@pytest.mark.parametrize(
    "call",
    [
        "load_extension('x')",
        "LOAD_EXTENSION ('x')",
        "[load_extension]('x')",
        "`load_extension`('x')",
        "load_extension -- x\n ('x')",
        "fts3_tokenizer('a', x'00')",
        "writefile('a', 'b')",
    ],
)
def test_however_the_call_is_written(call: str) -> None:
    data = database(TABLE, ("view", "v", f"CREATE VIEW v AS SELECT {call}"))
    assert rules_of(inspect_bytes("sqlite", data)) == {"sqlite/dangerous-function"}


@pytest.mark.parametrize(
    "sql", ["SELECT 'load_extension(1)'", "SELECT 1 -- load_extension(1)", "SELECT readfile"]
)
def test_what_is_no_call(sql: str) -> None:
    data = database(TABLE, ("view", "v", f"CREATE VIEW v AS {sql}"))
    assert not inspect_bytes("sqlite", data).findings


def test_what_lies_behind_the_last_page_is_opened() -> None:
    assert "zip" in examined(fixture("sqlite/unsafe/tail.sqlite")).nested


@pytest.mark.parametrize("page", [512, 1024, 4096, 65536])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16le", "utf-16be"])
def test_databases_that_sqlite_writes_are_read_alike(tmp_path, page: int, encoding: str) -> None:
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute(f"pragma page_size={page}")
    connection.execute(f"pragma encoding='{encoding}'")
    for index in range(40):
        columns = ", ".join(f"spalte_ä{place}" for place in range(1 + index * 5))
        connection.execute(f"create table t{index}({columns})")
    connection.execute("create trigger g after insert on t0 begin delete from t0; end")
    connection.execute("create view v as select load_extension('x')")
    connection.commit()
    connection.close()
    found = inspect_bytes("sqlite", path.read_bytes())
    assert not found.gaps
    assert rules_of(found) == {"sqlite/dangerous-function"}
    told = dict(found.facts[0].metadata)
    assert told["table entries"] == "40"
    assert told["tables"] == ", ".join(f"t{index}" for index in range(40))


def test_truncated_at_every_byte_is_a_gap() -> None:
    for cut in range(16, len(CLEAN)):
        assert inspect_bytes("sqlite", CLEAN[:cut]).gaps, cut


@given(st.text(max_size=300))
def test_any_sql_is_read(sql: str) -> None:
    try:
        data = database(TABLE, ("view", "v", sql.encode("utf-8", "replace").decode()))
    except ValueError:
        reject()  # it fits on the first page neither as a whole nor in part
    assert not inspect_bytes("sqlite", data).gaps


def test_it_survives_mutation() -> None:
    for name in ("rows", "long"):
        assert_survives("sqlite", fixture(f"sqlite/clean/{name}.sqlite"))
