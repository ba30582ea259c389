"""The strict JSON schemas that come with cyclonedx-python-lib, applied in time that grows with the document.

The library's own validator compares every item of a list with every other one: a minute and a half
for a model of two thousand files. Everything else is the same, and a test holds the two together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.schema._res import BOM_JSON_STRICT, CRYPTOGRAPHY_DEFS, JSF, SPDX_JSON
from jsonschema import Draft7Validator, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.jsonschema import DRAFT7

_BASE = "http://cyclonedx.org/schema/"
_OTHERS = {
    "cryptography-defs.SNAPSHOT.schema.json": CRYPTOGRAPHY_DEFS,
    "jsf-0.82.SNAPSHOT.schema.json": JSF,
    "spdx.SNAPSHOT.schema.json": SPDX_JSON,
}


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
    return linear(schema, registry=registry, format_checker=Draft7Validator.FORMAT_CHECKER)


def _load(path: str | None) -> Any:
    return json.loads(Path(str(path)).read_text(encoding="utf-8"))
