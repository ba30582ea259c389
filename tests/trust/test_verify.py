"""``weighbridge verify`` as a user types it: what is printed, and the exit code."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from tests import support
from tests.trust import made
from tests.trust.signed.sign import write_model

SIGNED = Path(__file__).parent / "signed"
KEY = str(SIGNED / "key-files-sha256" / "key.pub")
weighbridge = partial(support.weighbridge, COLUMNS="200")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    write_model(tmp_path / "model")
    signature = (SIGNED / "key-files-sha256" / "model.sig").read_bytes()
    (tmp_path / "model" / "model.sig").write_bytes(signature)
    return tmp_path / "model"


def test_verified_tells_who_what_and_by_which_root(model: Path) -> None:
    result = weighbridge("verify", str(model), "--public-key", KEY)
    assert result.returncode == 0, result.stderr
    words = result.stdout.split()
    assert words[:3] == ["VERIFIED", "oms", "model.sig"]
    for text in (
        "who       ",
        "when      not proved",
        "root      sha256:",
        "covers    5: ",
        "ignored   1: model.sig",
    ):
        assert text in result.stdout
    report = json.loads(weighbridge("verify", str(model), "--public-key", KEY, "--format", "json").stdout)
    assert [entry["outcome"] for entry in report] == ["verified"]
    assert report[0]["ignored"] == ["model.sig"]


def test_changed_added_unknown_and_missing(model: Path) -> None:
    assert weighbridge("verify", str(model)).returncode == 3
    (model / "extra.py").write_text("print()\n")
    result = weighbridge("verify", str(model), "--public-key", KEY)
    assert result.returncode == 1
    assert "unsigned  1: extra.py" in result.stdout
    assert weighbridge("verify", str(model), "--public-key", KEY, "--ignore-path", "extra.py").returncode == 0
    (model / "extra.py").unlink()
    (model / "config.json").write_text("{}")
    assert weighbridge("verify", str(model)).returncode == 1
    scan = weighbridge("scan", str(model), "--format", "json")
    assert "signatures/invalid" in {finding["rule"] for finding in json.loads(scan.stdout)["findings"]}
    (model / "model.sig").unlink()
    result = weighbridge("verify", str(model), "--public-key", KEY)
    assert (result.returncode, "signatures/demanded" in result.stdout) == (3, True)


def test_a_link_out_of_the_folder_is_not_signed(model: Path) -> None:
    (model / "run.py").symlink_to("/etc/hosts")
    result = weighbridge("verify", str(model), "--public-key", KEY)
    assert (result.returncode, "unsigned  1: run.py" in result.stdout) == (1, True)


def test_scan_with_a_demand_refuses_what_nobody_signed(model: Path) -> None:
    (model / "weights.bin").unlink()
    (model / "model.sig").unlink()
    assert weighbridge("scan", str(model)).returncode == 0
    result = weighbridge("scan", str(model), "--public-key", KEY)
    assert (result.returncode, "signatures/demanded" in result.stdout) == (1, True)


def test_a_list_of_digests_is_consistent_at_most(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("alpha")
    digest = made.result_of("a.txt", b"alpha").computed("sha256")
    (tmp_path / "SHA256SUMS").write_text(f"{digest}  a.txt\n")
    result = weighbridge("verify", str(tmp_path))
    assert (result.returncode, "consistent" in result.stdout) == (0, True)
    result = weighbridge("verify", str(tmp_path), "--public-key", KEY)
    assert (result.returncode, "signatures/demanded" in result.stdout) == (3, True)
    (tmp_path / "a.txt").write_text("beta")
    assert weighbridge("verify", str(tmp_path)).returncode == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--public-key", "none.pub"), "none.pub: cannot be read"),
        (("--public-key", "README.md"), "README.md: is no PEM public key"),
        (("--certificate-root", "README.md"), "README.md: holds no PEM certificate"),
        (("--trusted-root", "README.md"), "README.md: cannot be used as a Sigstore trusted root"),
        (("--identity", "a@b.c"), "--identity and --issuer belong together"),
        (("--public-key", KEY, "--threshold", "2"), "2 keys have to sign"),
        (("--now", "tomorrow"), "is no date like"),
    ],
)
def test_what_cannot_be_used_is_an_error(model: Path, options: tuple[str, ...], message: str) -> None:
    result = weighbridge("verify", str(model), *options)
    assert (result.returncode, message in result.stderr) == (2, True), result.stderr
    assert "Traceback" not in result.stderr


def test_a_sigstore_signature_from_end_to_end() -> None:
    case = made.vectors() / "oms-v1.1.0-sigstore"
    options = ("--signature", str(case / "model.sig"), "--ignore-path", "ignore-me")
    who = ("--identity", "stefanb@us.ibm.com", "--issuer", "https://sigstore.verify.ibm.com/oauth2")
    result = weighbridge("verify", str(case / "model"), *options, *who)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "when      2025-10-10T02:12:20Z" in result.stdout
    other = weighbridge("verify", str(case / "model"), *options, "--identity", "x@y.z", "--issuer", "*")
    assert (other.returncode, "UNTRUSTED SIGNER" in other.stdout) == (1, True)
    nobody = weighbridge("verify", str(case / "model"), *options)
    assert (nobody.returncode, "genuine" in nobody.stdout) == (3, True)


def test_missing_vectors_fail_where_they_are_promised(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WEIGHBRIDGE_VECTORS", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="WEIGHBRIDGE_VECTORS"):
        made.vectors()
