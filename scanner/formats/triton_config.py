"""Triton's ``config.pbtxt``: which backend runs the model, and what it loads for that."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Read, Text
from scanner.model import Check, Claim, Claimed, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader, read_whole
from scanner.wire.paths import escape
from scanner.wire.text_protobuf import Message, parse

PYTHON = Rule(
    id="triton-config/python-backend",
    title="The model is a Python program that the server runs",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="The `python` backend, or a `runtime` that is a Python file.",
    why="Triton imports `model.py` of the model's folder as soon as the model is loaded; by business logic "
    "scripting it can call every other model of the server.",
    remedy="Read the program; load it only where it may run.",
    example='`backend: "python"`',
    limits="The program itself is judged as Python source where it is part of the artefact.",
    references=("CVE-2023-31036", "CWE-829"),
)
NATIVE = Rule(
    id="triton-config/native-code",
    title="The server loads a native library for the model",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="A backend that Triton does not come with, a `runtime` that is a library, or "
    "`op_library_filename`.",
    why="Triton looks for `libtriton_<backend>.so` in the model's own folder first, and loading a library "
    "runs it.",
    remedy="Build the library yourself from source that you have read.",
    example='`model_operations { op_library_filename: "ops.so" }`',
    references=("CWE-114", "CWE-829"),
)
ENVIRONMENT = Rule(
    id="triton-config/execution-environment",
    title="The model brings its own Python environment",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="The parameter `EXECUTION_ENV_PATH`.",
    why="Triton unpacks the archive and runs the model with the interpreter and the packages in it.",
    remedy="Build the environment yourself from a lock file.",
    example='`parameters { key: "EXECUTION_ENV_PATH" value { string_value: "env.tar.gz" } }`',
    references=("CWE-829",),
)
PATH = Rule(
    id="triton-config/path-escape",
    title="The configuration names a path outside the model",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="An absolute path, an address or a path with `..` as a model, library, label, data or warm-up "
    "file.",
    why="The server opens, loads or runs a file that is not part of the model.",
    remedy="Refuse it; a model's own files are named relative to its folder.",
    example='`default_model_filename: "../../other/1/model.py"`',
    references=("CVE-2023-31036", "CWE-22"),
)
_LIMIT = 4 << 20
_FIELDS = re.compile(
    rb"(?m)^(?:backend|platform|max_batch_size|instance_group|ensemble_scheduling|default_model_filename|"
    rb"dynamic_batching|version_policy|model_operations|runtime)\b[ \t]*[:\[{]"
)
# The backends of the server's own release, and of the vendors that it documents.
_USUAL = frozenset(
    {
        "dali",
        "ensemble",
        "fil",
        "identity",
        "onnxruntime",
        "openvino",
        "pytorch",
        "pytorch_libtorch",
        "repeat",
        "square",
        "tensorflow",
        "tensorrt",
        "tensorrtllm",
        "tensorrt_llm",
        "vllm",
    }
)
_PATHS = ("default_model_filename", "op_library_filename", "label_filename", "input_data_file", "runtime")
_LIBRARY = re.compile(r".*\.(?:so|dll|dylib)(?:\.\d+)*", re.IGNORECASE)
_HERE = re.compile(r"\$\$TRITON_MODEL_DIRECTORY(?:/|$)")


def _matches(head: Head) -> bool:
    if not head.name.endswith(".pbtxt") or b"\0" in head.data:
        return False
    # The server goes by the one name; a copy of it is known by its fields.
    return (head.name == "config.pbtxt" and head.size > 0) or _FIELDS.search(head.data) is not None


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    raw = read_whole(reader, budget, _LIMIT)
    try:
        root = parse(raw.decode("utf-8-sig"), budget)
    except UnicodeDecodeError as error:
        raise FormatError("is not valid UTF-8", error.start) from error
    config = _Config(root, where)
    yield from config.notes()
    yield Read(Coverage.WHOLE)


@dataclass(slots=True)
class _Config:
    root: Message
    where: Location
    code: dict[str, None] = field(default_factory=dict)
    files: dict[str, None] = field(default_factory=dict)

    def notes(self) -> Iterator[Note]:
        for name, line in self.root.texts("backend", "runtime"):
            yield from self._backend(name, line)
        for message in self.root.walk():
            for text, line in message.texts("op_library_filename"):
                yield self._find(NATIVE, line, f"loads the library {text[:200]}", ("library", text[:200]))
            for key in _PATHS:
                for text, line in message.texts(key):
                    yield from self._path(key, text, line)
            for text, line in message.texts("string_value"):
                yield Text(text, self.where.at(line=line), "string")
        yield from self._names()
        for key, value, line in _parameters(self.root):
            if key == "EXECUTION_ENV_PATH":
                self.code[value[:200]] = None
                evidence = ("environment", value[:200])
                yield self._find(ENVIRONMENT, line, f"runs in the environment {value[:200]}", evidence)
                yield from self._path(key, _HERE.sub("", value), line)
        yield self._facts()

    def _find(self, rule: Rule, line: int, message: str, *evidence: tuple[str, str]) -> Finding:
        return Finding(rule, self.where.at(line=line), message, evidence=evidence)

    def _backend(self, name: str, line: int) -> Iterator[Finding]:
        shown = name[:200]
        if not name or name in _USUAL:
            return
        self.code[shown] = None
        if name == "python" or name.endswith(".py"):
            yield self._find(PYTHON, line, f"the server runs it by {shown}", ("backend", shown))
        else:
            what = "the library" if _LIBRARY.fullmatch(name) else "the backend"
            yield self._find(NATIVE, line, f"the server loads {what} {shown}", ("backend", shown))

    def _names(self) -> Iterator[Finding]:
        """File names by compute capability: a map, and so a message with key and value."""
        for message in self.root.messages("cc_model_filenames"):
            for text, line in message.texts("value"):
                yield from self._path("cc_model_filenames", text, line)

    def _path(self, key: str, text: str, line: int) -> Iterator[Finding]:
        shown = text[:200]
        self.files[shown] = None
        how = "is an address" if "://" in text else escape(text)
        if how:
            yield self._find(PATH, line, f"{key} {shown!r} {how}", ("key", key), ("path", shown))

    def _facts(self) -> Facts:
        claims = [Claim(Claimed.NAME, text[:200], "name") for text, _ in self.root.texts("name")[:1]]
        noted = [(key, text[:200]) for key in ("backend", "platform", "max_batch_size")
                 for text, _ in self.root.texts(key)[:1]]  # fmt: skip
        return Facts(
            "triton-config",
            claims=tuple(claims),
            external_files=tuple(self.files),
            entry_points=tuple(self.code),
            metadata=tuple(noted),
        )


def _parameters(root: Message) -> Iterator[tuple[str, str, int]]:
    for entry in root.messages("parameters"):
        for key, _ in entry.texts("key"):
            for value in entry.messages("value"):
                yield from ((key, text, line) for text, line in value.texts("string_value"))


FORMAT = Format(
    name="triton-config",
    title="Triton model configuration",
    matches=_matches,
    inspect=_inspect,
    rules=(PYTHON, NATIVE, ENVIRONMENT, PATH),
    within=("text",),
    spec="https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto",
)
