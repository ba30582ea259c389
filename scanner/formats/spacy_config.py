"""spaCy's ``config.cfg``: the registered functions and other pipelines that building a pipeline calls."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Read
from scanner.model import Check, Claim, Claimed, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader, read_whole

FOREIGN = Rule(
    id="spacy-config/foreign-function",
    title="The pipeline is built by functions of another package",
    severity=Severity.MEDIUM,
    check=Check.REMOTE_CODE,
    finds="A registered function (`@architectures`, `@callbacks` …) that neither spaCy nor thinc brings, or "
    "a component that is taken from another pipeline.",
    why="`spacy.load` finds it among the installed packages or in the model's own package, and calls it with "
    "arguments from the file.",
    remedy="Find out which package registers it, and read it.",
    example='`@callbacks = "setup_everything.v1"`',
    limits="Names are accepted by their prefix; a package can register a function under a prefix of spaCy's.",
    references=("CWE-470", "CWE-829"),
)
_SECTION = re.compile(rb"(?m)^\[(?:nlp|components|training)(?:\.[\w.-]+)?\][ \t]*\r?$")
_LINE = re.compile(r"[ \t]*(@\w+|factory|source)[ \t]*=[ \t]*\"([^\"\n]*)\"[ \t]*\r?")
_LANGUAGE = re.compile(r'(?m)^lang[ \t]*=[ \t]*"([\w-]{1,20})"')
_PIPELINE = re.compile(r"(?m)^pipeline[ \t]*=[ \t]*(\[[^\n]{0,400}\])")
_PREFIXES = ("spacy.", "spacy-", "spacy_", "curated_transformers.", "thinc.")
# thinc's own registrations have no prefix.
_THINC = re.compile(
    r"(?:Adam|RAdam|SGD|compounding|constant|constant_then|cyclic_triangular|decaying|slanted_triangular|warmup_linear|"
    r"CategoricalCrossentropy|SequenceCategoricalCrossentropy|CosineDistance|L2Distance|Maxout|Mish|Relu|Softmax|Linear|"
    r"HashEmbed|Embed|Dropout|LayerNorm|MultiSoftmax|LSTM|PyTorchLSTM|chain|clone|concatenate|expand_window|reduce_mean|"
    r"reduce_max|reduce_sum|residual|with_array|list2ragged|ragged2list|glorot_uniform_init|zero_init|uniform_init|"
    r"normal_init|ops|MPSOps|NumpyOps|CupyOps|plateau)\.v\d+"
)
_LIMIT = 4 << 20


def _matches(head: Head) -> bool:
    return head.name.endswith(".cfg") and _SECTION.search(head.data) is not None and b"[nlp]" in head.data


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    try:
        text = read_whole(reader, budget, _LIMIT).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError("is not valid UTF-8", error.start) from error
    named: dict[str, None] = {}
    for number, line in enumerate(text.splitlines(), 1):
        budget.spend_items()
        match = _LINE.fullmatch(line)
        if match is None or match[1] == "factory":
            continue
        key, name = match[1], match[2][:200]
        named[name] = None
        if key == "source" or not (name.startswith(_PREFIXES) or _THINC.fullmatch(name)):
            evidence = (("key", key), ("function", name))
            yield Finding(FOREIGN, where.at(line=number), f"{key} names {name}", evidence=evidence)
    language, pipeline = _LANGUAGE.search(text), _PIPELINE.search(text)
    claims = [Claim(Claimed.LIBRARY, "spacy", "nlp")]
    claims += [Claim(Claimed.LANGUAGE, language[1], "nlp/lang")] if language else []
    noted = (("pipeline", pipeline[1]),) if pipeline else ()
    yield Facts("spacy-config", claims=tuple(claims), entry_points=tuple(named), metadata=noted)
    yield Read(Coverage.WHOLE)


FORMAT = Format(
    name="spacy-config",
    title="spaCy configuration",
    matches=_matches,
    inspect=_inspect,
    rules=(FOREIGN,),
    within=("text",),
    spec="https://spacy.io/api/data-formats#config",
)
