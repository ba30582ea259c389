"""Model and data set cards: what their YAML front matter says about the artefact."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Read
from scanner.model import Check, Claim, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader

DUPLICATE_KEY = Rule(
    id="model-card/duplicate-key",
    title="The card's front matter has the same key twice",
    severity=Severity.LOW,
    check=Check.PROVENANCE,
    finds="A key that stands more than once in the front matter of a card.",
    why="The Hub and other readers refuse the card or take one of the two: it does not say one thing.",
    remedy="Keep one of the two.",
    example="`license: mit` and, below it, `license: apache-2.0`",
    references=("https://huggingface.co/docs/hub/model-cards",),
)
TAG = Rule(
    id="model-card/object-tag",
    title="The card's front matter has a loader build an object",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="A YAML tag other than those of plain values in the front matter.",
    why="A program that reads cards with an unsafe YAML loader runs what the tag names; cards need no tags.",
    remedy="Do not read the card with anything but a safe loader; ask the publisher what the tag is for.",
    example="`license: !!python/object/apply:os.system ['true']`",
    references=("CWE-502",),
)
_LIMIT = 2 << 20
# The Hub's own expression: huggingface_hub/repocard.py, REGEX_YAML_BLOCK.
_BLOCK = re.compile(r"\s*---[ \t]*[\r\n]+(.*?)[\r\n]+---[ \t]*(?:\r?\n|$)", re.DOTALL)
_BEGINS = re.compile(rb"(?:\xef\xbb\xbf)?\s*---[ \t]*\r?\n")
_KEYS = re.compile(
    rb"^(?:license|licence|language|tags|datasets|base_model|library_name|pipeline_tag|metrics|model-index|"
    rb"widget|inference|license_name|license_link|pretty_name|task_categories|size_categories|dataset_info|"
    rb"configs|extra_gated_prompt|co2_eq_emissions|thumbnail|model_name|annotations_creators)[ \t]*:",
    re.MULTILINE,
)
_PLAIN_TAG = re.compile(r"!?|!!(?:str|int|float|bool|null|map|seq|set|omap|binary|timestamp|merge|value)")
_MOST = 1000


def _matches(head: Head) -> bool:
    if head.data[:1] not in b"-\xef \r\n\t" or not _BEGINS.match(head.data):
        return False
    return head.name.endswith(".md") or _is_card(head)


def _is_card(head: Head) -> bool:
    """Front matter under another name: its keys, and text behind it."""
    return (
        not head.name.endswith((".yaml", ".yml"))
        and b"\n---" in head.data
        and (_KEYS.search(head.data) is not None)
    )


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    # ruamel is only loaded where there is front matter.
    from scanner.formats.model_card.claims import claims  # noqa: PLC0415
    from scanner.formats.model_card.considerations import considerations  # noqa: PLC0415
    from scanner.wire import yaml  # noqa: PLC0415

    length = min(reader.size, _LIMIT)
    budget.spend_bytes(length)
    text = reader.read_at(0, length).decode("utf-8-sig", "replace")
    match = _BLOCK.match(text)
    if not match:
        if reader.size > _LIMIT:
            raise FormatError(f"the front matter is longer than {_LIMIT} bytes", 0)
        # A line of dashes and no second one: a rule of Markdown, not front matter.
        yield Facts("model-card")
        yield Read(Coverage.WHOLE)
        return
    first = text.count("\n", 0, match.start(1))
    found: list[Claim] = []
    for document in yaml.compose(match[1]):
        for node in yaml.nodes(document, budget):
            place = where.at(line=first + yaml.line_of(node))
            tag = yaml.tag_of(node)
            if not _PLAIN_TAG.fullmatch(tag):
                yield Finding(TAG, place, f"has the tag {tag[:120]}", evidence=(("tag", tag[:120]),))
            for key in yaml.repeated(node)[:20]:
                message = f"the front matter names {key[:80]!r} twice"
                yield Finding(DUPLICATE_KEY, place, message, evidence=(("key", key[:80]),))
        found += claims(document)
    end = match.end()
    found += considerations(text[end:], text.count("\n", 0, end))
    yield Facts("model-card", claims=tuple(dict.fromkeys(found))[:_MOST])
    yield Read(Coverage.WHOLE)


FORMAT = Format(
    name="model-card",
    title="model or data set card",
    matches=_matches,
    inspect=_inspect,
    rules=(DUPLICATE_KEY, TAG),
    within=("text",),
    spec="https://huggingface.co/docs/hub/model-cards",
)
