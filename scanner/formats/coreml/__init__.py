"""CoreML models (``.mlmodel``, also in an ``.mlpackage``): what they need from application and files."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.errors import BudgetExceeded, FormatError
from scanner.formats.coreml.program import Model, custom, inside, read_network, read_program
from scanner.formats.coreml.rules import LINKED, PATH, PAYLOAD, RULES
from scanner.inspection import Child, Format, Head, Note, Text
from scanner.model import Claim, Claimed, Facts, Finding, Location
from scanner.reader import Budget, Reader
from scanner.wire.paths import escape
from scanner.wire.protobuf import LENGTH, VARINT, Field, Wire, varint

_VERSIONS = 32
# Model.Type of Model.proto.
_KINDS = {
    200: "pipeline classifier",
    201: "pipeline regressor",
    202: "pipeline",
    300: "GLM regressor",
    301: "SVM regressor",
    302: "tree ensemble regressor",
    303: "neural network regressor",
    304: "Bayesian probit regressor",
    400: "GLM classifier",
    401: "SVM classifier",
    402: "tree ensemble classifier",
    403: "neural network classifier",
    404: "nearest neighbours classifier",
    500: "neural network",
    501: "item similarity recommender",
    502: "ML program",
    555: "custom model",
    556: "linked model",
    560: "class confidence thresholding",
    600: "one-hot encoder",
    601: "imputer",
    602: "feature vectoriser",
    603: "dictionary vectoriser",
    604: "scaler",
    606: "categorical mapping",
    607: "normaliser",
    609: "array feature extractor",
    610: "non-maximum suppression",
    900: "identity",
    2000: "text classifier",
    2001: "word tagger",
    2002: "vision feature print",
    2003: "sound analysis preprocessing",
    2004: "gazetteer",
    2005: "word embedding",
    2006: "audio feature print",
    3000: "serialised model",
}
_NETWORKS = frozenset({303, 403, 500})
_PIPELINES = frozenset({200, 201, 202})
_CLAIMS = {1: Claimed.DESCRIPTION, 2: Claimed.VERSION, 3: Claimed.AUTHOR, 4: Claimed.LICENCE}
_DESCRIBED = frozenset(b"\x0a\x52\x5a\x62\x6a\x92\xa2\xaa")
_SHOWN = 200
_ODD = 20


def _matches(head: Head) -> bool:
    """The version, a description, and then a model of a known kind."""
    data = head.data
    if data[:1] != b"\x08" or len(data) < 6:
        return False
    try:
        version, at = varint(data, 1, 11)
        if not 0 < version <= _VERSIONS:
            return False
        if data[at] == 0x12:
            length, begin = varint(data, at + 1, len(data))
            at = begin + length
            if at > head.size or (length and begin < len(data) and data[begin] not in _DESCRIBED):
                return False
            if at >= len(data):
                return head.suffix == ".mlmodel"
        if data[at : at + 1] == b"\x50":
            _, at = varint(data, at + 1, len(data))
        tag, begin = varint(data, at, len(data))
        length, begin = varint(data, begin, len(data))
    except (FormatError, IndexError):
        return False
    return tag & 7 == LENGTH and tag >> 3 in _KINDS and begin + length <= head.size


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    model = Model(Wire(reader, budget))
    try:
        yield from _model(model, (0, reader.size), where, 0)
    except (FormatError, BudgetExceeded):
        yield _facts(model)
        raise
    yield _facts(model)


def _facts(model: Model) -> Facts:
    used = ", ".join(f"{name} {count}" for name, count in model.operations.most_common(50))
    pairs = (("kind", ", ".join(dict.fromkeys(model.kinds))), *model.metadata, ("operations", used))
    return Facts(
        "coreml",
        model.version,
        tuple(model.tensors),
        tuple(model.claims),
        external_files=tuple(model.files),
        entry_points=tuple(model.classes),
        metadata=tuple(pair for pair in pairs if pair[1]),
    )


def _model(model: Model, span: tuple[int, int], where: Location, depth: int) -> Iterator[Note]:
    """A ``Model``; those of a pipeline stand inside another one."""
    for part in model.wire.fields(*span, depth):
        number = part.number
        if number == 1 and part.kind == VARINT:
            model.version = model.version or str(part.value)
        elif number == 2:
            yield from _description(model, inside(part), where, depth + 1)
        elif number in _KINDS:
            model.kinds.append(_KINDS[number])
            yield from _kind(model, inside(part), where, depth + 1)
        elif number != 10:
            yield from _odd(model, part, where)


def _kind(model: Model, part: Field, where: Location, depth: int) -> Iterator[Note]:
    if part.number in _PIPELINES:
        yield from _pipeline(model, part, where, depth)
    elif part.number in _NETWORKS:
        yield from read_network(model, part, where, depth)
    elif part.number == 502:
        yield from read_program(model, part, where, depth)
    elif part.number == 555:
        yield from custom(model, part, where, depth, "model")
    elif part.number == 556:
        yield from _linked(model, part, where, depth)
    elif part.number == 3000:
        for inner in model.wire.fields(part.start, part.end, depth):
            if inner.number == 2:
                yield Child(f"model at {inner.start}", model.wire.window(inside(inner)))


def _pipeline(model: Model, span: Field, where: Location, depth: int) -> Iterator[Note]:
    """A pipeline; that of a classifier or a regressor is one message deeper."""
    for part in model.wire.fields(span.start, span.end, depth):
        if part.number == 1 and span.number == 202:
            yield from _model(model, (inside(part).start, part.end), where, depth + 1)
        elif part.number == 1:
            for inner in model.wire.fields(inside(part).start, part.end, depth + 1):
                if inner.number == 1:
                    yield from _model(model, (inside(inner).start, inner.end), where, depth + 2)


def _linked(model: Model, span: Field, where: Location, depth: int) -> Iterator[Note]:
    """A linked model: the file's name and where it is looked for, each in a ``StringParameter``."""
    told = {1: "", 2: ""}
    for part in model.wire.fields(span.start, span.end, depth):
        if part.number != 1:
            continue
        for inner in model.wire.fields(inside(part).start, part.end, depth + 1):
            if inner.number in told:
                for text in model.wire.fields(inside(inner).start, inner.end, depth + 2):
                    told[inner.number] = model.wire.text(text) if text.number == 1 else told[inner.number]
    path = f"{told[2]}/{told[1]}" if told[2] else told[1]
    model.files.setdefault(path[:_SHOWN])
    place, evidence = where.at(span.start), (("path", path[:_SHOWN]),)
    yield Finding(LINKED, place, f"loads the model {path[:_SHOWN]!r}", evidence=evidence)
    for named in (told[1], path):
        if how := escape(named):
            message = f"loads the model {path[:_SHOWN]!r}, a path that {how}"
            yield Finding(PATH, place, message, evidence=evidence)
            return


