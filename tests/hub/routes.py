"""The routes of the test Hub: from a path to an answer, without a socket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.hub.repository import Blob, Commit, Repository

_PLURAL = {"models": "model", "datasets": "dataset"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: Blob | bytes = b""


class Store(Protocol):
    """What the routes ask of the Hub."""

    repositories: dict[tuple[str, str], Repository]
    tokens: set[str]
    cdn: bool
    page: int
    link_to: str

    @property
    def url(self) -> str: ...

    @property
    def cdn_url(self) -> str: ...

    def blob_by_digest(self, digest: str) -> Blob | None: ...


class Routes:
    """The table of routes; each gives an :class:`Answer`."""

    def __init__(
        self, hub: Store, origin: str, path: str, authorization: str, form: Mapping[str, list[str]]
    ) -> None:
        self._hub = hub
        self._origin = origin
        self._form = form
        parts = urlsplit(path)
        self._query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self._parts = [unquote(part) for part in parts.path.split("/") if part]
        self._path = parts.path
        self._token = authorization.removeprefix("Bearer ")

    def answer(self) -> Answer:
        parts = self._parts
        if self._origin == "cdn":
            found = self._hub.blob_by_digest(parts[-1]) if parts else None
            if found is None or self._query.get("signature") != "valid":
                return Answer(403, {}, b"the signed address has expired")
            return Answer(200, {"ETag": f'"{found.etag}"', "Accept-Ranges": "bytes"}, found)
        if parts[:1] == ["api"] and len(parts) > 3 and parts[1] in _PLURAL:
            return self._api(_PLURAL[parts[1]], "/".join(parts[2:4]), parts[4:])
        kind = _PLURAL.get(parts[0], "model") if parts else "model"
        rest = parts[1:] if parts and parts[0] in _PLURAL else parts
        if len(rest) > 4 and rest[2] == "resolve":
            return self._resolve(kind, "/".join(rest[:2]), rest[3], "/".join(rest[4:]))
        return _error(404, "", "Not Found")

    def _repository(self, kind: str, name: str) -> Repository | Answer:
        found = self._hub.repositories.get((kind, name))
        if self._token and self._token not in self._hub.tokens:
            return _error(401, "", "Invalid credentials in Authorization header")
        if found is None or (found.private and self._token not in found.readers):
            # As the real Hub: it does not tell strangers what exists.
            return _error(404 if self._token else 401, "RepoNotFound", "Repository not found")
        if found.disabled:
            return _error(403, "", "Access to this resource is disabled.")
        return found

    def _api(self, kind: str, name: str, rest: list[str]) -> Answer:
        found = self._repository(kind, name)
        if isinstance(found, Answer):
            return found
        if rest[:1] == ["refs"]:
            return _json(
                {
                    "branches": [_ref(name, "heads", ident) for name, ident in found.branches.items()],
                    "converts": [],
                    "tags": [_ref(name, "tags", ident) for name, ident in found.tags.items()],
                    "pullRequests": [],
                }
            )
        if rest[:1] == ["auth-check"]:
            return _json({})
        commit = found.find(rest[1] if len(rest) > 1 else "main")
        if commit is None:
            return _error(404, "RevisionNotFound", f"Invalid rev id: {rest[1] if len(rest) > 1 else 'main'}")
        if not rest or rest[0] == "revision":
            return _json(_info(found, commit, blobs="blobs" in self._query))
        if rest[0] == "tree":
            return self._tree(commit, "/".join(rest[2:]))
        if rest[0] == "paths-info":
            wanted = self._form.get("paths", [])
            return _json([_file(path, commit.files[path]) for path in wanted if path in commit.files])
        if rest[0] == "commits":
            return _json([_commit(found.commits[ident]) for ident in reversed(found.commits)])
        return _error(404, "", "Not Found")

    def _tree(self, commit: Commit, under: str) -> Answer:
        prefix = f"{under}/" if under else ""
        recursive = self._query.get("recursive", "").lower() == "true"
        entries: list[dict[str, Any]] = []
        for path, ident in commit.trees.items():
            below = path.removeprefix(prefix)
            if path and path.startswith(prefix) and below and (recursive or "/" not in below):
                entries.append({"type": "directory", "oid": ident, "size": 0, "path": path})
        for path, file in commit.files.items():
            if path.startswith(prefix) and (recursive or "/" not in path.removeprefix(prefix)):
                entries.append(_file(path, file))
        if under and not entries:
            return _error(404, "EntryNotFound", f"{under} does not exist")
        entries.sort(key=lambda entry: str(entry["path"]))
        start = int(self._query.get("cursor", "0"))
        answer = _json(entries[start : start + self._hub.page])
        if start + self._hub.page < len(entries):
            query = f"recursive={recursive}&cursor={start + self._hub.page}"
            address = f"{self._hub.link_to or self._hub.url}{self._path}?{query}"
            answer.headers["Link"] = f'<{address}>; rel="next"'
        return answer

    def _resolve(self, kind: str, name: str, revision: str, path: str) -> Answer:
        found = self._repository(kind, name)
        if isinstance(found, Answer):
            return found
        if found.gated and self._token not in found.readers:
            return _error(403 if self._token else 401, "GatedRepo", f"Access to {name} is restricted")
        commit = found.find(revision)
        if commit is None:
            return _error(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        file = commit.files.get(path)
        if file is None:
            return _error(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": commit.id})
        headers = {"ETag": f'"{file.etag}"', "X-Repo-Commit": commit.id, "Accept-Ranges": "bytes"}
        if file.sha256:
            headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
            if self._hub.cdn:
                where = f"{self._hub.cdn_url}/{quote(name)}/{file.sha256}?signature=valid"
                return Answer(302, {**headers, "Location": where})
        return Answer(200, headers, file)


def _json(body: object) -> Answer:
    return Answer(200, {"Content-Type": "application/json"}, json.dumps(body).encode())


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Answer:
    named = {"X-Error-Code": code} if code else {}
    body = json.dumps({"error": message}).encode()
    return Answer(status, {"X-Error-Message": message, **named, **(headers or {})}, body)


def _ref(name: str, kind: str, ident: str) -> dict[str, str]:
    return {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": ident}


def _file(path: str, file: Blob) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": file.oid, "size": file.size, "path": path}
    if file.sha256:
        entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
    return entry


def _commit(commit: Commit) -> dict[str, Any]:
    return {
        "id": commit.id,
        "authors": [{"user": "test"}],
        "date": "2023-11-14T22:13:20.000Z",
        "title": commit.title,
        "message": "",
    }


def _info(repository: Repository, commit: Commit, *, blobs: bool) -> dict[str, Any]:
    siblings = []
    for path, file in commit.files.items():
        entry: dict[str, Any] = {"rfilename": path}
        if blobs:
            entry |= {"size": file.size, "blobId": file.oid}
            if file.sha256:
                entry["lfs"] = {
                    "sha256": file.sha256,
                    "size": file.size,
                    "pointerSize": file.pointer_size,
                }
        siblings.append(entry)
    return {
        "_id": commit.id[:24],
        "id": repository.name,
        "sha": commit.id,
        "author": repository.name.partition("/")[0],
        "createdAt": "2023-11-14T22:13:20.000Z",
        "lastModified": "2023-11-14T22:13:20.000Z",
        "private": repository.private,
        "gated": "manual" if repository.gated else False,
        "disabled": repository.disabled,
        "downloads": 0,
        "likes": 0,
        "tags": repository.labels,
        "cardData": repository.card,
        "siblings": siblings,
    }
