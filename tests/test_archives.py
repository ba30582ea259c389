"""Bad archives as a user meets them: verdict, exit code, message, and never a traceback."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from fixtures.recipes.archives import zipped
from tests.support import weighbridge

ROOT = Path(__file__).parent.parent
ZIP = ROOT / "fixtures/zip"


@pytest.mark.parametrize(
    ("path", "code", "text"),
    [
        ("zip/clean/plain.zip", 0, "PASS"),
        ("zip/unsafe/escape.zip", 1, "climbs out with '..'"),
        ("zip/unsafe/symlink.zip", 1, "leads to '../../../etc/passwd'"),
        ("zip/unsafe/local-name.zip", 1, "the local name is 'note.txt'"),
        ("zip/unsafe/twice.zip", 1, "2 members are called 'data.pkl'"),
        ("zip/unsafe/crc.zip", 1, "its CRC-32 is"),
        ("zip/unsafe/flag.zip", 1, "is marked as encrypted"),
        ("zip/unsafe/broken-utf8.zip", 0, "claims to be UTF-8 and is not"),
        ("zip/broken/encrypted.zip", 3, "is encrypted"),
        ("zip/broken/claims-10-gib.zip", 3, "bytes are declared"),
        ("zip/broken/deep.zip", 3, "16 depth"),
        ("tar/unsafe/symlink.tar", 1, "leads to '/etc', which is absolute"),
        ("compressed/broken/cut.txt.gz", 3, "ends before its end marker"),
        ("unsupported-archive/clean/a.7z", 3, "unpack it and scan the folder"),
    ],
)
def test_the_verdict_says_why(path: str, code: int, text: str) -> None:
    result = weighbridge("scan", f"fixtures/{path}", "-v", COLUMNS="400")
    assert result.returncode == code, result.stdout + result.stderr
    assert text in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def bomb(size: int) -> bytes:
    """A zip with one member that expands to ``size`` zeros, made without expanding it."""
    step = 1 << 20
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(step)) + packer.flush(zlib.Z_FULL_FLUSH)
    body = block * (size // step) + b"\x03\x00"
    extra = struct.pack("<2HQ", 1, 8, size)
    common = struct.pack("<5H3L2H", 45, 0, 8, 0, 33, 0, len(body), 0xFFFFFFFF, 5, len(extra))
    local = b"PK\3\4" + common + b"zeros" + extra + body
    entry = (
        b"PK\1\2" + struct.pack("<H", 45) + common + struct.pack("<3H2L", 0, 0, 0, 0, 0) + b"zeros" + extra
    )
    return local + entry + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(local), 0)


def test_a_bomb_is_found_quickly_and_named(tmp_path) -> None:
    path = tmp_path / "bomb.zip"
    path.write_bytes(bomb(10 << 30))
    with zipfile.ZipFile(path) as oracle:
        assert oracle.infolist()[0].file_size == 10 << 30
    result = weighbridge("scan", str(path), "--format", "json")
    report = json.loads(result.stdout)
    assert result.returncode == 3
    assert "expansion/bomb" in {finding["rule"] for finding in report["findings"]}
    assert any("could not be expanded" in gap["reason"] for gap in report["gaps"])


def test_what_ordinary_programs_pack_passes(tmp_path) -> None:
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "in/a.txt").write_text("weighed\n" * 100)
    (tmp_path / "in/sub/b.txt").write_text("and found good\n")
    (tmp_path / "out").mkdir()
    source = [str(tmp_path / "in")]
    for module, name in (
        ("zipfile", "a.zip"),
        ("tarfile", "a.tar"),
        ("tarfile", "a.tgz"),
        ("tarfile", "a.txz"),
    ):
        command = [sys.executable, "-m", module, "-c", str(tmp_path / "out" / name), *source]
        subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    (tmp_path / "out/nested.zip").write_bytes(zipped(("a.zip", (tmp_path / "out/a.zip").read_bytes())))
    result = weighbridge("scan", str(tmp_path / "out"), "--format", "json")
    report = json.loads(result.stdout)
    assert result.returncode == 0, result.stdout
    assert not report["gaps"]
    assert not report["findings"]
