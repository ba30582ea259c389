"""CycloneDX 1.6 and 1.7 in JSON: built with cyclonedx-python-lib, completed, checked, then handed out.

The library has no model card, no component data, no compositions and no citations: these are added
to what it wrote, by bom-ref. The same artefact gives the same bytes: references and the serial
number follow from the content, and the time is the caller's.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

from cyclonedx.exception import CycloneDxException
from cyclonedx.model.bom import Bom
from cyclonedx.output.json import JsonV1Dot6, JsonV1Dot7

from scanner.bom.cyclonedx.components import build
from scanner.bom.cyclonedx.modelcard import add_cards
from scanner.bom.cyclonedx.provenance import add_citations, add_compositions, add_properties
from scanner.bom.cyclonedx.validation import check
from scanner.bom.subject import subject_of
from scanner.errors import BomError
from scanner.result import Report

SPECS = ("1.6", "1.7")
_SERIALS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:weighbridge:bom")
_KEYS = ("$schema", "bomFormat", "specVersion", "serialNumber", "version", "metadata")


def render(report: Report, *, spec: str = "1.6", timestamp: str = "", endpoint: str = "") -> str:
    """The bill of materials of one artefact, ending in a newline.

    Args:
        report: What was found; the verdict plays no part.
        spec: One of :data:`SPECS`.
        timestamp: RFC 3339; empty for a bill without a time (and, in 1.7, without citations,
            which must carry one).
        endpoint: Address of the Hub where it is not the public one; part of the package URL.

    Raises:
        BomError: The document would not have been valid. Nothing is handed out.
    """
    if spec not in SPECS:
        raise BomError(f"CycloneDX {spec} is not written; choose {' or '.join(SPECS)}")
    subject = subject_of(report)
    document = _serialised(build(subject, endpoint), spec)
    document.pop("serialNumber")
    document["metadata"].pop("timestamp")
    add_cards(document, subject)
    places = add_properties(document, subject)
    add_compositions(document, subject)
    if spec == "1.7" and timestamp:
        add_citations(document, subject, places)
    content = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    document["serialNumber"] = f"urn:uuid:{uuid.uuid5(_SERIALS, content)}"
    if timestamp:
        document["metadata"]["timestamp"] = timestamp
        for citation in document.get("citations", ()):
            citation["timestamp"] = timestamp
    ordered = {key: document[key] for key in (*_KEYS, *sorted(document)) if key in document}
    text = json.dumps(ordered, indent=2, ensure_ascii=True) + "\n"
    check(text, spec)
    return text


def _serialised(bom: Bom, spec: str) -> dict[str, Any]:
    """What the library writes, as plain data."""
    writer = JsonV1Dot7 if spec == "1.7" else JsonV1Dot6
    try:
        document: dict[str, Any] = json.loads(writer(bom).output_as_string())
    except CycloneDxException as error:
        raise BomError(f"the bill of materials could not be built: {error}") from error
    return document
