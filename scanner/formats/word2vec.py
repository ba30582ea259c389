"""Word vectors in the binary layout of word2vec: a line with two counts, then words and their numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Read
from scanner.model import Claim, Claimed, Coverage, Facts, Location, Tensor
from scanner.reader import Budget, Cursor, Reader

_HEAD = re.compile(rb"(\d{1,10}) (\d{1,5})\n")
_WORD = re.compile(rb"\n?([^\x00-\x20\x7f]{1,1000}) ")
_SAMPLE = 200


def _matches(head: Head) -> bool:
    data = head.data
    if not data[:1].isdigit():
        return False
    match = _HEAD.match(data)
    if match is None or not int(match[1]) or not int(match[2]):
        return False
    # Numbers follow: what is text all the way is the layout as text.
    fits = head.size >= match.end() + int(match[1]) * (4 * int(match[2]) + 2)
    return fits and _WORD.match(data, match.end()) is not None and not _is_text(data)


def _is_text(data: bytes) -> bool:
    return b"\0" not in data and not any(byte < 9 for byte in data)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    del where
    match = _HEAD.match(reader.read_at(0, 32))
    if match is None:
        raise FormatError("there are no counts", 0)
    words, dimension = int(match[1]), int(match[2])
    cursor = Cursor(reader, budget, match.end())
    walked = 0
    for _ in range(min(words, _SAMPLE)):
        budget.spend_items()
        word = _WORD.match(reader.read_at(cursor.position, 1100))
        if word is None:
            raise FormatError("there is no word where one is promised", cursor.position)
        cursor.skip(word.end())
        cursor.skip(4 * dimension)
        walked += 1
    claims = (Claim(Claimed.VOCABULARY, str(words), "header"),)
    yield Facts("word2vec", tensors=(Tensor("vectors", "f32", (words, dimension)),), claims=claims)
    # A word's end is only found by reading: the rest of many words is not walked.
    yield Read(Coverage.STRUCTURE if walked == words else Coverage.SAMPLED)


FORMAT = Format(
    name="word2vec",
    title="word2vec vectors",
    matches=_matches,
    inspect=_inspect,
    spec="https://code.google.com/archive/p/word2vec; gensim/models/keyedvectors.py",
)
