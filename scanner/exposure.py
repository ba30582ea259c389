"""Rules over any text that a format surfaces: secrets and hidden instructions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

from scanner.inspection import Text
from scanner.model import Check, Finding, Location, Rule, Severity

SECRET = Rule(
    id="exposure/secret",
    title="A secret stands in the open",
    severity=Severity.MEDIUM,
    check=Check.SECRET,
    finds="An access token or a private key, recognised by its structure.",
    why="Whoever has the artefact can use it.",
    remedy="Revoke the secret, then remove it; every copy of the artefact still has it.",
    example="A line that begins with `-----BEGIN PRIVATE KEY-----`.",
    limits="Secrets without a structure of their own (passwords) are not recognised.",
    references=("CWE-798",),
)
HIDDEN = Rule(
    id="exposure/hidden-text",
    title="Text that people cannot see",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_INSTRUCTIONS,
    finds="Unicode tag characters or bidirectional overrides in text.",
    why="A model reads instructions that its users do not see.",
    remedy="Look at the text with an editor that shows all characters, and remove them.",
    example="A model card with tag characters U+E0061 behind a sentence.",
    references=("CWE-1007",),
)
RULES = (SECRET, HIDDEN)

_SECRETS = re.compile(
    r"(?P<huggingface>\bhf_[A-Za-z]{34}\b)|(?P<github>\bgh[pousr]_[A-Za-z0-9]{36}\b)"
    r"|(?P<aws>\b(?:AKIA|ASIA)[A-Z2-7]{16}\b)"
    r"|(?P<key>-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY-----)"
)
# Each secret has one of these in it: looking for them first costs a fraction of the expression.
_MARKS = ("hf_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "AKIA", "ASIA", "PRIVATE KEY")
_TAGS = re.compile("[\U000e0020-\U000e007e]{2,}")
_FLAG = "\U0001f3f4"
_OVERRIDES = ("\u202d", "\u202e")


def expose(texts: Iterable[Text]) -> Iterator[Finding]:
    """Findings about texts; a secret is never repeated in full."""
    for text in texts:
        if any(mark in text.text for mark in _MARKS):
            yield from _secrets(text)
        if not text.text.isascii():
            yield from _hidden(text)


def _secrets(text: Text) -> Iterator[Finding]:
    for match in _SECRETS.finditer(text.text):
        value = match[0]
        kind = match.lastgroup or "secret"
        mark = hashlib.sha256(value.encode()).hexdigest()[:12]
        evidence = (("kind", kind), ("sha256", mark))
        message = f"{kind} secret {value[:4]}… ({len(value)} characters)"
        yield Finding(SECRET, _place(text, match.start()), message, evidence=evidence)


def _hidden(text: Text) -> Iterator[Finding]:
    # Flags of nations (U+1F3F4 and tags) are ordinary; a run of tags behind anything else is not.
    tags = (m.start() for m in _TAGS.finditer(text.text) if text.text[m.start() - 1 : m.start()] != _FLAG)
    overrides = (at for at in map(text.text.find, _OVERRIDES) if at >= 0)
    for name, places in (("tag characters", tags), ("direction overrides", overrides)):
        first = min(places, default=None)
        if first is not None:
            yield Finding(HIDDEN, _place(text, first), f"has {name}", evidence=(("kind", name),))


def _place(text: Text, index: int) -> Location:
    if text.location.line is None:
        return text.location
    return text.location.at(line=text.location.line + text.text.count("\n", 0, index))
