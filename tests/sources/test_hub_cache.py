"""Local Hub caches, made by the real client from the test Hub."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from huggingface_hub import snapshot_download
from huggingface_hub.utils import close_session

from scanner.errors import TargetError
from scanner.model import Kind, Target
from scanner.pipeline import Request, scan_artefact
from scanner.result import Decision, Outcome, Report
from scanner.sources import Options, resolve
from tests.hub import Hub, blob
from tests.support import POSIX

FILES = {"README.md": b"# card\n", "sub/notes.txt": b"text\n", "weights.txt": blob(b"w\n" * 5000, lfs=True)}


@pytest.fixture
def cache(hub: Hub, tmp_path):
    """A cache with two revisions of a model and one of a data set."""
    model = hub.model("org/na-me")
    first = model.commit({"README.md": b"# old\n"})
    second = model.commit(FILES)
    hub.dataset("org/data").commit({"data.txt": b"a\n"})
    for revision in (first, "main"):
        snapshot_download("org/na-me", revision=revision, endpoint=hub.url, cache_dir=tmp_path, token=False)
    snapshot_download("org/data", repo_type="dataset", endpoint=hub.url, cache_dir=tmp_path, token=False)
    close_session()
    return tmp_path, first, second


def scan(path: Path | str, workers) -> Report:
    return scan_artefact(Request(Target(str(path))), workers=workers)


def rules(report: Report) -> list[str]:
    return [finding.rule.id for finding in report.findings]


def test_a_cache_of_the_real_client_passes_with_all_digests_verified(cache, workers) -> None:
    root, _, second = cache
    report = scan(root / "models--org--na-me", workers)
    assert report.verdict.decision is Decision.PASS
    assert not report.findings
    assert (report.artefact.name, report.artefact.revision) == ("org/na-me", second)
    assert [file.path for file in report.files] == sorted(FILES)
    checked = [entry for entry in report.verifications if entry.claim.startswith("hub-cache")]
    assert {entry.outcome for entry in checked} == {Outcome.VERIFIED}
    claims = {entry.claim for entry in checked}
    assert claims >= {"hub-cache-blob:sha256", "hub-cache-blob:git-sha1"}
    assert claims & {"hub-cache-listing:sha256", "hub-cache-listing:git-sha1"}


def test_a_revision_can_be_named(cache, workers) -> None:
    root, first, second = cache
    repository = root / "models--org--na-me"
    assert scan(f"{repository}@{first}", workers).artefact.revision == first
    assert scan(f"{repository}@main", workers).artefact.revision == second
    assert scan(repository / "snapshots" / first, workers).artefact.revision == first
    with pytest.raises(TargetError, match="no snapshot v9"):
        resolve(Target(f"{repository}@v9"), Options())
    with pytest.raises(TargetError, match="no snapshot"):
        resolve(Target(f"{repository}@../snapshots"), Options())


def test_a_data_set_is_one(cache, workers) -> None:
    report = scan(cache[0] / "datasets--org--data", workers)
    assert (report.artefact.kind, report.verdict.decision) == (Kind.DATASET, Decision.PASS)


def test_a_whole_cache_says_what_to_name(cache) -> None:
    with pytest.raises(TargetError, match="datasets--org--data, models--org--na-me"):
        resolve(Target(str(cache[0])), Options())


def _snapshot(cache) -> Path:
    return cache[0] / "models--org--na-me" / "snapshots" / cache[2]


def test_a_changed_blob_is_critical(cache, workers) -> None:
    (_snapshot(cache) / "README.md").resolve().write_bytes(b"# evil\n")
    report = scan(_snapshot(cache), workers)
    assert report.verdict.decision is Decision.FAIL
    assert set(rules(report)) == {"digests/mismatch"}


def test_a_file_in_the_place_of_a_link_is_held_against_the_listing(cache, workers) -> None:
    """As on Windows, where a snapshot holds files; the name of a blob says nothing there."""
    path = _snapshot(cache) / "README.md"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    assert scan(_snapshot(cache), workers).verdict.decision is Decision.PASS
    path.write_bytes(b"# evil\n")
    assert "digests/mismatch" in rules(scan(_snapshot(cache), workers))


@POSIX
def test_a_missing_blob_and_a_link_that_leaves_are_gaps(cache, workers) -> None:
    snapshot = _snapshot(cache)
    (snapshot / "README.md").resolve().unlink()
    (snapshot / "weights.txt").unlink()
    (snapshot / "weights.txt").symlink_to("/etc/hosts")
    (snapshot / "more").symlink_to("/etc")
    os.mkfifo(snapshot / "fifo")
    report = scan(snapshot, workers)
    assert report.verdict.decision is Decision.INCOMPLETE
    gaps = {gap.location.path for gap in report.gaps}
    assert gaps >= {"README.md", "weights.txt", "more", "fifo"}
    assert sorted(f.location.path for f in report.findings if f.rule.id == "hub_cache/link-escape") == [
        "more",
        "weights.txt",
    ]


@pytest.mark.parametrize("text", ["[", '{"files": 3}', '{"files": {"README.md": 3}}', "[" * 100_000, "\xff"])
def test_a_damaged_listing_is_a_gap(cache, workers, text: str) -> None:
    place = cache[0] / "models--org--na-me" / "trees" / f"{cache[2]}.json"
    assert json.loads(place.read_text())["files"].keys() == FILES.keys()
    place.write_text(text, encoding="latin-1")
    report = scan(_snapshot(cache), workers)
    assert report.verdict.decision is Decision.INCOMPLETE
    assert "listing cannot be read" in report.gaps[0].reason


@POSIX
def test_odd_things_in_a_cache_end_in_clear_errors(tmp_path) -> None:
    repository = tmp_path / "models--org--name"
    (repository / "snapshots").mkdir(parents=True)
    with pytest.raises(TargetError, match="no snapshot main"):
        resolve(Target(str(repository)), Options())
    (repository / "refs").mkdir()
    os.mkfifo(repository / "refs" / "main")
    with pytest.raises(TargetError, match="no snapshot main"):
        resolve(Target(str(repository)), Options())
    (repository / "refs" / "main").unlink()
    (repository / "refs" / "main").symlink_to("/dev/zero")
    with pytest.raises(TargetError, match="no snapshot main"):
        resolve(Target(str(repository)), Options())
