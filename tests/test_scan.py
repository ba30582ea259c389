"""The command as a user types it, on real files."""

from __future__ import annotations

import json
import os

import jsonschema
import pytest

from tests.support import LINUX, POSIX, ROOT, weighbridge


def test_a_clean_folder_passes_and_its_report_follows_the_schema() -> None:
    result = weighbridge("scan", "fixtures/demo/clean", "--format", "json")
    assert result.returncode == 0, result.stdout + result.stderr
    report = json.loads(result.stdout)
    schema = json.loads((ROOT / "docs/schema/report-1.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(report)
    # The first field of a name is the best known one.
    values = {field["name"]: field["value"] for field in reversed(report["inventory"])}
    assert values["parameters"] == str(32 * 8 + 8 * 8 + 8)
    assert values["dtypes"] == "f32"
    assert weighbridge("scan", "fixtures/demo/clean", "--format", "json").stdout == result.stdout


def test_unknown_bytes_are_a_gap_and_never_a_pass(tmp_path) -> None:
    (tmp_path / "x").write_bytes(b"\x00\x01\x02\x03" * 10)
    assert weighbridge("scan", str(tmp_path)).returncode == 3


@LINUX
def test_odd_things_in_a_folder_are_gaps(tmp_path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "away").symlink_to("/etc/hosts")
    (tmp_path / os.fsdecode(b"bad\xff.txt")).write_text("text")
    result = weighbridge("scan", str(tmp_path), "--format", "json")
    report = json.loads(result.stdout)
    assert result.returncode == 3
    assert {gap["location"]["path"] for gap in report["gaps"]} == {"fifo", "loop", "away"}
    assert [finding["rule"] for finding in report["findings"]] == ["local/symlink-escape"]
    assert "bad\\xff.txt" in {file["path"] for file in report["files"]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("version: 1\ngaet:\n  fail_on: high\n", "2:1: unknown key 'gaet'; did you mean gate?"),
        ("version: 1\ngate:\n  fail_on: hihg\n", "3:12: 'hihg' is no severity; did you mean high?"),
        ("version: 1\nversion: 1\n", "duplicate key"),
        ("version: 2\n", "version: 1 is required"),
    ],
)
def test_a_policy_with_a_mistake_is_refused_with_its_place(tmp_path, body: str, message: str) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text(body)
    result = weighbridge("scan", "fixtures/demo/clean", "--policy", str(policy))
    assert result.returncode == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_strict_refuses_what_is_not_as_published(tmp_path) -> None:
    cache = tmp_path / "models--org--name"
    (cache / "blobs").mkdir(parents=True)
    commit = "1" * 40
    (cache / "snapshots" / commit).mkdir(parents=True)
    (cache / "blobs" / ("a" * 64)).write_text("changed")
    (cache / "snapshots" / commit / "README.md").symlink_to(f"../../blobs/{'a' * 64}")
    result = weighbridge("scan", str(cache), "--format", "json")
    report = json.loads(result.stdout)
    assert result.returncode == 1
    assert report["artefact"]["revision"] == commit
    assert [finding["rule"] for finding in report["findings"]] == ["digests/mismatch"]
    assert weighbridge("verify", str(cache)).returncode == 1


def test_a_secret_is_found_and_never_repeated(tmp_path) -> None:
    secret = "hf_" + "abcdefghijklmnopqrstuvwxyzABCDEFGH"
    (tmp_path / "notes.txt").write_text(f"first\ntoken {secret}\n")
    result = weighbridge("scan", str(tmp_path), "--format", "json")
    finding = json.loads(result.stdout)["findings"][0]
    assert (finding["rule"], finding["location"]["line"]) == ("exposure/secret", 2)
    assert secret not in result.stdout


@POSIX
def test_names_of_strangers_cannot_write_to_the_terminal(tmp_path) -> None:
    (tmp_path / "\x1b[31m[bold]x").write_bytes(b"\x00\x01")
    result = weighbridge("scan", str(tmp_path))
    assert "\x1b" not in result.stdout
    assert "[bold]x" in result.stdout


def test_a_missing_path_is_an_error() -> None:
    result = weighbridge("scan", "no-such-thing")
    assert result.returncode == 2
    assert "no-such-thing" in result.stderr


def test_the_version_is_printed() -> None:
    assert weighbridge("--version").stdout == "weighbridge 0.1.0\n"
