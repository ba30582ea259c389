"""in-toto statements: who says what about which files.

Source: in-toto/attestation ``spec/v1/statement.md``; version 0.1 differs in its type only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from scanner.errors import FormatError
from scanner.trust.bundle import IN_TOTO, Envelope
from scanner.trust.documents import optional, parse_json, take

V1 = "https://in-toto.io/Statement/v1"
_TYPES = frozenset({V1, "https://in-toto.io/Statement/v0.1"})
_HEX = re.compile(r"[0-9a-f]+\Z")


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that a statement is about."""

    name: str
    digests: tuple[tuple[str, str], ...]
    """Algorithm and lower-case hexadecimal value, in the order of the statement."""


@dataclass(frozen=True, slots=True)
class Statement:
    """The payload of an envelope."""

    type: str
    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Any


def parse(envelope: Envelope) -> Statement:
    """The statement that an envelope carries.

    Raises:
        FormatError: The payload is not an in-toto statement.
    """
    if envelope.payload_type != IN_TOTO:
        raise FormatError(f"the payload is {envelope.payload_type[:80]}, not an in-toto statement")
    document = parse_json(envelope.payload, "the signed statement")
    kind = take(document, "_type", str)
    if kind not in _TYPES:
        raise FormatError(f"the signed statement is of the unknown type {kind[:80]}")
    subjects = tuple(_subject(entry) for entry in take(document, "subject", list))
    if not subjects:
        raise FormatError("the signed statement is about nothing")
    return Statement(kind, subjects, take(document, "predicateType", str), document.get("predicate"))


def _subject(entry: Any) -> Subject:
    digests = tuple(take(entry, "digest", dict).items())
    if not digests:
        raise FormatError("a subject of the statement has no digest")
    for algorithm, value in digests:
        # NOTE: git object ids and the like are hexadecimal too; other values are nothing to compare.
        if not isinstance(value, str) or not _HEX.match(value):
            raise FormatError(f"the {algorithm[:20]} digest of a subject is not hexadecimal")
    return Subject(optional(entry, "name", str) or "", digests)
