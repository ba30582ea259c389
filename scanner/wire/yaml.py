"""YAML as a tree of nodes: composed, never constructed; repeated keys, tags and aliases are kept."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import Scanner

from scanner.errors import FormatError
from scanner.reader import Budget

DEPTH = 64
"""Deepest nesting of blocks and of brackets."""

_TAG = "tag:yaml.org,2002:"


class _Bounded(Scanner):
    """ruamel's scanner takes time quadratic in the nesting, and its composer recurses."""

    def fetch_flow_collection_start(self, token: Any, to_push: str) -> None:
        if len(self.flow_context) >= DEPTH:
            raise MarkedYAMLError(
                problem=f"nested more than {DEPTH} deep", problem_mark=self.reader.get_mark()
            )
        super().fetch_flow_collection_start(token, to_push)

    def add_indent(self, column: int) -> bool:
        if len(self.indents) >= DEPTH:
            raise MarkedYAMLError(
                problem=f"nested more than {DEPTH} deep", problem_mark=self.reader.get_mark()
            )
        return bool(super().add_indent(column))


def compose(text: str) -> list[Node]:
    """The documents of a YAML stream, in YAML 1.2 unless it says otherwise.

    Raises:
        FormatError: It is no YAML, or is nested more than :data:`DEPTH` deep.
    """
    reader = YAML(typ="safe", pure=True)
    reader.Scanner = _Bounded
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor may be given again; ruamel only remarks on it
            return [node for node in reader.compose_all(text) if node is not None]
    except MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark is not None else ""
        raise FormatError(f"{error.problem or error.context}{line}") from error
    except ReaderError as error:
        raise FormatError(f"has a character that YAML does not allow ({error.character!r})") from error
    except (YAMLError, ValueError, RecursionError, AttributeError, IndexError, TypeError) as error:
        # ruamel raises some built-in errors for documents that are not YAML.
        raise FormatError(f"is no YAML ({type(error).__name__})") from error


def decode(raw: bytes) -> str:
    """The text of a YAML file: UTF-8, or UTF-16 with a byte order mark.

    Raises:
        FormatError: It is neither.
    """
    try:
        return raw.decode("utf-16" if raw[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError("is not valid UTF-8", error.start) from error


def nodes(root: Node, budget: Budget) -> Iterator[Node]:
    """Every node once, however many aliases lead to it."""
    pending, seen = [root], set()
    while pending:
        node = pending.pop()
        budget.spend_items()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, MappingNode):
            pending += [part for pair in reversed(node.value) for part in reversed(pair)]
        elif isinstance(node, SequenceNode):
            pending += reversed(node.value)


def pairs(node: Node) -> list[tuple[str, Node]]:
    """Keys that are texts, with their values, in file order; repeated keys stand repeatedly."""
    if not isinstance(node, MappingNode):
        return []
    return [(str(key.value), value) for key, value in node.value if isinstance(key, ScalarNode)]


def every(node: Node, key: str) -> list[Node]:
    """Every value that some reader finds under a key."""
    return [value for name, value in pairs(node) if name == key]


def repeated(node: Node) -> list[str]:
    """Keys that stand more than once in this mapping."""
    counts = Counter(name for name, _ in pairs(node))
    return sorted(name for name, count in counts.items() if count > 1)


def line_of(node: Node) -> int:
    """1-based line on which the node begins."""
    return int(node.start_mark.line) + 1


def tag_of(node: Node) -> str:
    """The tag in full, ``!!python/name:x`` shortened to its YAML spelling."""
    tag = str(node.tag or "")
    return f"!!{tag[len(_TAG) :]}" if tag.startswith(_TAG) else tag


def scalars(node: Node) -> list[tuple[str, Node]]:
    """The texts of a scalar, or of a sequence of scalars; nulls left out."""
    found = node.value if isinstance(node, SequenceNode) else [node]
    return [
        (str(part.value), part)
        for part in found
        if isinstance(part, ScalarNode) and tag_of(part) != "!!null" and str(part.value)
    ]


def scalar(node: Node, key: str) -> str:
    """The first text under a key; empty without one."""
    return next((text for value in every(node, key) for text, _ in scalars(value)), "")
