from __future__ import annotations

import pytest

from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of


@pytest.mark.parametrize(
    ("first", "interpreter"),
    [
        (b"#!/bin/sh", "sh"),
        (b"#! /usr/local/bin/bash -eu", "bash"),
        (b"#!/usr/bin/env node", "node"),
        (b"#!/usr/bin/env -S FOO=1 python3 -X dev", "python3"),
        (b"#!C:\\Perl\\bin\\perl.exe -w", "perl.exe"),
    ],
)
def test_the_interpreter_is_named(first: bytes, interpreter: str) -> None:
    found = inspect_bytes("shell-script", first + b"\ntrue\n")
    assert rules_of(found) == {"shell-script/present"}
    assert found.findings[0].evidence == (("interpreter", interpreter),)


@pytest.mark.parametrize(
    ("name", "interpreter"), [("setup.bat", "cmd"), ("setup.ps1", "powershell"), ("get.SH", "sh")]
)
def test_windows_and_nameless_scripts_are_told_by_their_ending(name: str, interpreter: str) -> None:
    data = b"echo nothing\r\n"
    assert names_of(data, name) == {"text", "shell-script"}
    found = inspect_bytes("shell-script", data, name)
    assert found.findings[0].evidence == (("interpreter", interpreter),)


def test_powershell_in_utf_16_is_a_script() -> None:
    assert "shell-script" in names_of("echo nothing".encode("utf-16"), "a.ps1")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("clean/notes.txt", "notes.txt"),
        ("broken/no-interpreter", "no-interpreter"),
    ],
)
def test_what_is_no_script_is_only_text(path: str, name: str) -> None:
    assert names_of(fixture(f"shell-script/{path}"), name) == {"text"}


def test_a_python_file_is_left_to_its_own_rules() -> None:
    assert "shell-script" not in names_of(b"#!/usr/bin/env python3\nprint(1)\n", "run.py")
    assert "shell-script" in names_of(b"#!/usr/bin/env python3\nprint(1)\n", "run")


def test_bytes_behind_a_script_name_are_not_a_script() -> None:
    assert "shell-script" not in names_of(b"\x00\x01\x02", "a.sh")


def test_it_survives_mutation() -> None:
    assert_survives("shell-script", fixture("shell-script/unsafe/setup.sh"))
