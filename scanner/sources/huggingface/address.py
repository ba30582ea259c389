"""What a Hub target names: repository, kind, revision, path. ``hf://`` forms and pasted addresses."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from scanner.errors import TargetError
from scanner.model import Kind, Target

COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)?\Z")
_REFERENCE = re.compile(r"(refs/(?:pr|convert|heads|tags)/[^/]+)(?:/(.*))?\Z", re.DOTALL)
_PUBLIC = re.compile(r"https?://(?:(?:www\.)?huggingface\.co|hf\.co)(?:[/?#]|\Z)", re.IGNORECASE)
_DEFAULT = "https://huggingface.co"
_VIEWS = frozenset({"tree", "blob", "resolve", "raw", "commit", "commits", "blame"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for."""

    name: str
    kind: Kind
    revision: str | None = None
    path: str | None = None
    """One file or one folder of the repository; ``None``: all of it."""


def endpoint_of(chosen: str | None) -> str:
    """The Hub to ask: what the user chose, ``HF_ENDPOINT``, or the public one."""
    return (chosen or os.environ.get("HF_ENDPOINT") or _DEFAULT).rstrip("/")


def accepts(text: str, endpoint: str) -> bool:
    """Whether a target is one of the Hub's: ``hf://…`` or an address of the Hub or of the mirror."""
    if text.startswith("hf://"):
        return True
    if not text.startswith(("https://", "http://")):
        return False
    # A download address is one file on the web as well, but the Hub knows its commit and digests.
    return f"{text}/".startswith(f"{endpoint}/") or _PUBLIC.match(text) is not None


def parse(target: Target, endpoint: str) -> Wanted:
    """What a target names.

    Raises:
        TargetError: It names no repository.
    """
    text = target.text
    wanted = _from_uri(target) if text.startswith("hf://") else _from_address(target, endpoint)
    if not _NAME.match(wanted.name):
        raise TargetError(
            f"{text}: expected hf://org/name[@revision][/path] or hf://datasets/org/name[@revision][/path]"
        )
    return wanted


def _from_uri(target: Target) -> Wanted:
    body = target.text.removeprefix("hf://")
    kind = target.kind or Kind.MODEL
    for prefix, chosen in (("datasets/", Kind.DATASET), ("models/", Kind.MODEL)):
        if body.startswith(prefix):
            body, kind = body.removeprefix(prefix), chosen
    if body.startswith(("spaces/", "kernels/", "buckets/")):
        raise TargetError(f"{target.text}: models and data sets are read, {body.partition('/')[0]} are not")
    name, at, rest = body.partition("@")
    if not at:
        parts = name.split("/", 2)
        path = parts[2].strip("/") if len(parts) > 2 else ""
        return Wanted("/".join(parts[:2]).strip("/"), kind, None, path or None)
    reference = _REFERENCE.match(rest)
    if reference:
        revision, path = reference[1], reference[2] or ""
    else:
        # A branch with a slash in its name is written with %2F, as in the Hub's own addresses.
        revision, _, path = rest.partition("/")
    return Wanted(name.strip("/"), kind, unquote(revision) or None, path.strip("/") or None)


def _from_address(target: Target, endpoint: str) -> Wanted:
    own = urlsplit(endpoint).path if f"{target.text}/".startswith(f"{endpoint}/") else ""
    where = urlsplit(target.text).path.removeprefix(own)
    parts = [unquote(part) for part in where.split("/") if part]
    if parts[:1] == ["api"]:
        parts = parts[1:]
    kind = target.kind or Kind.MODEL
    if parts[:1] in (["datasets"], ["models"]):
        kind = Kind.DATASET if parts[0] == "datasets" else Kind.MODEL
        parts = parts[1:]
    elif parts[:1] and parts[0] in {"spaces", "kernels", "collections", "papers", "docs", "blog"}:
        raise TargetError(f"{target.text}: is no model and no data set")
    for index in (1, 2):
        if len(parts) > index + 1 and parts[index] in {*_VIEWS, "revision"}:
            path = "/".join(parts[index + 2 :]) if not parts[index].startswith("commit") else ""
            return Wanted("/".join(parts[:index]), kind, parts[index + 1], path or None)
    return Wanted("/".join(parts[:2]), kind)
