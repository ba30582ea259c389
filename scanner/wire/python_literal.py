"""Python literals without Python: the few that headers of array files are written in.

Dictionaries, tuples, lists, texts, whole numbers, ``True``, ``False`` and ``None``, as ``repr`` prints
them; also Python 2's ``u'…'`` and ``3L``. What ``ast.literal_eval`` takes beyond that is refused.
"""

from __future__ import annotations

import re
from typing import Any, Final

from scanner.errors import FormatError

_DEPTH: Final = 32
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>[ub]?(?:'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"))"""
    r"""|(?P<number>-?[0-9]{1,40})L?(?![0-9A-Za-z_.])|(?P<word>True|False|None)(?![0-9A-Za-z_])"""
    r"""|(?P<mark>[][(){},:]))"""
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}
_WORDS = {"True": True, "False": False, "None": None}
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def parse_literal(text: str) -> Any:
    """The value of one literal; white space may surround it.

    Raises:
        FormatError: It is something else, or nested more deeply than 32 levels.
    """
    parser = _Parser(text)
    value = parser.value(0)
    if text[parser.position :].strip():
        raise FormatError("something follows the literal", parser.position)
    return value


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self.position = 0

    def _next(self) -> re.Match[str]:
        found = _TOKEN.match(self._text, self.position)
        if found is None:
            raise FormatError("this is no plain Python literal", self.position)
        self.position = found.end()
        return found

    def _peek(self) -> str:
        rest = self._text[self.position : self.position + 4096].lstrip()
        return rest[:1]

    def value(self, depth: int) -> Any:
        if depth > _DEPTH:
            raise FormatError("literals are nested too deeply", self.position)
        token = self._next()
        if token["text"] is not None:
            return _unescape(token["text"])
        if token["number"] is not None:
            return int(token["number"])
        if token["word"] is not None:
            return _WORDS[token["word"]]
        opening = token["mark"]
        if opening not in _CLOSING:
            raise FormatError("this is no plain Python literal", token.start())
        if opening == "{":
            return self._table(depth)
        items, comma = self._items(_CLOSING[opening], depth)
        if opening == "[":
            return items
        return items[0] if len(items) == 1 and not comma else tuple(items)

    def _items(self, closing: str, depth: int) -> tuple[list[Any], bool]:
        items: list[Any] = []
        comma = True
        while self._peek() != closing:
            if not comma:
                raise FormatError("a comma is missing", self.position)
            items.append(self.value(depth + 1))
            comma = self._peek() == ","
            if comma:
                self._next()
        self._next()
        return items, comma

    def _table(self, depth: int) -> dict[str, Any]:
        table: dict[str, Any] = {}
        comma = True
        while self._peek() != "}":
            key = self.value(depth + 1) if comma else None
            if not isinstance(key, str) or self._next()["mark"] != ":":
                raise FormatError("a table's entry is not a text, a colon and a value", self.position)
            if key in table:
                raise FormatError(f"the key {key[:40]!r} stands twice", self.position)
            table[key] = self.value(depth + 1)
            comma = self._peek() == ","
            if comma:
                self._next()
        self._next()
        return table


def _unescape(raw: str) -> str:
    if raw[0] in "ub":
        raw = raw[1:]

    def plain(found: re.Match[str]) -> str:
        code = found[1] or found[2] or found[3]
        if code:
            point = int(code, 16)
            return chr(point) if point < 0x110000 else "\ufffd"
        return _PLAIN.get(found[4], found[0])

    return _ESCAPE.sub(plain, raw[1:-1])
