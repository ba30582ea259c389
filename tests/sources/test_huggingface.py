"""Hub targets end to end, in this process: resolve, read in ranges, judge."""

from __future__ import annotations

import hashlib
import json
import time

import pytest
from huggingface_hub import snapshot_download

from fixtures.recipes.pytorch_legacy import PAYLOAD, state, storage, tensor
from fixtures.recipes.pytorch_zip import Writer, checkpoint
from scanner.errors import SourceError, TargetError
from scanner.model import Coverage, Kind, Origin, Target
from scanner.pipeline import Request, scan_artefact
from scanner.reader import Limits
from scanner.report.json_report import document
from scanner.result import Decision, Outcome, Report
from scanner.sources import Options, resolve
from scanner.sources.huggingface import _is_safe, _protection
from scanner.sources.huggingface.address import accepts, parse
from scanner.workers import Workers
from tests.hub import Hub, blob, sparse

FILES = {"README.md": b"# card\n", "notes.txt": b"text\n", "sub/more.txt": b"more\n"}


def scan(
    hub: Hub, workers: Workers, text: str = "hf://org/name", *, kind: Kind | None = None, **options
) -> Report:
    source = Options(**{"endpoint": hub.url, "timeout": 5.0, **options})
    return scan_artefact(
        Request(Target(text, kind), source=source, limits=Limits(seconds=20)), workers=workers
    )


def safetensors(size: int) -> dict[int, bytes]:
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    header += b" " * (-len(header) % 8)
    return {0: len(header).to_bytes(8, "little") + header}


def claimed(report: Report) -> set[Outcome]:
    """What became of the digests that the Hub declares."""
    return {entry.outcome for entry in report.verifications if entry.claim.startswith("hub-")}


def rules(report: Report) -> set[str]:
    return {finding.rule.id for finding in report.findings}


@pytest.mark.parametrize(
    ("text", "kind", "named"),
    [
        ("hf://org/name", None, ("org/name", Kind.MODEL, None, None)),
        ("hf://org/name", Kind.DATASET, ("org/name", Kind.DATASET, None, None)),
        ("hf://datasets/org/name@v1", None, ("org/name", Kind.DATASET, "v1", None)),
        ("hf://models/org/name@v1/a/b.txt", None, ("org/name", Kind.MODEL, "v1", "a/b.txt")),
        ("hf://org/name/a/b.txt", None, ("org/name", Kind.MODEL, None, "a/b.txt")),
        ("hf://org/name@refs/pr/3/a.txt", None, ("org/name", Kind.MODEL, "refs/pr/3", "a.txt")),
        ("hf://org/name@feature%2Fx", None, ("org/name", Kind.MODEL, "feature/x", None)),
        ("hf://gpt2", None, ("gpt2", Kind.MODEL, None, None)),
        ("https://huggingface.co/org/name", None, ("org/name", Kind.MODEL, None, None)),
        ("https://huggingface.co/gpt2/blob/main/a.txt", None, ("gpt2", Kind.MODEL, "main", "a.txt")),
        ("https://hf.co/org/name/tree/v1/sub", None, ("org/name", Kind.MODEL, "v1", "sub")),
        (
            "https://huggingface.co/datasets/org/name/resolve/refs%2Fpr%2F1/d/x.csv?download=true",
            None,
            ("org/name", Kind.DATASET, "refs/pr/1", "d/x.csv"),
        ),
        (
            "https://huggingface.co/org/name/commit/" + "a" * 40,
            None,
            ("org/name", Kind.MODEL, "a" * 40, None),
        ),
        ("https://huggingface.co/api/datasets/org/name", None, ("org/name", Kind.DATASET, None, None)),
        ("https://mirror.test/hub/org/name/raw/v1/a", None, ("org/name", Kind.MODEL, "v1", "a")),
    ],
)
def test_every_form_of_a_target_is_understood(text, kind, named) -> None:
    endpoint = "https://mirror.test/hub"
    assert accepts(text, endpoint)
    wanted = parse(Target(text, kind), endpoint)
    assert (wanted.name, wanted.kind, wanted.revision, wanted.path) == named


