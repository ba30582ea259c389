"""Protocol Buffers as text: fields with their values and lines, without a schema. No opinions.

Grammar: protobuf.dev/reference/protobuf/textformat-spec.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.errors import FormatError
from scanner.reader import Budget

DEPTH = 64
"""Deepest nesting of messages; protobuf's own limit is 100."""

_TOKEN = re.compile(
    r"""[ \t\r\n\f\v]+|\#[^\n]*|(?P<string>"(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+')"""
    r"""|(?P<word>-?[\w.+][\w.+-]*)|(?P<mark>[\[\]{}<>:,;/-])""",
    re.DOTALL,
)
_ESCAPE = re.compile(
    r"\\(?:([0-7]{1,3})|[xX]([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL
)
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


@dataclass(slots=True)
class Message:
    """Fields in file order; a repeated field stands repeatedly."""

    fields: list[tuple[str, str | Message, int]] = field(default_factory=list)
    """Name, value (text of a scalar, quotes and escapes undone, or a message), 1-based line."""

    def texts(self, *names: str) -> list[tuple[str, int]]:
        """Scalars under these names, with their lines."""
        return [
            (value, line) for name, value, line in self.fields if name in names and isinstance(value, str)
        ]

    def messages(self, *names: str) -> list[Message]:
        """Messages under these names."""
        return [value for name, value, _ in self.fields if name in names and isinstance(value, Message)]

    def walk(self) -> Iterator[Message]:
        """This message and all within."""
        pending = [self]
        while pending:
            found = pending.pop()
            yield found
            pending += [value for _, value, _ in reversed(found.fields) if isinstance(value, Message)]


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    line: int
    is_string: bool = False


def parse(text: str, budget: Budget) -> Message:
    """The message that a text is.

    Raises:
        FormatError: It is none, or is nested more than :data:`DEPTH` deep.
        BudgetExceeded: More tokens than the budget allows.
    """
    parser = _Parser(list(_tokens(text, budget)))
    return parser.message("", 0)


def _tokens(text: str, budget: Budget) -> Iterator[_Token]:
    at, line = 0, 1
    while at < len(text):
        budget.spend_items()
        match = _TOKEN.match(text, at)
        if match is None:
            raise FormatError(f"is no text protobuf in line {line}")
        if match["string"] is not None:
            yield _Token(_unescape(match["string"][1:-1]), line, is_string=True)
        elif match["word"] or match["mark"]:
            yield _Token(match[0], line)
        line += match[0].count("\n")
        at = match.end()


def _unescape(text: str) -> str:
    return _ESCAPE.sub(_escaped, text) if "\\" in text else text


def _escaped(match: re.Match[str]) -> str:
    octal, pair, short, long, letter = match.groups()
    if letter is not None:
        return _PLAIN.get(letter, letter)
    code = int(octal, 8) if octal else int(pair or short or long, 16)
    return chr(code) if code < 0x110000 else "\ufffd"


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def _peek(self) -> str:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        return "" if token is None or token.is_string else token.text

    def _next(self) -> _Token:
        if self._at >= len(self._tokens):
            raise FormatError("the text ends inside a message")
        self._at += 1
        return self._tokens[self._at - 1]

    def message(self, closing: str, depth: int) -> Message:
        if depth > DEPTH:
            raise FormatError(f"nested more than {DEPTH} deep")
        found = Message()
        while self._at < len(self._tokens) and not (closing and self._peek() == closing):
            name = self._name()
            colon = self._peek() == ":"
            self._at += colon
            found.fields += [(name.text, value, name.line) for value in self._values(depth, scalar=colon)]
            self._at += self._peek() in {",", ";"}
        if closing:
            self._next()
        return found

    def _name(self) -> _Token:
        token = self._next()
        if token.text == "[" and not token.is_string:
            parts = []
            while self._peek() != "]":
                parts.append(self._next().text)
            self._at += 1
            return _Token(f"[{''.join(parts)}]", token.line)
        if token.is_string or not re.fullmatch(r"\w+", token.text):
            raise FormatError(f"a field has no name in line {token.line}")
        return token

    def _values(self, depth: int, *, scalar: bool) -> list[str | Message]:
        mark = self._peek()
        if mark == "[":
            self._at += 1
            values: list[str | Message] = []
            while self._peek() != "]":
                values += self._values(depth + 1, scalar=scalar) if depth < DEPTH else []
                if self._peek() == ",":
                    self._at += 1
                elif self._peek() != "]":
                    raise FormatError(f"a list is not closed in line {self._line()}")
            self._at += 1
            return values
        if mark in {"{", "<"}:
            self._at += 1
            return [self.message("}" if mark == "{" else ">", depth + 1)]
        if not scalar:
            raise FormatError(f"a field has no value in line {self._line()}")
        token = self._next()
        text = token.text
        if not token.is_string:
            if text == "-":
                return [f"-{self._next().text}"]
            if not re.match(r"[\w.+-]", text):
                raise FormatError(f"a field has no value in line {token.line}")
            return [text]
        while self._at < len(self._tokens) and self._tokens[self._at].is_string:
            text += self._next().text
        return [text]

    def _line(self) -> int:
        return self._tokens[min(self._at, len(self._tokens) - 1)].line if self._tokens else 1
