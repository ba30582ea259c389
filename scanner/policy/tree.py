"""YAML as plain values that know their places: version 1.2, no aliases, no tags, no duplicate keys."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from scanner.errors import PolicyError

LIMIT = 1 << 18
"""Bytes of one file."""
_NODES = 20_000
_DEPTH = 16
_PROBLEMS = 10

Keys = tuple[str | int, ...]
"""Path to a value: keys of mappings and indices of lists."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written."""

    file: str
    line: int
    """1-based."""
    column: int
    """1-based, in characters."""
    indent: int | None = None
    """For a literal block (``|``): how far its text is indented; the text starts on the next line."""
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Tree:
    """The content of a file, or of several that were laid over each other."""

    value: Any
    values: dict[Keys, Place]
    keys: dict[Keys, Place]
    """Places of the keys; list items have none."""
    texts: dict[str, list[str]]
    """Lines of every file, for the excerpt in a message."""

    def place(self, path: Keys, *, key: bool = False) -> Place:
        """Where the value (or its key) stands; for what is absent, where it would have to be."""
        if key and path in self.keys:
            return self.keys[path]
        while path not in self.values and path:
            path = path[:-1]
        return self.values[path]

    def problem(self, message: str, place: Place) -> PolicyError:
        """An error that shows the offending text."""
        return problem(message, place, self.texts.get(place.file, []))


def problem(message: str, place: Place, lines: list[str]) -> PolicyError:
    """An error with its place, and under it the line of the file with a caret."""
    excerpt = ""
    if place.line <= len(lines):
        text = lines[place.line - 1].replace("\t", " ")
        start = max(0, place.column - 80)
        if text.strip():
            excerpt = f"\n    {text[start : start + 110]}\n    {' ' * (place.column - 1 - start)}^"
    return PolicyError(message + excerpt, path=place.file, line=place.line, column=place.column)


def gather(problems: Iterable[PolicyError]) -> PolicyError:
    """Several problems as one error, in the order of the file."""
    ordered = sorted(problems, key=lambda error: (error.path, error.line or 0, error.column or 0))
    first = ordered[0]
    if len(ordered) == 1:
        return first
    text = "\n".join(str(error) for error in ordered[:_PROBLEMS])
    if len(ordered) > _PROBLEMS:
        text += f"\n… and {len(ordered) - _PROBLEMS} more"
    joined = PolicyError(text)
    joined.path, joined.line, joined.column = first.path, first.line, first.column
    return joined


def nearest(word: str, known: Iterable[str]) -> str:
    """The suggestion behind a message: a near name, else what there is to choose from."""
    names = sorted(set(known))
    near = difflib.get_close_matches(word, names, 1, 0.6)
    if near:
        return f"; did you mean {near[0]}?"
    return f" (known: {', '.join(names)})" if 0 < len(names) <= 16 else ""