@pytest.mark.parametrize(
    "text", ["hf://", "hf://a b", "hf://../x", "hf://spaces/org/name", "https://huggingface.co/spaces/a/b"]
)
def test_what_names_no_repository_is_refused(text: str) -> None:
    with pytest.raises(TargetError):
        parse(Target(text), "https://huggingface.co")


def test_names_that_no_hub_has_are_refused(hub: Hub) -> None:
    with pytest.raises(TargetError, match="a--b"):
        resolve(Target("hf://org/a--b"), Options(endpoint=hub.url))
    assert not hub.requests()


def test_other_addresses_are_not_the_hubs() -> None:
    assert not accepts("https://huggingface.co.evil.test/org/name", "https://mirror.test")
    assert not accepts("https://mirror.test.evil/org/name", "https://mirror.test")


def test_a_repository_passes_with_every_small_file_hashed(hub: Hub, workers: Workers) -> None:
    commit = hub.model("org/name").commit(FILES)
    report = scan(hub, workers, f"hf://org/name@{commit}")
    assert report.verdict.decision is Decision.PASS
    assert (report.artefact.revision, report.artefact.pinned) == (commit, True)
    assert not report.findings
    for file in report.files:
        assert file.computed("sha256") == hashlib.sha256(FILES[file.path]).hexdigest()
    assert claimed(report) == {Outcome.VERIFIED}
    ranged = hub.requests("resolve/", ranged=True)
    assert len(ranged) == len(FILES)


@pytest.mark.parametrize("revision", ["", "@main", "@v1", "@refs%2Fheads%2Fmain"])
def test_a_moving_revision_is_resolved_first_and_said(hub: Hub, workers: Workers, revision: str) -> None:
    repository = hub.dataset("org/name")
    commit = repository.commit(FILES)
    repository.tag("v1", commit)
    report = scan(hub, workers, f"hf://datasets/org/name{revision}")
    assert report.artefact.revision == commit
    assert rules(report) == {"huggingface/unpinned"}
    asked = [a.path for a in hub.requests("resolve/")]
    assert asked
    assert all(commit in path for path in asked)


def test_a_path_and_a_folder_can_be_named(hub: Hub, workers: Workers) -> None:
    hub.model("org/name").commit(FILES)
    for text, paths in (
        ("hf://org/name@main/sub", ["sub/more.txt"]),
        (f"{hub.url}/org/name/blob/main/notes.txt", ["notes.txt"]),
        (f"{hub.url}/org/name/tree/main", sorted(FILES)),
    ):
        assert [file.path for file in scan(hub, workers, text).files] == paths
    with pytest.raises(TargetError, match=r"has no none\.txt"):
        scan(hub, workers, "hf://org/name@main/none.txt")


@pytest.mark.parametrize("cdn", [False, True])
def test_eight_gibibytes_are_judged_in_four_requests_and_256_kib(
    hub: Hub, workers: Workers, cdn: bool
) -> None:
    hub.cdn = cdn
    size = 8 << 30
    parts = safetensors(size)
    commit = hub.model("org/name").commit({"model.safetensors": sparse(size + len(parts[0]), parts)})
    report = scan(hub, workers, f"hf://org/name@{commit}")
    assert report.verdict.decision is Decision.PASS
    assert report.files[0].coverage is Coverage.STRUCTURE
    assert {digest.origin for digest in report.files[0].digests} == {Origin.DECLARED}
    assert claimed(report) == {Outcome.UNSUPPORTED}
    assert len(hub.requests(ranged=True)) <= 4
    assert sum(asked.sent for asked in hub.requests(ranged=True)) <= 256 << 10
    declared = document(report)["files"][0]["digests"][0]
    assert (declared["origin"], declared["source"]) == ("declared", "hub-lfs")


class Holes:
    """A file that keeps what is written and skips what is not, for `sparse`."""

    def __init__(self) -> None:
        self.parts: dict[int, bytes] = {}
        self._at = 0

    def write(self, data: bytes) -> None:
        self.parts[self._at] = data
        self._at += len(data)

    def seek(self, count: int, _: int) -> None:
        self._at += count

    def tell(self) -> int:
        return self._at


