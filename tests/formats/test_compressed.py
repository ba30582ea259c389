from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import sys
import zlib

import joblib
import lz4.frame
import numpy as np
import pytest

from fixtures.recipes.archives import PAYLOAD, zipped
from scanner.reader import Budget, BytesReader
from scanner.wire.compression import codec_of, expanded
from tests.support import FIXTURES, assert_survives, examined, fixture, names_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CLEAN = sorted((FIXTURES / "compressed/clean").glob("*"))
TEXT = b"weighed, and found good\n" * 2000
WRITERS = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
    "zlib": zlib.compress,
    "lz4": lz4.frame.compress,
    "zstd": zstd.compress,
}
SKIPPABLE = b"\x50\x2a\x4d\x18\x04\0\0\0skip"


@pytest.mark.parametrize("path", CLEAN, ids=lambda path: path.name)
def test_ordinary_streams_have_no_finding_and_no_gap(path) -> None:
    assert "compressed" in names_of(path.read_bytes())
    result = examined(path.read_bytes(), path.name)
    assert not result.findings
    assert not result.gaps
    assert {where.members for where, _ in result.facts} >= {(), (path.stem,)}


@pytest.mark.parametrize("codec", WRITERS)
@pytest.mark.parametrize("streams", [1, 2])
def test_every_codec_and_several_streams_in_a_row(codec: str, streams: int) -> None:
    data = WRITERS[codec](TEXT) * streams
    assert codec_of(data[:4096]) == codec
    with expanded(BytesReader(data), codec, Budget()) as content:
        assert content.problem is None
        assert content.consumed == len(data)
        assert content.read_at(0, content.size) == TEXT * streams
        assert content.crc == zlib.crc32(TEXT * streams)


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_skippable_frames_are_skipped(codec: str) -> None:
    data = SKIPPABLE + WRITERS[codec](TEXT)
    assert codec_of(data) == codec
    with expanded(BytesReader(data), codec, Budget()) as content:
        assert content.problem is None
        assert content.read_at(0, content.size) == TEXT


@pytest.mark.parametrize("codec", WRITERS)
def test_what_stands_behind_a_stream_is_found_and_judged(codec: str) -> None:
    result = examined(WRITERS[codec](TEXT) + PAYLOAD)
    assert {"expansion/stray-bytes", "pickle/dangerous-callable"} <= {f.rule.id for f in result.findings}
    padded = examined(WRITERS[codec](TEXT) + bytes(512))
    assert not padded.findings
    assert not padded.gaps


@pytest.mark.parametrize("codec", WRITERS)
def test_a_payload_in_a_stream_is_judged(codec: str) -> None:
    result = examined(WRITERS[codec](PAYLOAD))
    assert "pickle/dangerous-callable" in {f.rule.id for f in result.findings}


@pytest.mark.parametrize("codec", WRITERS)
def test_a_payload_in_front_of_damage_is_judged(codec: str) -> None:
    data = WRITERS[codec](PAYLOAD + os.urandom(1 << 20))
    result = examined(data[: len(data) - 50])
    assert result.gaps
    if codec != "bzip2" or len(data) > 1 << 20:
        assert "pickle/dangerous-callable" in {f.rule.id for f in result.findings}


def test_truncated_at_every_byte_is_a_gap_and_never_clean() -> None:
    for codec, write in WRITERS.items():
        data = write(b"weighed, and found good\n")
        for cut in range(1, len(data)):
            assert examined(data[:cut]).gaps or "compressed" not in names_of(data[:cut]), (codec, cut)


def test_a_bomb_meets_the_budget() -> None:
    result = examined(gzip.compress(bytes(64 << 20)), bytes=16 << 20)
    assert "expansion/bomb" in {f.rule.id for f in result.findings}
    assert any("could not be expanded" in gap.reason for gap in result.gaps)


def test_nested_streams_end_at_the_depth() -> None:
    data = TEXT
    for _ in range(20):
        data = gzip.compress(data, mtime=0)
    assert any("16 depth" in gap.reason for gap in examined(data).gaps)


def test_a_row_of_tiny_streams_takes_linear_time() -> None:
    data = gzip.compress(b"", mtime=0) * 50_000
    with expanded(BytesReader(data), "gzip", Budget()) as content:
        assert content.problem is None
        assert content.size == 0


def test_a_zip_behind_a_gzip_is_found() -> None:
    result = examined(gzip.compress(TEXT, mtime=0) + zipped(("data.pkl", PAYLOAD)))
    assert {"identity/polyglot", "pickle/dangerous-callable"} <= {f.rule.id for f in result.findings}


@pytest.mark.parametrize("method", ["zlib", "gzip", "bz2", "xz", "lzma", "lz4"])
def test_joblib_compressed_pickles_come_out_as_pickles(method: str) -> None:
    out = io.BytesIO()
    joblib.dump({"weights": np.arange(5000.0)}, out, compress=(method, 3))
    result = examined(out.getvalue(), "model.joblib")
    assert {facts.format for _, facts in result.facts} >= {"compressed", "joblib"}
    assert {f.rule.id for f in result.findings} == {"pickle/present"}
    assert not result.gaps


def test_it_survives_mutation() -> None:
    assert_survives("compressed", fixture("compressed/clean/a.txt.gz"))


@pytest.mark.parametrize("codec", WRITERS)
def test_damaged_streams_are_problems_and_never_crash(codec: str) -> None:
    data = WRITERS[codec](TEXT)
    for at in range(0, len(data), max(1, len(data) // 60)):
        with expanded(BytesReader(data[:at] + b"\xff" + data[at + 1 :]), codec, Budget()) as content:
            assert content.size >= 0
