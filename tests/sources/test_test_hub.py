"""The test Hub is proved against the real client: what it serves is what huggingface_hub expects."""

from __future__ import annotations

import hashlib
import shutil
import subprocess

import httpx2
import pytest
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import close_session

from tests.hub import Hub, blob, sparse

FILES = {
    "README.md": b"# card\n",
    "config.json": b'{"model_type": "bert"}',
    "sub/deep/vocab.txt": b"a\nb\n",
    "weights.bin": blob(b"w" * 5000, lfs=True),
}


@pytest.fixture(autouse=True)
def _closed():
    yield
    close_session()


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_the_real_client_reads_a_repository(hub: Hub, tmp_path, kind: str) -> None:
    repository = getattr(hub, kind)("org/name")
    commit = repository.commit(FILES)
    repository.tag("v1", commit)
    hub.page = 2
    api = HfApi(endpoint=hub.url, token=False)
    info = api.repo_info("org/name", repo_type=kind, files_metadata=True)
    assert info.sha == commit
    assert {s.rfilename: s.size for s in info.siblings}["weights.bin"] == 5000
    tree = {item.path: item for item in api.list_repo_tree("org/name", recursive=True, repo_type=kind)}
    assert set(tree) == {*FILES, "sub", "sub/deep"}
    assert tree["weights.bin"].lfs.sha256 == hashlib.sha256(b"w" * 5000).hexdigest()
    assert tree["config.json"].blob_id == FILES_BLOB
    refs = api.list_repo_refs("org/name", repo_type=kind)
    assert [(r.name, r.target_commit) for r in (*refs.branches, *refs.tags)] == [
        ("main", commit),
        ("v1", commit),
    ]
    paths = api.get_paths_info("org/name", ["config.json", "none"], repo_type=kind)
    assert [item.path for item in paths] == ["config.json"]
    assert [c.commit_id for c in api.list_repo_commits("org/name", repo_type=kind)] == [commit]
    where = snapshot_download(
        "org/name", revision="v1", repo_type=kind, endpoint=hub.url, cache_dir=tmp_path, token=False
    )
    for path, content in FILES.items():
        expected = content if isinstance(content, bytes) else content.read(0, content.size)
        assert (tmp_path / where / path).read_bytes() == expected


FILES_BLOB = hashlib.sha1(b"blob 22\0" + b'{"model_type": "bert"}').hexdigest()


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_commit_ids_are_those_of_git(hub: Hub, tmp_path) -> None:
    files = {"b.txt": b"b", "a/x.txt": b"x", "a.txt": b"a", "a/b/c": b"c"}
    commit = hub.model("org/name").commit(files, title="Upload")
    for path, data in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    who = {"NAME": "Test", "EMAIL": "test@example.org", "DATE": "1700000000 +0000"}
    environment = {
        f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()
    }

    def git(*arguments: str) -> str:
        command = ["git", "-c", "core.autocrlf=false", *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, env={**environment, "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "Upload")
    assert git("rev-parse", "HEAD") == commit


def test_the_real_client_follows_the_cdn_without_the_token(hub: Hub, tmp_path) -> None:
    hub.cdn = True
    hub.model("org/name", private=True, readers={"hf_secret"}).commit(FILES)
    where = hf_hub_download(
        "org/name", "weights.bin", endpoint=hub.url, token="hf_secret", cache_dir=tmp_path
    )
    assert (tmp_path / where).read_bytes() == b"w" * 5000
    cdn = [asked for asked in hub.requests() if asked.origin == "cdn"]
    assert len(cdn) == 1
    assert all(not asked.authorization for asked in cdn)


@pytest.mark.parametrize(
    ("traits", "token", "error"),
    [
        ({"private": True, "readers": {"right"}}, False, RepositoryNotFoundError),
        ({"private": True, "readers": {"right"}}, "wrong", HfHubHTTPError),
        ({"gated": True, "readers": {"right"}}, False, GatedRepoError),
        ({"disabled": True}, False, DisabledRepoError),
    ],
)
def test_refusals_are_those_that_the_client_knows(hub: Hub, traits, token, error) -> None:
    hub.model("org/name", **traits).commit(FILES)
    api = HfApi(endpoint=hub.url, token=token)

    def read() -> None:
        api.repo_info("org/name")
        api.get_hf_file_metadata(url=f"{hub.url}/org/name/resolve/main/config.json", token=token)

    with pytest.raises(error):
        read()


def test_what_does_not_exist_is_named(hub: Hub) -> None:
    hub.model("org/name").commit(FILES)
    api = HfApi(endpoint=hub.url, token=False)
    with pytest.raises(RepositoryNotFoundError):
        api.repo_info("org/other")
    with pytest.raises(RevisionNotFoundError):
        api.repo_info("org/name", revision="v9")
    with pytest.raises(EntryNotFoundError):
        api.get_hf_file_metadata(url=f"{hub.url}/org/name/resolve/main/none")


def test_ranges_of_a_huge_file_cost_what_is_asked(hub: Hub) -> None:
    size = 8 << 30
    hub.model("org/name").commit({"m.bin": sparse(size, {0: b"head", size - 4: b"tail"})})
    address = f"{hub.url}/org/name/resolve/main/m.bin"
    for asked, body, part in (
        ("bytes=0-3", b"head", f"bytes 0-3/{size}"),
        ("bytes=-4", b"tail", f"bytes {size - 4}-{size - 1}/{size}"),
        (f"bytes={size - 2}-{size + 9}", b"il", f"bytes {size - 2}-{size - 1}/{size}"),
    ):
        answer = httpx2.get(address, headers={"Range": asked})
        assert (answer.status_code, answer.content) == (206, body)
        assert answer.headers["Content-Range"] == part
    assert httpx2.get(address, headers={"Range": f"bytes={size}-"}).status_code == 416
    assert hub.sent() == 10
