"""The inventory: observed, declared, inferred or absent, each field with its source.

Nothing is merged: three files that name a licence give three fields, and two sets of weights give
two counts. The first field of a name is the best known one.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from scanner.bom.licences import normalise
from scanner.bom.weights import WeightSet, weight_sets
from scanner.data import load
from scanner.model import Artefact, Claim, Claimed, Facts, FileResult, Kind, Origin
from scanner.result import Inventory, InventoryField, State

PARAMETERS = "parameters"
DTYPES = "dtypes"
STORED = "stored-elements"
ELEMENTS = "elements-by-dtype"
TENSORS = "tensors"
LICENCE_SPDX = "licence-spdx"
TOKENIZER_DIGEST = "tokenizer-digest"
TEMPLATE_DIGEST = "chat-template-digest"
ENTRY_POINT = "entry-point"
EXTERNAL_FILE = "external-file"
REQUIREMENT = "requirement"
INPUT = "input"
OUTPUT = "output"

_DIGEST = "sha256:"
# Files whose bytes are the tokenizer, in the spelling of the libraries that read them.
_TOKENIZER_FILES = frozenset(
    {
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer.model.v3",
        "tekken.json",
        "tiktoken.model",
        "vocab.json",
        "vocab.txt",
        "merges.txt",
        "spiece.model",
        "sentencepiece.bpe.model",
        "spm.model",
        "source.spm",
        "target.spm",
    }
)
_TEMPLATE_FILES = frozenset({"chat_template.jinja", "chat_template.json"})
# What a reader of the inventory looks for: where nothing is known, that is said.
_WANTED = {
    Kind.MODEL: (
        PARAMETERS,
        DTYPES,
        Claimed.ARCHITECTURE.value,
        Claimed.LICENCE.value,
        Claimed.BASE_MODEL.value,
        Claimed.DATASET.value,
        Claimed.TASK.value,
        Claimed.LIBRARY.value,
        TOKENIZER_DIGEST,
    ),
    Kind.DATASET: (Claimed.LICENCE.value, Claimed.SIZE_CATEGORY.value, Claimed.LANGUAGE.value),
}
_ORDER = tuple(State)


@cache
def _tasks() -> dict[str, dict[str, list[str]]]:
    tasks: dict[str, dict[str, list[str]]] = load("tasks.json")["tasks"]
    return tasks


def take_inventory(artefact: Artefact, files: tuple[FileResult, ...]) -> Inventory:
    """Everything that the bytes show and that files and source claim."""
    found: list[InventoryField] = []
    if artefact.kind is Kind.MODEL:
        for weights in weight_sets(files):
            found += _counted(weights)
    for claim in artefact.claims:
        found += _claimed(claim, claim.path)
    # What stands at the root is about the whole, what stands deeper about a part.
    for file in sorted(files, key=lambda f: (f.path.count("/"), f.path)):
        found += _file(file)
    known = {field.name for field in found}
    wanted = _WANTED[artefact.kind]
    found += (InventoryField(name, "", State.ABSENT) for name in wanted if name not in known)
    # Stable: fields of one name and state stay in the order in which they were found.
    return Inventory(tuple(sorted(dict.fromkeys(found), key=lambda f: (f.name, _ORDER.index(f.state)))))


def _counted(weights: WeightSet) -> Iterator[InventoryField]:
    """What the tensors of one set of weights are."""
    path, number = weights.paths[0], len(weights.paths)
    pointer = "tensors" if number == 1 else f"tensors of {number} files"
    if weights.problem:
        yield InventoryField(
            STORED, str(weights.total), State.OBSERVED, path, f"{pointer}: {weights.problem}"
        )
    else:
        yield InventoryField(PARAMETERS, str(weights.total), State.OBSERVED, path, pointer)
    yield InventoryField(DTYPES, ", ".join(weights.dtypes), State.OBSERVED, path, pointer)
    split = ", ".join(f"{dtype} {count}" for dtype, count in weights.elements)
    yield InventoryField(ELEMENTS, split, State.OBSERVED, path, pointer)
    yield InventoryField(TENSORS, str(weights.tensors), State.OBSERVED, path, pointer)


def _file(file: FileResult) -> Iterator[InventoryField]:
    templates = False
    for _, facts in file.facts:
        for claim in facts.claims:
            templates = templates or claim.what is Claimed.CHAT_TEMPLATE
            yield from _claimed(claim, file.path)
        yield from _switches(facts, file.path)
    name = file.path.rpartition("/")[2]
    if name in _TOKENIZER_FILES or name.endswith(".tiktoken"):
        yield from _digest(TOKENIZER_DIGEST, file)
    if name in _TEMPLATE_FILES and not templates:
        yield from _digest(TEMPLATE_DIGEST, file)


def _switches(facts: Facts, path: str) -> Iterator[InventoryField]:
    for value in facts.entry_points:
        yield InventoryField(ENTRY_POINT, value, State.DECLARED, path)
    for value in facts.external_files:
        yield InventoryField(EXTERNAL_FILE, value, State.DECLARED, path)
    for value in facts.requirements:
        yield InventoryField(REQUIREMENT, value, State.DECLARED, path)


def _claimed(claim: Claim, path: str) -> Iterator[InventoryField]:
    value, pointer = claim.value, claim.pointer
    if value.startswith(_DIGEST) and claim.what in {Claimed.CHAT_TEMPLATE, Claimed.TOKENIZER}:
        # The format hashed what it read: that is no longer somebody's word.
        name = TEMPLATE_DIGEST if claim.what is Claimed.CHAT_TEMPLATE else TOKENIZER_DIGEST
        yield InventoryField(name, value, State.OBSERVED, path, pointer)
        return
    name = DTYPES if claim.what is Claimed.DTYPE else claim.what.value
    yield InventoryField(name, value, State.DECLARED, path, pointer)
    if claim.what is Claimed.LICENCE and (spdx := normalise(value)):
        yield InventoryField(LICENCE_SPDX, spdx, State.INFERRED, path, pointer)
    if claim.what is Claimed.TASK:
        ends = _tasks().get(value, {})
        for name in (INPUT, OUTPUT):
            for form in ends.get(name, ()):
                yield InventoryField(name, form, State.INFERRED, path, pointer)


def _digest(name: str, file: FileResult) -> Iterator[InventoryField]:
    """A file's digest: observed where we computed it, declared where only its source says so."""
    own = file.computed("sha256")
    if own is not None:
        yield InventoryField(name, _DIGEST + own, State.OBSERVED, file.path)
        return
    for digest in file.digests:
        if digest.origin is Origin.DECLARED:
            value = f"{digest.algorithm}:{digest.value}"
            yield InventoryField(name, value, State.DECLARED, file.path, digest.source)