@pytest.mark.parametrize("cdn", [False, True])
@pytest.mark.parametrize(("before", "decision"), [(b"", Decision.PASS), (PAYLOAD, Decision.FAIL)])
def test_eight_gibibytes_of_pytorch_are_judged_in_as_little(
    hub: Hub, workers: Workers, cdn: bool, before: bytes, decision: Decision
) -> None:
    hub.cdn = cdn
    counts = [16 << 20] * 290 + [1]
    tensors = {
        f"model.layers.{n}.self_attn.q_proj.weight": tensor(
            storage(str(n), count, "torch\nHalfStorage", tail=b""), (count,)
        )
        for n, count in enumerate(counts)
    }
    out = Holes()
    writer = Writer(out)
    for name, data in checkpoint(state(tensors, before), {str(n): 2 * c for n, c in enumerate(counts)}):
        writer.add(name, data)
    writer.close()
    assert out.tell() > 8 << 30
    hub.model("org/name").commit({"pytorch_model.bin": sparse(out.tell(), out.parts)})
    report = scan(hub, workers)
    assert report.verdict.decision is decision, [str(gap) for gap in report.gaps]
    assert not report.gaps
    assert len(hub.requests(ranged=True)) <= 4
    assert sum(asked.sent for asked in hub.requests(ranged=True)) <= 256 << 10


def test_a_large_text_is_hashed_while_it_is_read(hub: Hub, workers: Workers) -> None:
    data = b"0123456789abcde\n" * (3 << 16)
    commit = hub.model("org/name").commit({"big.txt": data})
    report = scan(hub, workers, f"hf://org/name@{commit}")
    assert report.files[0].computed("sha256") == hashlib.sha256(data).hexdigest()
    assert hub.sent("resolve/") == len(data)


@pytest.mark.parametrize("lfs", [False, True])
def test_a_hub_that_serves_other_bytes_than_it_declares_is_caught(hub: Hub, workers, lfs: bool) -> None:
    hub.model("org/name").commit({"config.txt": blob(b"harmless text\n", lfs=lfs)})
    hub.fault("GET .*resolve/", "other-bytes")
    report = scan(hub, workers)
    assert report.verdict.decision is Decision.FAIL
    assert "digests/mismatch" in rules(report)


def test_many_small_files_wait_side_by_side(hub: Hub, workers: Workers) -> None:
    commit = hub.model("org/name").commit({f"f{n:03}.txt": b"%d\n" % n for n in range(200)})
    scan(hub, workers, f"hf://org/name@{commit}")  # the workers have started
    hub.forget()
    hub.delay = 0.05
    started = time.monotonic()
    report = scan(hub, workers, f"hf://org/name@{commit}")
    assert report.verdict.decision is Decision.PASS
    assert len(hub.requests("resolve/", ranged=True)) == 200
    assert len({a.connection for a in hub.requests("resolve/", ranged=True)}) <= 2 * 16
    assert time.monotonic() - started < 200 * 0.05 / 2


# What a Hub may answer, and what becomes of it.


@pytest.mark.parametrize(
    ("traits", "token", "says"),
    [
        ({"private": True, "readers": {"right"}}, None, "if it is private, give a token"),
        ({"private": True, "readers": {"right"}}, "wrong-token", "the token was refused"),
        ({"private": True, "readers": {"right"}}, "other", "there is no model org/name"),
        ({"gated": True, "readers": {"right"}}, None, "is gated: ask for access"),
        ({"gated": True, "readers": {"right"}}, "other", "is gated: ask for access"),
        ({"disabled": True}, None, "has been disabled by the Hub"),
    ],
)
def test_refused_repositories_decide_nothing(hub: Hub, workers: Workers, traits, token, says) -> None:
    hub.tokens.add("other")
    hub.model("org/name", **traits).commit(FILES)
    with pytest.raises(SourceError, match=says) as caught:
        scan(hub, workers, token=token)
    assert "wrong-token" not in str(caught.value)
    report = None
    if "readers" in traits:
        report = scan(hub, workers, token="right")
    assert report is None or report.verdict.decision is Decision.PASS


