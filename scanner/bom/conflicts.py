"""Claims that the bytes, or other claims, contradict; spelling is never a conflict."""

from __future__ import annotations

import re
from collections.abc import Iterator

from scanner.bom.licences import licence_keys, normalise
from scanner.bom.lineage import names_base, repository
from scanner.bom.weights import WeightSet, weight_sets
from scanner.model import (
    Artefact,
    Check,
    Claim,
    Claimed,
    Confidence,
    FileResult,
    Finding,
    Kind,
    Location,
    Rule,
    Severity,
)

LICENCE = Rule(
    id="inventory/licence-conflict",
    title="Two places name different licences",
    severity=Severity.MEDIUM,
    check=Check.LICENCE,
    finds="A model card, a header of the weights, a licence file or the Hub, side by side, that name "
    "licences which have nothing in common.",
    why="Whoever relied on one of them may not be allowed to do what the other one forbids.",
    remedy="Ask the publisher which licence holds, and record the answer with the artefact.",
    example="`license: apache-2.0` in README.md beside a LICENSE with the text of the Llama 3 licence.",
    limits="Spellings of one licence agree, and so do `MIT` and `MIT OR Apache-2.0`. Free text and names "
    "that say nothing (`other`) are kept in the inventory and compared with nothing.",
    references=("https://spdx.github.io/spdx-spec/v3.0.1/annexes/spdx-license-expressions/",),
)
PARAMETERS = Rule(
    id="inventory/parameters-mismatch",
    title="The declared number of parameters is not the counted one",
    severity=Severity.MEDIUM,
    check=Check.LINEAGE,
    finds="A number of parameters that no set of weights beside the claim has.",
    why="The description belongs to another model, or the weights were exchanged.",
    remedy="Ask the publisher; compare the digests of the weights with a copy that you trust.",
    example="`total_parameters: 7000000000` in an index whose shards hold 13 billion numbers.",
    limits="Rounded labels (`7B`) are contradicted only when they are off by half, numbers when they are off "
    "by more than one in a hundred. Weights that a quantiser packed, sets with missing parts and formats "
    "in which tied tensors stand twice are not held against a claim.",
    references=("CWE-345",),
)
DTYPE = Rule(
    id="inventory/dtype-mismatch",
    title="The configuration names another number type than the tensors have",
    severity=Severity.LOW,
    check=Check.LINEAGE,
    finds="A `torch_dtype` that none of the floating-point tensors beside it has.",
    why="Loaders convert to the configured type: memory use and results differ from what was tested.",
    remedy="Set `dtype` in config.json to what the weights are.",
    example='`"torch_dtype": "bfloat16"` beside tensors that are all `f32`.',
    limits="Quantised weights are not compared: there the configuration names the type of the computation.",
    references=("https://huggingface.co/docs/transformers/main_classes/model",),
)
BASE_MODEL = Rule(
    id="inventory/base-model-conflict",
    title="Two places name different base models",
    severity=Severity.MEDIUM,
    check=Check.LINEAGE,
    finds="A model card and an adapter's configuration, side by side, that name base models which have "
    "nothing in common.",
    why="Licence, known weaknesses and revocations are inherited: the wrong base model is watched.",
    remedy="Ask the publisher what the model was derived from.",
    example="`base_model: meta-llama/Llama-3.1-8B` in README.md beside an adapter for another model.",
    limits="Local paths say nothing about the origin. `_name_or_path` in config.json is often the name of "
    "the last checkpoint, and a GGUF header names the base of what was converted: neither is compared. One "
    "name under two organisations is reported with low confidence: it may be a mirror.",
    references=("CWE-345",),
)
RULES = (BASE_MODEL, DTYPE, LICENCE, PARAMETERS)

_OTHERS = re.compile(r"third.?part|notice|vendor", re.IGNORECASE)
_LICENCE_FILE = re.compile(r"(licen[cs]es?|copying|copyright)\b", re.IGNORECASE)
_COUNT = re.compile(r"(?P<number>\d{1,18}(\.\d{1,18})?)\s*(?P<unit>[KMBT]?)\Z", re.IGNORECASE)
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_ROUGH = 1.5
_CLOSE = 1.01  # buffers are stored as well, and libraries differ in whether they count them
# Formats in which a tied tensor stands once; elsewhere one tensor may be counted under two names.
_SURE = frozenset({"gguf", "pytorch-zip", "safetensors"})
_DTYPES = {
    "float16": "f16",
    "fp16": "f16",
    "half": "f16",
    "bfloat16": "bf16",
    "float32": "f32",
    "fp32": "f32",
    "float": "f32",
    "float64": "f64",
    "double": "f64",
}
_FLOATS = frozenset({"f16", "bf16", "f32", "f64"})
_QUANTISED = re.compile(r"([-_.](unsloth|bnb|hf|gguf|gptq|awq|fp8|int[48]|[48]-?bit))+\Z")


