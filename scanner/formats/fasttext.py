"""fastText models (``.bin``, ``.ftz``): parameters, a dictionary, matrices of numbers."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Child, Format, Head, Note
from scanner.model import Check, Claim, Claimed, Facts, Finding, Location, Rule, Severity, Tensor
from scanner.reader import Budget, Cursor, Reader, Window

TRAILING = Rule(
    id="fasttext/trailing-data",
    title="Something lies behind the model",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes behind the last matrix.",
    why="fastText does not read them; another program may.",
    remedy="Refuse the file unless its publisher explains the bytes. They were inspected on their own.",
    example="A zip archive appended to a model.",
    limits="Behind a quantised matrix nothing is looked at.",
    references=("CWE-646",),
)
MAGIC = (793712314).to_bytes(4, "little")  # src/fasttext.h
# src/args.cc: dim, ws, epoch, minCount, neg, wordNgrams, loss, model, bucket, minn, maxn, lrUpdateRate, t.
_ARGUMENTS = struct.Struct("<12id")
_MODELS = {1: "cbow", 2: "skipgram", 3: "supervised"}
_WORD = 4096
_BLOCK = 1 << 16


def _matches(head: Head) -> bool:
    return head.data.startswith(MAGIC)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    cursor = Cursor(reader, budget, len(MAGIC))
    version = cursor.i32()
    if not 0 < version <= 12:
        raise FormatError(f"version {version}, which is not known", 4)
    arguments = _ARGUMENTS.unpack(cursor.read(_ARGUMENTS.size))
    size, words, labels = cursor.i32(), cursor.i32(), cursor.i32()
    cursor.skip(8)  # tokens that were seen
    pruned = cursor.i64()
    _dictionary(cursor, size)
    if pruned > 0:
        cursor.skip(pruned * 8)
    tensors: list[Tensor] = []
    quantised = bool(cursor.u8()) if version >= 11 else False
    if not quantised:
        tensors.append(_matrix(cursor, "input"))
        quantised = bool(cursor.u8()) if version >= 11 else False
    if not quantised:
        tensors.append(_matrix(cursor, "output"))
    claims = (
        Claim(Claimed.ARCHITECTURE, f"fasttext {_MODELS.get(arguments[7], arguments[7])}", "model"),
        Claim(Claimed.VOCABULARY, str(max(words, 0)), "nwords"),
    )
    noted = (
        ("dimension", str(arguments[0])),
        ("labels", str(labels)),
        ("quantised", "yes" if quantised else "no"),
    )
    yield Facts("fasttext", str(version), tuple(tensors), claims=claims, metadata=noted)
    if not quantised and cursor.left:
        at = cursor.position
        message = f"{cursor.left} bytes lie behind the model"
        yield Finding(TRAILING, where.at(at), message, evidence=(("offset", str(at)),))
        yield Child(f"bytes at {at}", Window(reader, at, cursor.left))


def _dictionary(cursor: Cursor, size: int) -> None:
    """Step over the entries: a text with its NUL, a count, a type."""
    if size < 0 or size * 10 > cursor.left:
        raise FormatError(f"{size} words are declared, {cursor.left} bytes are left", cursor.position)
    cursor.budget.spend_items(size)
    block, base = b"", cursor.position
    at = 0
    for _ in range(size):
        end = block.find(b"\0", at)
        if end < 0 or end + 10 > len(block):
            base += at
            block = cursor.reader.read_at(base, _BLOCK)
            cursor.budget.spend_bytes(len(block))
            at, end = 0, block.find(b"\0")
            if end < 0 or end > _WORD or end + 10 > len(block):
                raise FormatError("a word does not end", base)
        at = end + 10
    cursor.position = base + at


def _matrix(cursor: Cursor, name: str) -> Tensor:
    rows, columns = cursor.i64(), cursor.i64()
    if rows < 0 or columns < 0:
        raise FormatError(f"a matrix of {rows} rows and {columns} columns", cursor.position - 16)
    at, length = cursor.position, rows * columns * 4
    cursor.skip(length)
    return Tensor(name, "f32", (rows, columns), at, length)


FORMAT = Format(
    name="fasttext",
    title="fastText model",
    matches=_matches,
    inspect=_inspect,
    rules=(TRAILING,),
    suffixes=(".ftz",),
    spec="fastText src/fasttext.cc, saveModel; src/dictionary.cc, save",
)