def _description(model: Model, span: Field, where: Location, depth: int) -> Iterator[Note]:
    for part in model.wire.fields(span.start, span.end, depth):
        if part.number in {1, 10}:
            for inner in model.wire.fields(inside(part).start, part.end, depth + 1):
                if inner.number == 1 and len(model.metadata) < _SHOWN:
                    what = "input" if part.number == 1 else "output"
                    model.metadata.append((what, model.wire.text(inner)[:_SHOWN]))
        elif part.number == 100:
            yield from _metadata(model, inside(part), where, depth + 1)


def _metadata(model: Model, span: Field, where: Location, depth: int) -> Iterator[Note]:
    for part in model.wire.fields(span.start, span.end, depth):
        if part.number in _CLAIMS:
            text = model.wire.text(part)
            yield Text(text, where.at(part.start), "metadata")
            if text:
                model.claims.append(Claim(_CLAIMS[part.number], text[:2000], "metadata"))
        elif part.number == 100:
            pair = {1: "", 2: ""}
            for inner in model.wire.fields(inside(part).start, part.end, depth + 1):
                if inner.number in pair:
                    pair[inner.number] = model.wire.text(inner)
            yield Text(f"{pair[1]}: {pair[2]}", where.at(part.start), "metadata")
            if pair[1] == "com.github.apple.coremltools.version":
                model.claims.append(Claim(Claimed.PRODUCER, f"coremltools {pair[2][:80]}", pair[1]))
            elif len(model.metadata) < _SHOWN:
                model.metadata.append((pair[1][:_SHOWN], pair[2][:_SHOWN]))


def _odd(model: Model, part: Field, where: Location) -> Iterator[Note]:
    length = part.end - part.start
    model.odd_fields += 1
    if model.odd_fields > _ODD:
        return
    message = f"has a field {part.number} of {length} bytes that CoreML does not know"
    place = where.at(part.start, length)
    yield Finding(PAYLOAD, place, message, evidence=(("field", str(part.number)),))
    if part.kind == LENGTH and length >= 16:
        yield Child(f"field {part.number} at {part.start}", model.wire.window(part))


FORMAT = Format(
    name="coreml",
    title="CoreML model",
    matches=_matches,
    inspect=_inspect,
    rules=RULES,
    suffixes=(".mlmodel",),
    spec="https://github.com/apple/coremltools/blob/main/mlmodel/format/Model.proto",
)