def test_the_token_stays_at_its_origin(hub: Hub, workers: Workers) -> None:
    hub.cdn, hub.page = True, 2
    files = {**FILES, "weights.txt": blob(b"w\n" * 9000, lfs=True)}
    hub.model("org/name", private=True, readers={"hf_secret"}).commit(files)
    with Hub() as other:
        hub.link_to = other.url
        with pytest.raises(SourceError):
            scan(hub, workers, token="hf_secret", timeout=30.0)
        assert other.requests()
        assert not any(asked.authorization for asked in other.requests())
    hub.link_to = ""
    report = scan(hub, workers, token="hf_secret")
    assert report.verdict.decision is Decision.PASS
    cdn = [asked for asked in hub.requests() if asked.origin == "cdn"]
    assert cdn
    assert not any(asked.authorization for asked in cdn)
    assert "hf_secret" not in json.dumps(document(report))
    assert "hf_secret" not in repr(Options(token="hf_secret"))


@pytest.mark.parametrize("where", ["revision|api/models/org/name[?]", "/tree/", "HEAD"])
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"status": 401}, "token|there is no model"),
        ({"status": 403}, "forbidden"),
        ({"status": 404}, "404|no model"),
        ({"status": 429, "headers": {"Retry-After": "86400"}}, "too many requests"),
        ({"status": 500}, "answered 500"),
        ({"behave": "drop"}, "cannot be reached"),
        ({"behave": "loop"}, "redirects without end"),
    ],
)
def test_an_api_that_refuses_decides_nothing(hub: Hub, workers, where: str, fault, says: str) -> None:
    hub.model("org/name").commit(FILES)
    hub.fault(where, **fault)
    with pytest.raises(SourceError, match=says):
        scan(hub, workers)


def test_an_api_that_hangs_times_out(hub: Hub, workers: Workers) -> None:
    hub.model("org/name").commit(FILES)
    hub.fault("/tree/", delay=1.0)
    with pytest.raises(SourceError, match="did not answer in time"):
        resolve(Target("hf://org/name"), Options(endpoint=hub.url, timeout=0.3))


@pytest.mark.parametrize(
    ("status", "headers"), [(429, {"Retry-After": "0"}), (429, {"RateLimit": '"api";r=0;t=0'}), (503, {})]
)
@pytest.mark.parametrize("where", ["api/", "HEAD", "GET .*resolve/"])
def test_what_passes_on_a_second_try_passes(hub: Hub, workers, where: str, status: int, headers) -> None:
    hub.model("org/name").commit(FILES)
    hub.fault(where, status=status, headers=headers, times=2)
    assert scan(hub, workers).verdict.decision is Decision.PASS


@pytest.mark.parametrize(
    ("where", "body"),
    [
        ("/tree/", b'{"not": "a list"}'),
        ("/tree/", b'[{"type": "file", "path": "a"}]'),
        ("/tree/", b'[{"type": "file", "path": "a", "size": -1, "oid": "x"}]'),
        ("/tree/", b"[" * 200_000),
        ("api/models/org/name[?]", b"<html>"),
        ("api/models/org/name[?]", b"{}"),
        ("api/models/org/name[?]", b'{"id": "org/name", "sha": "short"}'),
    ],
)
def test_an_api_that_is_none_is_said_so(hub: Hub, workers, where: str, body: bytes) -> None:
    hub.model("org/name").commit(FILES)
    hub.fault(where, status=200, body=body)
    with pytest.raises(SourceError, match=r"not the Hub's API|no commit"):
        scan(hub, workers)


def test_an_endless_answer_of_the_api_is_cut(hub: Hub, workers: Workers) -> None:
    hub.model("org/name").commit(FILES)
    hub.fault("/tree/", "endless")
    with pytest.raises(SourceError, match="more than 16 MiB"):
        scan(hub, workers)


def test_another_commit_than_the_one_that_was_asked_for_decides_nothing(hub: Hub, workers) -> None:
    hub.model("org/name").commit(FILES)
    hub.fault("HEAD", headers={"X-Repo-Commit": "b" * 40})
    with pytest.raises(SourceError, match="the files are of commit b"):
        scan(hub, workers)


