"""SentencePiece tokenizers (``tokenizer.model``, ``spiece.model``): pieces and how they were trained."""

from __future__ import annotations

from collections.abc import Generator, Iterator

from scanner.errors import BudgetExceeded, FormatError
from scanner.inspection import Format, Head, Note, Read, Text
from scanner.model import Claim, Claimed, Coverage, Facts, Location
from scanner.reader import Budget, Reader, read_whole
from scanner.wire.protobuf import LENGTH, fields, varint

_LIMIT = 128 << 20
# ModelProto: 1 pieces, 2 trainer, 3 normalizer, 4 self test, 5 denormalizer; 200 and up are extensions.
_PIECE, _TRAINER, _NORMALIZER = 1, 2, 3
_KNOWN = frozenset(range(1, 6))
_EXTENSIONS = 200
_MODELS = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
_SHOWN = 4096


def _matches(head: Head) -> bool:
    """The first message is a piece: a text, its score, perhaps its type, and then another message."""
    data = head.data
    if data[:1] != b"\x0a" or len(data) < 16:
        return False
    try:
        length, start = varint(data, 1, 6)
        end = start + length
        parts = list(fields(data, Budget(items=8), start, end)) if length >= 2 and end < len(data) else []
        shape = [(part.number, part.kind) for part in parts]
    except (FormatError, BudgetExceeded):
        return False
    return shape in ([(1, 2), (2, 5)], [(1, 2), (2, 5), (3, 0)]) and data[end] in b"\x0a\x12"


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    data = read_whole(reader, budget, _LIMIT)
    pieces, model, rules = 0, "", ""
    for field in fields(data, budget):
        if field.kind != LENGTH or (field.number not in _KNOWN and field.number < _EXTENSIONS):
            raise FormatError(f"the model has a field {field.number} that no tokenizer has", field.start)
        if field.number == _PIECE:
            pieces += 1
        elif field.number == _TRAINER:
            model = yield from _trainer(data, budget, (field.start, field.end), where)
        elif field.number == _NORMALIZER:
            for part in fields(data, budget, field.start, field.end):
                if part.number == 1 and part.kind == LENGTH:
                    rules = data[part.start : part.end][:_SHOWN].decode("utf-8", "replace")
    metadata = (("model", model), ("normalizer", rules))
    claims = (Claim(Claimed.VOCABULARY, str(pieces), "pieces"),)
    yield Facts("sentencepiece", claims=claims, metadata=tuple(pair for pair in metadata if pair[1]))
    yield Read(Coverage.WHOLE)


def _trainer(
    data: bytes, budget: Budget, span: tuple[int, int], where: Location
) -> Generator[Text, None, str]:
    """Surface the texts of the trainer (paths of the author's machine among them); returns the model."""
    model = _MODELS[1]
    for part in fields(data, budget, *span):
        if part.kind == LENGTH:
            text = data[part.start : part.end][:_SHOWN].decode("utf-8", "replace")
            yield Text(text, where.at(part.start), "metadata")
        elif part.number == 3:
            model = _MODELS.get(part.value, f"model type {part.value}")
    return model


FORMAT = Format(
    name="sentencepiece",
    title="SentencePiece tokenizer",
    matches=_matches,
    inspect=_inspect,
    suffixes=(".spm",),
    spec="https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto",
)