def find_conflicts(artefact: Artefact, files: tuple[FileResult, ...]) -> Iterator[Finding]:
    """Findings about claims of an artefact; places are compared inside one folder only."""
    claims = [(claim, claim.path) for claim in artefact.claims]
    claims += [(claim, file.path) for file in files for _, facts in file.facts for claim in facts.claims]
    folders: dict[str, list[tuple[Claim, str]]] = {}
    for claim, path in claims:
        folders.setdefault(path.rpartition("/")[0], []).append((claim, path))
    sets = weight_sets(files) if artefact.kind is Kind.MODEL else ()
    for folder, here in sorted(folders.items()):
        beside = tuple(weights for weights in sets if weights.folder == folder)
        yield from _licences(here)
        yield from _base_models(here)
        yield from _parameters(here, beside)
        yield from _dtypes(here, beside)


Places = dict[str, tuple[frozenset[str], str]]
"""What each place says: comparable keys, and the words."""


def _apart(places: Places) -> tuple[str, str] | None:
    """The first two places that have nothing in common."""
    names = sorted(places)
    for number, one in enumerate(names):
        for other in names[number + 1 :]:
            if not places[one][0] & places[other][0]:
                return one, other
    return None


def _conflict(rule: Rule, places: Places, what: str, confidence: Confidence) -> Iterator[Finding]:
    pair = _apart(places)
    if pair is None:
        return
    evidence = tuple((name or "source", places[name][1]) for name in pair)
    says = " and ".join(f"{name or 'its source'} says {places[name][1][:120]}" for name in pair)
    yield Finding(rule, Location(pair[0] or pair[1]), f"the {what} differs: {says}", confidence, evidence)


def _gather(said: Iterator[tuple[str, frozenset[str], str]]) -> Places:
    places: Places = {}
    for name, keys, words in said:
        before, text = places.get(name, (frozenset(), ""))
        if keys and not keys <= before:
            places[name] = before | keys, f"{text}, {words}" if text else words
    return places


def _licences(claims: list[tuple[Claim, str]]) -> Iterator[Finding]:
    found = [(claim.value, path) for claim, path in claims if claim.what is Claimed.LICENCE]
    # A notice quotes the licences of others.
    found = [(value, path) for value, path in found if not _OTHERS.search(path.rpartition("/")[2])]
    # Several texts side by side (LICENSE-MIT, LICENSE-APACHE) are one statement.
    texts = sorted(path for _, path in found if _LICENCE_FILE.match(path.rpartition("/")[2]))
    said = (
        (texts[0] if path in texts else path, licence_keys(normalise(value)), value) for value, path in found
    )
    yield from _conflict(LICENCE, _gather(said), "licence", Confidence.HIGH)


def _base_models(claims: list[tuple[Claim, str]]) -> Iterator[Finding]:
    def said() -> Iterator[tuple[str, frozenset[str], str]]:
        for claim, path in claims:
            deeper = path.endswith(".gguf")  # converters copy the base of their input, one step further back
            if claim.what is Claimed.BASE_MODEL and names_base(path, claim.pointer) and not deeper:
                name = repository(claim.value)
                yield path, frozenset({name} - {""}), claim.value

    places = _gather(said())
    bare = {
        path: (frozenset(_QUANTISED.sub("", key.partition("/")[2]) for key in keys), words)
        for path, (keys, words) in places.items()
    }
    sure = Confidence.HIGH if _apart(bare) else Confidence.LOW
    yield from _conflict(BASE_MODEL, bare if sure is Confidence.HIGH else places, "base model", sure)


def _parameters(claims: list[tuple[Claim, str]], sets: tuple[WeightSet, ...]) -> Iterator[Finding]:
    if any(weights.problem for weights in sets):
        return  # the claim may be about what could not be counted
    for claim, path in claims:
        said = _COUNT.fullmatch(claim.value.replace(",", "").replace("_", "").strip())
        if claim.what is not Claimed.PARAMETERS or said is None:
            continue
        own = [weights for weights in sets if path in weights.paths] or sets
        sure = [weights for weights in own if weights.format in _SURE]
        factor = _ROUGH if said["unit"] else _CLOSE
        number = float(said["number"]) * _UNITS[said["unit"].upper()]
        counts = {count for weights in own for count in weights.counts}
        if not sure or any(count / factor <= number <= count * factor for count in counts):
            continue
        counted = ", ".join(f"{weights.total:,}" for weights in sure)
        message = f"{claim.value} parameters are declared, {counted} are counted"
        evidence = (("declared", claim.value), ("counted", counted))
        yield Finding(PARAMETERS, Location(path or sure[0].paths[0]), message, evidence=evidence)


def _dtypes(claims: list[tuple[Claim, str]], sets: tuple[WeightSet, ...]) -> Iterator[Finding]:
    plain = [w for w in sets if w.format == "safetensors" or w.format.startswith("pytorch")]
    floats = [frozenset(w.dtypes) - {"i64", "bool"} for w in plain]
    if not floats or not all(kinds and kinds <= _FLOATS for kinds in floats):
        return
    held = frozenset().union(*floats)
    for claim, path in claims:
        dtype = _DTYPES.get(claim.value.removeprefix("torch.").casefold())
        if claim.what is not Claimed.DTYPE or dtype is None or dtype in held:
            continue
        found = ", ".join(sorted(held))
        message = f"{claim.value} is declared, the tensors are {found}"
        evidence = (("declared", dtype), ("counted", found))
        yield Finding(DTYPE, Location(path or plain[0].paths[0]), message, evidence=evidence)
