from __future__ import annotations

import py_compile

import pytest

from fixtures.recipes.python_bytecode import header
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of

PRESENT, UNCHECKED = "python-bytecode/present", "python-bytecode/unchecked"


@pytest.mark.parametrize(
    ("mode", "rules"),
    [
        (py_compile.PycInvalidationMode.TIMESTAMP, {PRESENT}),
        (py_compile.PycInvalidationMode.CHECKED_HASH, {PRESENT}),
        (py_compile.PycInvalidationMode.UNCHECKED_HASH, {PRESENT, UNCHECKED}),
    ],
)
def test_what_this_python_writes_is_recognised(tmp_path, mode, rules: set[str]) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    path = py_compile.compile(str(tmp_path / "a.py"), str(tmp_path / "a.pyc"), invalidation_mode=mode)
    data = (tmp_path / "a.pyc").read_bytes()
    assert path
    assert names_of(data) == {"python-bytecode"}
    assert rules_of(inspect_bytes("python-bytecode", data)) == rules


def test_the_fixtures_are_recognised() -> None:
    assert rules_of(inspect_bytes("python-bytecode", fixture("python-bytecode/unsafe/timed.pyc"))) == {
        PRESENT
    }
    found = inspect_bytes("python-bytecode", fixture("python-bytecode/unsafe/unchecked.pyc"))
    assert rules_of(found) == {PRESENT, UNCHECKED}


@pytest.mark.parametrize(
    "data",
    [
        b"\x03\xf3\r\n" + bytes(4) + b"c" + bytes(20),
        b"\xee\x0c\r\n" + bytes(8) + b"\xe3" + bytes(20),
    ],
)
def test_older_versions_are_recognised(data: bytes) -> None:
    assert names_of(data) == {"python-bytecode"}
    assert rules_of(inspect_bytes("python-bytecode", data)) == {PRESENT}


def test_a_text_with_windows_line_ends_and_a_bare_header_are_none() -> None:
    assert names_of(b"ab\r\ncdefghijklmnopqrstuvwxyz") == {"text"}
    assert "python-bytecode" not in names_of(fixture("python-bytecode/clean/mentioned.txt"))
    assert "python-bytecode" not in names_of(fixture("python-bytecode/broken/header-only.pyc"))


def test_it_survives_mutation() -> None:
    assert_survives("python-bytecode", header(1) + b"\xe3" + bytes(20))
