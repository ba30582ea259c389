"""Croissant descriptions of data sets: each ``FileObject`` with a digest, held against the files.

Source: Croissant format 1.1, "FileObject" (``contentUrl``, ``sha256``, ``md5``, ``containedIn``).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from scanner.errors import FormatError
from scanner.model import Finding, Location
from scanner.result import Outcome, Verification
from scanner.trust.digests import MISMATCH
from scanner.trust.documents import parse_json
from scanner.trust.evidence import Evidence
from scanner.trust.sums import tell

_LIMIT = 8 << 20
_MARK = b"mlcommons.org/croissant"
_DIGITS = {"sha256": 64, "md5": 32}
_HEX = re.compile(r"[0-9a-fA-F]+\Z")


@dataclass(frozen=True, slots=True)
class FileObject:
    """One file that a description names."""

    name: str
    url: str
    algorithm: str
    value: str


def verify(evidence: Evidence) -> Iterator[Verification | Finding]:
    """Check every Croissant description in the artefact."""
    for path in sorted(evidence.files):
        name = path.rpartition("/")[2].lower()
        named = "croissant" in name
        if not name.endswith((".json", ".jsonld", ".json-ld")) or not (named or evidence.whole(path)):
            continue
        if evidence.files[path].size > _LIMIT:
            continue
        data = evidence.read(path, _LIMIT)
        if data is None or _MARK not in data:
            continue
        try:
            objects = tuple(parse(parse_json(data, "the description")))
        except FormatError as error:
            yield Verification("croissant", Outcome.UNSUPPORTED, error.reason, location=Location(path))
            continue
        yield from _check(path, objects, evidence)


def parse(document: Any) -> Iterator[FileObject]:
    """The files with a digest in a description; what lies inside an archive is left out."""
    listed = document.get("distribution") if isinstance(document, dict) else None
    for entry in listed if isinstance(listed, list) else [listed]:
        if not isinstance(entry, dict) or entry.get("containedIn"):
            continue
        if str(entry.get("@type", "")).rpartition(":")[2].rpartition("/")[2] != "FileObject":
            continue
        for algorithm, digits in _DIGITS.items():
            value = entry.get(algorithm, entry.get(f"sc:{algorithm}"))
            if isinstance(value, str) and len(value) == digits and _HEX.match(value):
                name, url = entry.get("name"), entry.get("contentUrl")
                yield FileObject(
                    str(name or entry.get("@id") or ""), str(url or ""), algorithm, value.lower()
                )
                break


def _check(
    description: str, objects: tuple[FileObject, ...], evidence: Evidence
) -> Iterator[Verification | Finding]:
    folder = description.rpartition("/")[0]
    groups: dict[Outcome, dict[str, None]] = defaultdict(dict)
    for item in objects:
        path = _find(item, folder, evidence)
        own = evidence.digest(path, item.algorithm) if path else None
        if path is None:
            continue
        if own is None:
            groups[Outcome.UNSUPPORTED][path] = None
        elif own == item.value:
            groups[Outcome.VERIFIED][path] = None
        else:
            groups[Outcome.INVALID][path] = None
            told = (("declared", item.value), ("computed", own))
            message = f"{item.algorithm} differs from the one in {description}"
            yield Finding(MISMATCH, Location(path), message, evidence=told)
    yield from tell("croissant", description, groups)


def _find(item: FileObject, folder: str, evidence: Evidence) -> str | None:
    """The file that is meant: by relative path, by the end of its address, by name; ``None`` if none is."""
    prefix = folder + "/" if folder else ""
    address = urlsplit(item.url)
    route = unquote(address.path)
    if not address.scheme and not address.netloc:
        for candidate in (prefix + route.removeprefix("./"), prefix + item.name):
            if candidate in evidence.files:
                return candidate
        return None
    # An address names a file here where it ends in the file's whole path below the description.
    ends = [
        path
        for path in evidence.files
        if path.startswith(prefix) and route.endswith("/" + path.removeprefix(prefix))
    ]
    return max(ends, key=len, default=None)
