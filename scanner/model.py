"""The frozen types that every room of the house shares; data with small pure methods at most."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is; the product page says what each level means."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for info up to 4 for critical; the enum itself compares as text."""
        return tuple(Severity).index(self)


class Confidence(StrEnum):
    """How sure a rule is that what it says is so."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Kind(StrEnum):
    """What an artefact is for."""

    MODEL = "model"
    DATASET = "dataset"


class Origin(StrEnum):
    """Who says that a digest is what it is."""

    COMPUTED = "computed"
    """Hashed by us from the bytes."""
    DECLARED = "declared"
    """Claimed by a source, a manifest or a lock file."""


class Coverage(StrEnum):
    """How far a file was read (product page, promise 2)."""

    WHOLE = "whole"
    """Every byte was read."""
    STRUCTURE = "structure"
    """Everything a loader interprets; bulk numbers were skipped by their declared length."""
    SAMPLED = "sampled"
    """Only a part of bulk text was read."""
    NONE = "none"
    """Not at all: there is a gap that says why."""


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A hash value and where it comes from."""

    algorithm: str
    """``sha256``, ``git-sha1`` (of a git blob), ``sha512``, ``md5`` … in lower case."""
    value: str
    """Lower-case hexadecimal."""
    origin: Origin
    source: str = ""
    """Who declares it (``hub-lfs``, ``SHA256SUMS`` …); empty when computed."""


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of an artefact, as its source lists it."""

    path: str
    """POSIX path relative to the artefact's root; the file's own name for a single file."""
    size: int | None
    """Bytes; ``None`` where the source does not say."""
    digests: tuple[Digest, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """What the user typed, and the switches that belong to it."""

    text: str
    kind: Kind | None = None
    """Set where the user said it; otherwise the source finds out."""


@dataclass(frozen=True, slots=True)
class Artefact:
    """What a target resolved to, before a byte of it is judged."""

    target: str
    source: str
    """Name of the source module: ``local``, ``huggingface``, ``web`` …"""
    name: str
    """``org/name`` on a hub, the file or folder name on disk."""
    kind: Kind
    revision: str | None
    """Immutable identity (commit, digest, version); ``None`` where the source has none."""
    files: tuple[FileEntry, ...]
    requested_revision: str | None = None
    """What was asked for (branch, tag), when it differs from ``revision``."""
    pinned: bool = True
    """False when the target named something that can move (a branch, a tag)."""
    claims: tuple[Claim, ...] = ()
    """What the source says about the artefact (licence, author, dates): declared, never observed."""


class Check(StrEnum):
    """Check kinds of ``data/tags.json``: every rule has one and takes its framework tags from it."""

    CODE_EXECUTION = "code-execution"
    EVASION = "evasion"
    FORMAT_MISMATCH = "format-mismatch"
    GRAPH_CODE = "graph-code"
    BOUNDS = "bounds"
    EXHAUSTION = "exhaustion"
    PATH_ESCAPE = "path-escape"
    REMOTE_CODE = "remote-code"
    TEMPLATE = "template"
    TOKENIZER = "tokenizer"
    HIDDEN_PAYLOAD = "hidden-payload"
    HASH_MISMATCH = "hash-mismatch"
    NO_HASH = "no-hash"
    UNSIGNED = "unsigned"
    SIGNATURE_INVALID = "signature-invalid"
    SIGNER = "signer"
    NOT_PINNED = "not-pinned"
    DEPENDENCY = "dependency"
    SECRET = "secret"  # noqa: S105 - the name of a check kind
    PERSONAL_DATA = "personal-data"
    ENVIRONMENT_LEAK = "environment-leak"
    HIDDEN_INSTRUCTIONS = "hidden-instructions"
    LINEAGE = "lineage"
    AGENT_CONFIG = "agent-config"
    EXECUTABLE = "executable"
    LICENCE = "licence"
    PROVENANCE = "provenance"
    WAIVER = "waiver"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that can be found; its page in ``docs/rules`` is generated from these fields."""

    id: str
    """``<module>/<slug>``, for example ``pickle/dangerous-callable``."""
    title: str
    severity: Severity
    check: Check
    finds: str
    """What it finds, in one or two sentences."""
    why: str
    """Why it matters to whoever loads the artefact."""
    remedy: str
    """What to do about it."""
    example: str = ""
    """A short harmless example of what triggers it."""
    limits: str = ""
    """What it does not see."""
    references: tuple[str, ...] = ()
    """CVE, GHSA, specification sections or addresses."""


