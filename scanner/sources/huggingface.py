"""The Hugging Face Hub, or a mirror of it, through huggingface_hub."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

from scanner.errors import SourceError, TargetError
from scanner.model import (
    Artefact,
    Check,
    Claim,
    Claimed,
    Digest,
    FileEntry,
    Finding,
    Kind,
    Location,
    Origin,
    Rule,
    Severity,
    Target,
)
from scanner.sources import Options, Resolved, Source

Answer = TypeVar("Answer")

UNPINNED = Rule(
    id="huggingface/unpinned",
    title="The target names a revision that can move",
    severity=Severity.LOW,
    check=Check.NOT_PINNED,
    finds="A branch or tag (or no revision at all) instead of a commit.",
    why="What is loaded tomorrow need not be what was weighed today.",
    remedy="Name the commit that the report shows: hf://org/name@<40 hexadecimal digits>.",
    example="`hf://org/model` or `hf://org/model@main`",
    references=("CWE-494",),
)

_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?\Z")
_PUBLIC = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
_TRIES = 4
_FILES_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    kind: Kind
    revision: str | None
    path: str | None


def _endpoint(options_endpoint: str | None) -> str:
    chosen = options_endpoint or os.environ.get("HF_ENDPOINT") or "https://huggingface.co"
    return chosen.rstrip("/")


def _accepts(text: str) -> bool:
    if text.startswith("hf://"):
        return True
    if not text.startswith(("https://", "http://")):
        return False
    parts = urlsplit(text)
    own = urlsplit(_endpoint(None)).netloc
    # A download address is one file on the web as well, but the Hub knows its commit and digests.
    return parts.netloc == own or parts.hostname in _PUBLIC


def _parse(target: Target) -> _Wanted:
    text = target.text
    if text.startswith("hf://"):
        body = text.removeprefix("hf://")
        kind = Kind.MODEL
        for prefix, chosen in (("datasets/", Kind.DATASET), ("models/", Kind.MODEL)):
            if body.startswith(prefix):
                body, kind = body.removeprefix(prefix), chosen
        name, _, revision = body.partition("@")
        wanted = _Wanted(name.strip("/"), kind, revision or None, None)
    else:
        wanted = _from_address(text)
    if not _NAME.match(wanted.name):
        raise TargetError(f"{text}: expected hf://org/name[@revision] or hf://datasets/org/name[@revision]")
    return wanted


def _from_address(text: str) -> _Wanted:
    parts = [unquote(part) for part in urlsplit(text).path.split("/") if part]
    kind = Kind.MODEL
    if parts[:1] == ["datasets"]:
        parts, kind = parts[1:], Kind.DATASET
    for index in (1, 2):
        if len(parts) > index + 1 and parts[index] in {"tree", "blob", "resolve", "raw", "commit"}:
            rest = "/".join(parts[index + 2 :])
            path = rest if parts[index] in {"blob", "resolve", "raw"} and rest else None
            return _Wanted("/".join(parts[:index]), kind, parts[index + 1], path)
    return _Wanted("/".join(parts[:2]), kind, None, None)


def _resolve(target: Target, options: Options) -> Resolved:
    from huggingface_hub import HfApi  # noqa: PLC0415 - heavy, and only for Hub targets

    wanted = _parse(target)
    endpoint = _endpoint(options.endpoint)
    api = HfApi(endpoint=endpoint, token=options.token or False, library_name="weighbridge")
    call = _Calls(target.text, wanted, endpoint, has_token=bool(options.token))
    repo_type = "dataset" if wanted.kind is Kind.DATASET else "model"
    info: Any = call(
        lambda: api.repo_info(
            wanted.name, repo_type=repo_type, revision=wanted.revision, timeout=options.timeout
        )
    )
    commit = str(info.sha or "")
    if not _COMMIT.match(commit):
        raise SourceError(f"{target.text}: {endpoint} gave no commit for the revision")
    entries = call(
        lambda: tuple(
            _entries(api.list_repo_tree(wanted.name, repo_type=repo_type, revision=commit, recursive=True))
        )
    )
    if wanted.path is not None:
        entries = tuple(entry for entry in entries if entry.path == wanted.path)
        if not entries:
            raise TargetError(f"{target.text}: {wanted.name} has no file {wanted.path} at {commit[:12]}")
    pinned = bool(wanted.revision and _COMMIT.match(wanted.revision))
    artefact = Artefact(
        target.text,
        "huggingface",
        wanted.name,
        wanted.kind,
        commit,
        tuple(sorted(entries, key=lambda entry: entry.path)),
        wanted.revision or "main" if not pinned else None,
        pinned,
        tuple(_claims(info)),
    )
    return Resolved(artefact, _openers(artefact, endpoint, options), findings=_pin(artefact))


def _openers(artefact: Artefact, endpoint: str, options: Options) -> dict[str, Any]:
    from scanner.net import RangeOpener  # noqa: PLC0415 - with the rest of the network code

    headers = {"Authorization": f"Bearer {options.token}"} if options.token else {}
    prefix = "datasets/" if artefact.kind is Kind.DATASET else ""
    base = f"{endpoint}/{prefix}{artefact.name}/resolve/{artefact.revision}"
    return {
        entry.path: RangeOpener(
            f"{base}/{quote(entry.path)}",
            headers,
            size=entry.size,
            timeout=options.timeout,
            spool=options.spool,
        )
        for entry in artefact.files
    }


def _pin(artefact: Artefact) -> tuple[Finding, ...]:
    if artefact.pinned:
        return ()
    message = f"the revision {artefact.requested_revision!r} can move; it is {artefact.revision} now"
    evidence = (("revision", artefact.requested_revision or ""),)
    return (Finding(UNPINNED, Location("."), message, evidence=evidence),)


def _entries(tree: Any) -> Iterator[FileEntry]:
    for number, item in enumerate(tree):
        if number > _FILES_LIMIT:
            raise SourceError(f"the repository lists more than {_FILES_LIMIT} files")
        size = getattr(item, "size", None)
        if size is None:
            continue  # a folder
        digests = []
        if item.lfs is not None:
            digests.append(Digest("sha256", str(item.lfs.sha256), Origin.DECLARED, "hub-lfs"))
        elif item.blob_id:
            digests.append(Digest("git-sha1", str(item.blob_id), Origin.DECLARED, "hub-git-blob"))
        yield FileEntry(item.path, int(size), tuple(digests))


def _claims(info: Any) -> Iterator[Claim]:
    """What the Hub says of the repository; all of it declared."""
    pairs = (
        (Claimed.AUTHOR, getattr(info, "author", None)),
        (Claimed.CREATED, getattr(info, "created_at", None)),
        (Claimed.MODIFIED, getattr(info, "last_modified", None)),
        (Claimed.GATED, getattr(info, "gated", None)),
        (Claimed.PRIVATE, getattr(info, "private", None)),
        (Claimed.LIBRARY, getattr(info, "library_name", None)),
        (Claimed.TASK, getattr(info, "pipeline_tag", None)),
    )
    for what, value in pairs:
        if value not in {None, ""}:
            text = (
                value.isoformat()
                if hasattr(value, "isoformat")
                else str(value).lower()
                if isinstance(value, bool)
                else str(value)
            )
            yield Claim(what, text, f"hub:{what.value}")
    for tag in getattr(info, "tags", None) or ():
        prefix, _, rest = str(tag).partition(":")
        if prefix == "license" and rest:
            yield Claim(Claimed.LICENCE, rest, "hub:tags")


class _Calls:
    """API calls with bounded retries, and errors that say the way out."""

    def __init__(self, target: str, wanted: _Wanted, endpoint: str, *, has_token: bool) -> None:
        self._target = target
        self._wanted = wanted
        self._endpoint = endpoint
        self._has_token = has_token

    def __call__(self, ask: Callable[[], Answer]) -> Answer:
        import httpx2  # noqa: PLC0415 - huggingface_hub's transport
        from huggingface_hub import errors  # noqa: PLC0415

        for attempt in range(_TRIES):
            try:
                return ask()
            except errors.OfflineModeIsEnabled as error:
                raise SourceError(
                    f"{self._target}: HF_HUB_OFFLINE is set; unset it, or scan the local cache"
                ) from error
            except errors.HfHubHTTPError as error:
                status = error.response.status_code
                if status not in {408, 429, 500, 502, 503, 504} or attempt == _TRIES - 1:
                    raise SourceError(self._explain(error, status)) from error
                after = error.response.headers.get("Retry-After", "")
                time.sleep(min(float(after) if after.isdigit() else 0.5 * 2**attempt, 20.0))
            except httpx2.HTTPError as error:
                if attempt == _TRIES - 1:
                    raise SourceError(
                        f"{self._target}: {self._endpoint} cannot be reached ({type(error).__name__}); "
                        "check the connection or name a mirror with --endpoint"
                    ) from error
                time.sleep(0.5 * 2**attempt)
            except (ValueError, KeyError, TypeError) as error:
                raise SourceError(
                    f"{self._target}: {self._endpoint} answered something that is not the Hub's API ({error})"
                ) from error
        raise SourceError(f"{self._target}: {self._endpoint} kept refusing")

    def _explain(self, error: Exception, status: int) -> str:
        from huggingface_hub import errors  # noqa: PLC0415 - as above

        name = self._wanted.name
        if isinstance(error, errors.GatedRepoError):
            why = f"{name} is gated: ask for access on its page, then give a token (--token or HF_TOKEN)"
        elif isinstance(error, errors.DisabledRepoError):
            why = f"{name} has been disabled by the Hub"
        elif isinstance(error, errors.RevisionNotFoundError):
            why = f"{name} has no revision {self._wanted.revision}"
        elif isinstance(error, errors.RepositoryNotFoundError):
            hint = "" if self._has_token else "; if it is private, give a token (--token or HF_TOKEN)"
            kind = "data set" if self._wanted.kind is Kind.DATASET else "model"
            other = "hf://" if self._wanted.kind is Kind.DATASET else "hf://datasets/"
            why = f"there is no {kind} {name} here{hint}; is it {other}{name}?"
        elif status == 401:
            why = "the token was refused: check --token or HF_TOKEN"
        elif status == 403:
            why = "access is forbidden with this token"
        elif status == 429:
            why = "too many requests: wait, or give a token for a higher limit"
        else:
            why = f"the Hub answered {status or 'nothing'}"
        return f"{self._target}: {why}"


SOURCE = Source(name="huggingface", accepts=_accepts, resolve=_resolve, rules=(UNPINNED,))
