"""Checks before a bill of materials leaves: the strict schema, then what no schema can see."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from packageurl import PackageURL

from scanner.bom.cyclonedx.schema import schema_problems
from scanner.bom.licences import normalise
from scanner.errors import BomError

_SHOWN = 5
_HEX = re.compile(r"[0-9a-f]+\Z")
_LENGTHS = {
    "MD5": 32,
    "SHA-1": 40,
    "SHA-256": 64,
    "SHA-384": 96,
    "SHA-512": 128,
    "SHA3-256": 64,
    "SHA3-384": 96,
    "SHA3-512": 128,
    "BLAKE2b-256": 64,
    "BLAKE2b-384": 96,
    "BLAKE2b-512": 128,
    "BLAKE3": 64,
}

JsonObject = dict[str, Any]


def check(text: str, spec: str) -> None:
    """Refuse a document that is not valid CycloneDX of that version, or that contradicts itself.

    Raises:
        BomError: With the first problems and their places.
    """
    document = json.loads(text)
    problems = list(islice(schema_problems(document, spec), _SHOWN)) or list(
        islice(_integrity(document), _SHOWN)
    )
    if problems:
        raise BomError(
            "the bill of materials would not have been valid and was not written: " + "; ".join(problems)
        )


def _integrity(document: JsonObject) -> Iterator[str]:
    refs = Counter(part["bom-ref"] for part in _objects(document) if isinstance(part.get("bom-ref"), str))
    yield from (f"the bom-ref {ref!r} stands {count} times" for ref, count in refs.items() if count > 1)
    yield from (
        f"{what} points to {ref!r}, which is not there" for what, ref in _links(document) if ref not in refs
    )
    yield from _pointers(document)
    for part in _objects(document):
        if "alg" in part and "content" in part:
            yield from _hash(part)
        if "purl" in part:
            yield from _purl(part["purl"])
        if isinstance(expression := part.get("expression"), str) and normalise(expression) != expression:
            yield f"{expression!r} is no SPDX licence expression"
        if "data" in part and part.get("type") not in {None, "data"}:
            yield f"{part.get('bom-ref')!r} has data, but is no data component"
        if "modelCard" in part and part.get("type") != "machine-learning-model":
            yield f"{part.get('bom-ref')!r} has a model card, but is no model"


def _objects(value: Any) -> Iterator[JsonObject]:
    """Every object of the document, without recursion."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            yield item
            left.extend(item.values())
        elif isinstance(item, list):
            left.extend(item)


def _links(document: JsonObject) -> Iterator[tuple[str, str]]:
    for entry in document.get("dependencies", ()):
        yield "a dependency", entry["ref"]
        yield from (("a dependency", ref) for ref in entry.get("dependsOn", ()))
    for entry in document.get("compositions", ()):
        yield from (("a composition", ref) for ref in entry.get("assemblies", ()))
        yield from (("a composition", ref) for ref in entry.get("dependencies", ()))
    for entry in document.get("citations", ()):
        yield from (("a citation", entry[key]) for key in ("attributedTo", "process") if key in entry)
    for part in _objects(document):
        parameters = part.get("modelParameters")
        for dataset in parameters.get("datasets", ()) if isinstance(parameters, dict) else ():
            if "ref" in dataset:
                yield "a model card", dataset["ref"]


def _pointers(document: JsonObject) -> Iterator[str]:
    for citation in document.get("citations", ()):
        for pointer in citation.get("pointers", ()):
            value: Any = document
            try:
                for key in pointer.split("/")[1:]:
                    value = value[int(key)] if isinstance(value, list) else value[key]
            except (KeyError, IndexError, ValueError, TypeError):
                yield f"a citation points to {pointer}, which is not there"


def _hash(part: JsonObject) -> Iterator[str]:
    wanted = _LENGTHS.get(part["alg"])
    if wanted is not None and (len(part["content"]) != wanted or not _HEX.fullmatch(part["content"])):
        yield f"{part['content'][:80]!r} is no {part['alg']}"


def _purl(text: str) -> Iterator[str]:
    try:
        purl = PackageURL.from_string(text)
    except ValueError as error:
        yield f"{text!r} is no package URL: {error}"
        return
    if purl.to_string() != text:
        yield f"{text!r} is not in the canonical form {purl.to_string()!r}"
    if purl.type == "huggingface" and not (purl.namespace and purl.version):
        yield f"{text!r}: a huggingface package URL needs a namespace and a commit"