def test_a_proxy_that_drops_headers_is_reported(hub: Hub, workers: Workers) -> None:
    hub.model("org/name").commit(FILES)
    hub.fault("resolve/", drop=frozenset({"x-repo-commit", "x-linked-etag", "etag"}))
    report = scan(hub, workers)
    assert report.verdict.decision is Decision.PASS
    assert rules(report) == {"huggingface/unpinned", "huggingface/commit-unconfirmed"}


def test_a_total_that_is_not_said_is_taken_from_the_listing(hub: Hub, workers: Workers) -> None:
    hub.model("org/name").commit(FILES)
    hub.fault("GET .*resolve/", "no-total")
    assert scan(hub, workers).verdict.decision is Decision.PASS


@pytest.mark.parametrize(
    ("behave", "says"),
    [
        ("no-content-range", "does not say which range"),
        ("no-range", "ignores ranges"),
        ("wrong-range", "another range"),
        ("other-size", "is not the one that was resolved"),
        ("gzip", "compresses"),
        ("reset", "reset"),
        ("short", "reset"),
        ("loop", "redirects without end"),
    ],
)
def test_files_that_do_not_come_are_gaps(hub: Hub, workers: Workers, behave, says: str) -> None:
    hub.model("org/name").commit({"notes.txt": b"text\n" * 999})
    hub.fault("GET .*resolve/", behave)
    report = scan(hub, workers)
    assert report.verdict.decision is Decision.INCOMPLETE
    assert says in report.gaps[0].reason


def test_a_range_that_never_ends_costs_what_was_asked_for(hub: Hub, workers: Workers) -> None:
    hub.model("org/name").commit({"notes.txt": b"text\n" * 999})
    hub.fault("GET .*resolve/", "endless")
    assert "digests/mismatch" in rules(scan(hub, workers))
    assert hub.sent("resolve/") < 8 << 20


@pytest.mark.parametrize("behave", ["other-etag", "other-size"])
def test_a_file_that_changes_between_two_ranges_is_a_gap(hub: Hub, workers: Workers, behave) -> None:
    size = 8 << 30
    parts = safetensors(size)
    hub.model("org/name").commit({"model.safetensors": sparse(size + len(parts[0]), parts)})
    hub.fault("GET .*resolve/", behave, after=1)
    report = scan(hub, workers)
    assert report.verdict.decision is Decision.INCOMPLETE
    assert "the file changed while it was read" in report.gaps[0].reason


def test_a_listing_that_leaves_the_folder_is_found_and_not_followed(hub: Hub, workers: Workers) -> None:
    hub.model("org/name").commit({"../../evil.txt": b"x\n", "good.txt": b"x\n"})
    report = scan(hub, workers)
    assert report.verdict.decision is Decision.FAIL
    assert "huggingface/unsafe-path" in rules(report)
    assert [gap.location.path for gap in report.gaps] == ["../../evil.txt"]


@pytest.mark.parametrize("path", ["/a", "a//b", "a/../b", "./a", "C:\\a", "a\\..\\b", "a\nb", ""])
def test_unsafe_paths_are_known(path: str) -> None:
    assert not _is_safe(path)


def test_an_endpoint_without_tls_is_a_finding() -> None:
    assert [f.rule.id for f in _protection("http://mirror.internal")] == ["huggingface/unprotected"]
    assert not _protection("http://127.0.0.1:8080")
    assert not _protection("https://mirror.internal")


def test_offline_is_said(hub: Hub, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(SourceError, match="HF_HUB_OFFLINE"):
        resolve(Target("hf://org/name"), Options(endpoint=hub.url))


def test_a_warm_cache_never_answers_for_a_hub_that_refuses(hub: Hub, workers, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    commit = hub.model("org/name").commit(FILES)
    snapshot_download("org/name", endpoint=hub.url, cache_dir=tmp_path, token=False)
    hub.fault("", status=503)
    assert snapshot_download("org/name", revision=commit, endpoint=hub.url, cache_dir=tmp_path)
    for text in ("hf://org/name", f"hf://org/name@{commit}"):
        with pytest.raises(SourceError, match="answered 503"):
            scan(hub, workers, text)