def read_tree(raw: bytes, file: str) -> Tree:
    """Read one YAML file.

    Raises:
        PolicyError: It is no YAML 1.2 in UTF-8, is too large or too deep, or uses what we refuse:
            anchors, aliases, tags, directives, several documents, the same key twice.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - only where a policy is read
    from ruamel.yaml.error import MarkedYAMLError, YAMLError  # noqa: PLC0415

    if len(raw) > LIMIT:
        raise PolicyError(f"is larger than {LIMIT} bytes", path=file)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PolicyError(f"is not UTF-8 (at byte {error.start})", path=file) from error
    lines = re.split(r"\r\n|\r|\n", text)
    builder = _Builder(file, lines)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = str(error.problem or error.context or "is no valid YAML")
        if mark is None:
            raise PolicyError(message, path=file) from error
        raise problem(message, Place(file, mark.line + 1, mark.column + 1), lines) from error
    except (YAMLError, RecursionError, ValueError) as error:
        reason = getattr(error, "reason", "")
        raise PolicyError(f"is no valid YAML 1.2{f': {reason}' if reason else ''}", path=file) from error
    return builder.finish()


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    value: dict[str, Any] | list[Any]
    path: Keys
    key: str | None = None
    """For a mapping: the key whose value comes next."""


@dataclass(slots=True)
class _Builder:
    """Builds plain values from the parser's events, on a stack of its own."""

    file: str
    lines: list[str]
    root: Any = None
    documents: int = 0
    nodes: int = 0
    stack: list[_Open] = field(default_factory=list)
    values: dict[Keys, Place] = field(default_factory=dict)
    keys: dict[Keys, Place] = field(default_factory=dict)

    def take(self, event: Any) -> None:
        name = type(event).__name__
        place = Place(self.file, event.start_mark.line + 1, event.start_mark.column + 1)
        if name == "DocumentStartEvent":
            self.documents += 1
            if event.version or event.tags:
                raise self._error("directives are not used here: remove the line", place)
            if self.documents > 1:
                raise self._error("only one document is allowed in a file", place)
        elif name == "AliasEvent" or getattr(event, "anchor", None):
            raise self._error("anchors and aliases are not used here: write the value out", place)
        elif name == "ScalarEvent":
            if event.tag:
                raise self._error("tags are not used here", place)
            self._scalar(event, place)
        elif name in {"MappingStartEvent", "SequenceStartEvent"}:
            if event.tag:
                raise self._error("tags are not used here", place)
            self._start({} if name == "MappingStartEvent" else [], place)
        elif name in {"MappingEndEvent", "SequenceEndEvent"}:
            self.stack.pop()

    def finish(self) -> Tree:
        if not self.nodes:
            raise PolicyError("the file is empty", path=self.file)
        return Tree(self.root, self.values, self.keys, {self.file: self.lines})

    def _error(self, message: str, place: Place) -> PolicyError:
        return problem(message, place, self.lines)

    def _start(self, value: dict[str, Any] | list[Any], place: Place) -> None:
        if len(self.stack) >= _DEPTH:
            raise self._error(f"is nested deeper than {_DEPTH} levels", place)
        if self.stack and isinstance(self.stack[-1].value, dict) and self.stack[-1].key is None:
            raise self._error("a key has to be text", place)
        self.stack.append(_Open(value, self._put(value, place)))

    def _scalar(self, event: Any, place: Place) -> None:
        top = self.stack[-1] if self.stack else None
        if top and isinstance(top.value, dict) and top.key is None:
            if event.value in top.value:
                first = self.keys[(*top.path, event.value)].line
                raise self._error(f"duplicate key {event.value!r}: it stands in line {first} too", place)
            top.key = event.value
            self.keys[(*top.path, event.value)] = place
            return
        if event.style == "|":
            indents = (len(x) - len(x.lstrip(" ")) for x in self.lines[place.line :] if x.strip())
            place = Place(place.file, place.line, place.column, next(indents, 0))
        elif event.style in {"'", '"'}:
            place = Place(place.file, place.line, place.column, quoted=True)
        self._put(event.value if event.style else _plain(event.value), place)

    def _put(self, value: Any, place: Place) -> Keys:
        self.nodes += 1
        if self.nodes > _NODES:
            raise self._error(f"has more than {_NODES} values", place)
        path: Keys = ()
        if not self.stack:
            self.root = value
        else:
            top = self.stack[-1]
            if isinstance(top.value, list):
                path = (*top.path, len(top.value))
                top.value.append(value)
            else:
                path = (*top.path, top.key or "")
                top.value[top.key or ""] = value
                top.key = None
        self.values[path] = place
        return path


_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


def _plain(text: str) -> Any:
    """A scalar without quotes, as the core schema of YAML 1.2 reads it; real numbers stay text."""
    if text.lower() in _WORDS and text in {text.lower(), text.upper(), text.title()}:
        return _WORDS[text.lower()]
    return int(text) if _INTEGER.fullmatch(text) else text


def overlay(below: Tree, above: Tree, added: frozenset[Keys]) -> Tree:
    """``above`` over ``below``: mappings join, lists at the paths ``added`` join, all else is replaced.

    In a joined list an entry of ``above`` takes the place of one of ``below`` that has its ``id``.
    """
    merged = Tree(None, {(): above.values[()]}, {}, {**below.texts, **above.texts})
    return Tree(_join((), below, above, merged, added), merged.values, merged.keys, merged.texts)


def _join(path: Keys, below: Tree, above: Tree, into: Tree, added: frozenset[Keys]) -> Any:
    low, high = _at(below.value, path), _at(above.value, path)
    if isinstance(low, dict) and isinstance(high, dict):
        joined: dict[str, Any] = {}
        for name in dict.fromkeys((*low, *high)):
            inner = (*path, name)
            source = above if name in high else below
            into.values[inner], into.keys[inner] = source.values[inner], source.keys[inner]
            both = name in low and name in high
            joined[name] = (
                _join(inner, below, above, into, added) if both else _copy(source, inner, inner, into)
            )
        return joined
    if path in added and isinstance(low, list) and isinstance(high, list):
        names = {item["id"] for item in high if isinstance(item, dict) and isinstance(item.get("id"), str)}
        kept = [i for i, x in enumerate(low) if not (isinstance(x, dict) and x.get("id") in names)]
        entries = [(below, i) for i in kept] + [(above, i) for i in range(len(high))]
        return [_copy(tree, (*path, i), (*path, n), into) for n, (tree, i) in enumerate(entries)]
    return _copy(above, path, path, into)


def _copy(source: Tree, old: Keys, new: Keys, into: Tree) -> Any:
    """Copy the places of one value and all below it, and return the value."""
    for mapping, target in ((source.values, into.values), (source.keys, into.keys)):
        for path, place in mapping.items():
            if path[: len(old)] == old:
                target[(*new, *path[len(old) :])] = place
    return _at(source.value, old)


def _at(value: Any, path: Keys) -> Any:
    for step in path:
        value = value[step]
    return value