@dataclass(frozen=True, slots=True)
class Location:
    """A place in an artefact; structured, never ``"a:b"``."""

    path: str
    """The file of the artefact."""
    members: tuple[str, ...] = ()
    """Names of nested members, outermost first: ``("archive/data.pkl",)``."""
    offset: int | None = None
    """Bytes from the start of the innermost member."""
    length: int | None = None
    line: int | None = None
    """1-based, for text."""

    def inside(self, member: str) -> Location:
        """The start of a nested member of this place."""
        return Location(self.path, (*self.members, member))

    def at(
        self, offset: int | None = None, length: int | None = None, *, line: int | None = None
    ) -> Location:
        """The same member at another place."""
        return Location(self.path, self.members, offset, length, line)

    def __str__(self) -> str:
        """For people: ``model.pt › archive/data.pkl @ 1203`` or ``train.py:12``."""
        text = " › ".join((self.path, *self.members))
        if self.line is not None:
            return f"{text}:{self.line}"
        return text if self.offset is None else f"{text} @ {self.offset}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One occurrence of a rule. Only policy re-rates."""

    rule: Rule
    location: Location
    message: str
    confidence: Confidence = Confidence.HIGH
    evidence: tuple[tuple[str, str], ...] = ()
    """Named facts, for example ``(("callable", "posix.system"),)``; they identify the finding."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over rule id, path, members and evidence, each length-prefixed; never the message."""
        parts = [self.rule.id, self.location.path, str(len(self.location.members))]
        parts += self.location.members
        parts += [text for pair in self.evidence for text in pair]
        state = hashlib.sha256()
        for part in parts:
            raw = part.encode("utf-8", "surrogatepass")
            state.update(len(raw).to_bytes(8, "big") + raw)
        return state.hexdigest()


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that was not read, and why: not looked at is not clean."""

    location: Location
    reason: str


class Claimed(StrEnum):
    """Fields about which a file or a source can make a claim; one claim for each value of a list."""

    NAME = "name"
    VERSION = "version"
    AUTHOR = "author"
    DESCRIPTION = "description"
    LICENCE = "licence"
    """As it is written there: a Hub identifier, an SPDX expression, or the licence that a text is."""
    LICENCE_LINK = "licence-link"
    ARCHITECTURE = "architecture"
    """The class (``BertModel``)."""
    MODEL_TYPE = "model-type"
    """The family (``bert``, ``llama``)."""
    TASK = "task"
    LANGUAGE = "language"
    BASE_MODEL = "base-model"
    """``org/name``, an address, or a path, as it is written there."""
    BASE_MODEL_RELATION = "base-model-relation"
    """``finetune``, ``adapter``, ``quantized``, ``merge``."""
    DATASET = "dataset"
    LIBRARY = "library"
    """``transformers`` or ``transformers 4.8.2``."""
    PRODUCER = "producer"
    PARAMETERS = "parameters"
    """``22713728`` or a rounded label such as ``22.7M``."""
    DTYPE = "dtype"
    QUANTISATION = "quantisation"
    CONTEXT_LENGTH = "context-length"
    VOCABULARY = "vocabulary"
    """Number of entries."""
    HIDDEN_SIZE = "hidden-size"
    LAYERS = "layers"
    TOKENIZER = "tokenizer"
    """The tokenizer's class or algorithm."""
    CHAT_TEMPLATE = "chat-template"
    """``sha256:`` and the digest of the template's text in UTF-8."""
    METRIC = "metric"
    """``accuracy = 0.91``, then ``on`` and the data set, if known: ``accuracy = 0.91 on glue``."""
    USE_CASE = "use-case"
    """Text of the card's section about what it is meant for, in one line."""
    LIMITATION = "limitation"
    """Text of the card's section about limits, risks and what it is not meant for, in one line."""
    ETHICS = "ethics"
    ENERGY = "energy"
    TAG = "tag"
    CREATED = "created"
    MODIFIED = "modified"
    GATED = "gated"
    PRIVATE = "private"
    SIZE_CATEGORY = "size-category"


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement made by a file or a source, kept apart from what the bytes show."""

    what: Claimed
    value: str
    pointer: str = ""
    """Where in the file: a JSON pointer, a metadata key, a header name."""
    path: str = ""
    """The file that makes the claim; filled in by the pipeline, empty for a source's claim."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An array of numbers that a file holds."""

    name: str
    dtype: str
    """Lower-case safetensors spelling: ``f32``, ``bf16``, ``i64``, ``q4_k`` …"""
    shape: tuple[int, ...]
    offset: int | None = None
    """Start of its bytes in the file, if they stand there directly."""
    length: int | None = None

    @property
    def elements(self) -> int:
        """Number of elements; 1 for a scalar."""
        count = 1
        for extent in self.shape:
            count *= extent
        return count


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes of another file that a loader reads as numbers."""

    path: str
    """As it is written: relative to the file that says so."""
    offset: int
    length: int
    name: str = ""
    """The tensor."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a format read from the bytes; every part is optional."""

    format: str
    version: str = ""
    tensors: tuple[Tensor, ...] = ()
    claims: tuple[Claim, ...] = ()
    external_files: tuple[str, ...] = ()
    """Paths that the file tells a loader to open."""
    entry_points: tuple[str, ...] = ()
    """Code that the file tells a loader to import or run (``auto_map`` values, callables)."""
    requirements: tuple[str, ...] = ()
    """Python requirement strings that the file names."""
    metadata: tuple[tuple[str, str], ...] = ()
    """Free key/value pairs that help a person (header metadata, truncated)."""
    shards: tuple[tuple[str, str], ...] = ()
    """Tensor name and the file that holds it, as an index says; paths relative to the index."""
    regions: tuple[Region, ...] = ()
    """Bytes of other files that a loader reads as numbers (ONNX external data, checkpoint shards)."""


@dataclass(frozen=True, slots=True)
class FileResult:
    """Everything learnt about one file of an artefact."""

    path: str
    size: int
    formats: tuple[str, ...] = ()
    coverage: Coverage = Coverage.NONE
    digests: tuple[Digest, ...] = ()
    findings: tuple[Finding, ...] = ()
    gaps: tuple[Gap, ...] = ()
    facts: tuple[tuple[Location, Facts], ...] = ()
    nested: tuple[str, ...] = ()
    """Formats of everything inside it, at any depth, sorted."""

    def computed(self, algorithm: str) -> str | None:
        """The digest that we computed ourselves with this algorithm, if any."""
        own = (d for d in self.digests if d.algorithm == algorithm and d.origin is Origin.COMPUTED)
        return next((digest.value for digest in own), None)
