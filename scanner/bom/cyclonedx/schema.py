"""The strict JSON schemas that come with cyclonedx-python-lib, applied in time that grows with the document.

The library's own validator compares every item of a list with every other one: a minute and a half
for a model of two thousand files. And its checker of addresses takes twelve seconds for one of 20,000
characters, which a stranger may declare. Everything else is the same, and a test holds the two together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.schema._res import BOM_JSON_STRICT, CRYPTOGRAPHY_DEFS, JSF, SPDX_JSON
from jsonschema import Draft7Validator, FormatChecker, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT7
from rfc3986_validator import validate_rfc3986

_BASE = "http://cyclonedx.org/schema/"
_OTHERS = {
    "cryptography-defs.SNAPSHOT.schema.json": CRYPTOGRAPHY_DEFS,
    "jsf-0.82.SNAPSHOT.schema.json": JSF,
    "spdx.SNAPSHOT.schema.json": SPDX_JSON,
}


FORMATS = FormatChecker(())
"""The library's checkers, but addresses (RFC 3987) have to be such in ASCII (RFC 3986), as ours are."""
FORMATS.checkers = {**Draft7Validator.FORMAT_CHECKER.checkers}


@FORMATS.checks("iri-reference")
def _is_address(instance: object) -> bool:
    # NOTE: the expression of the library ends in `$`, which a line feed may follow.
    return not isinstance(instance, str) or (
        "\n" not in instance and validate_rfc3986(instance, rule="URI_reference") is not None
    )


def schema_problems(document: Any, spec: str) -> Iterator[str]:
    """What is wrong, each with its place; nothing for a valid document."""
    for error in _validator(spec).iter_errors(document):
        place = "/".join(str(part) for part in error.absolute_path)
        yield f"/{place}: {error.message[:200]}"


def _unique(validator: Any, wanted: bool, instance: Any, schema: Any) -> Iterator[ValidationError]:  # noqa: FBT001 - jsonschema's signature
    del schema
    if wanted and validator.is_type(instance, "array"):
        written = {json.dumps(item, sort_keys=True) for item in instance}
        if len(written) != len(instance):
            yield ValidationError("has non-unique elements")


@cache
def _validator(spec: str) -> Any:
    schema = _load(BOM_JSON_STRICT[SchemaVersion.from_version(spec)])
    registry: Registry[Any] = Registry().with_resources(
        [(_BASE + name, DRAFT7.create_resource(_load(path))) for name, path in _OTHERS.items()]
    )
    linear = extend(Draft7Validator, {"uniqueItems": _unique})  # type: ignore[no-untyped-call]
    return linear(schema, registry=registry, format_checker=FORMATS)


def _load(path: str | None) -> Any:
    return json.loads(Path(str(path)).read_text(encoding="utf-8"))
