"""TorchServe's manifest (``MAR-INF/MANIFEST.json`` of a ``.mar``): the handler that serving imports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from scanner.inspection import Format, Head, Note, Read
from scanner.model import Check, Claim, Claimed, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader, read_whole
from scanner.wire import json
from scanner.wire.paths import escape

HANDLER = Rule(
    id="torchserve/custom-handler",
    title="The archive brings the code that serves it",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="A `handler` or a `modelFile` of the manifest that is a Python file of the archive.",
    why="TorchServe imports and calls it as soon as the model is registered.",
    remedy="Read the file; register the model only where that code may run.",
    example='`{"model": {"modelName": "m", "handler": "handler.py"}}`',
    limits="The file itself is judged as Python source where it is part of the artefact.",
    references=("CWE-829", "CWE-94"),
)
PATH = Rule(
    id="torchserve/path-escape",
    title="The manifest names a path outside the archive",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="An absolute path or one with `..` in the manifest.",
    why="TorchServe joins it to the model's folder, and imports, unpickles or installs what it finds there.",
    remedy="Refuse the archive; the archiver writes names without folders.",
    example='`{"model": {"modelFile": "../other/model.py"}}`',
    references=("CVE-2023-48299", "CWE-22"),
)
_LIMIT = 1 << 20
_KEYS = re.compile(rb'"(?:serializedFile|modelName|archiverVersion|modelFile|handler)"\s*:')
# ts/torch_handler: the names that the frontend resolves itself.
_BUILT_IN = frozenset(
    {
        "densenet_handler",
        "image_classifier",
        "image_segmenter",
        "object_detector",
        "text_classifier",
        "text_handler",
        "vision_handler",
        "base_handler",
    }
)
_FILES = ("serializedFile", "modelFile", "requirementsFile", "configFile", "extensions")


def _matches(head: Head) -> bool:
    return (
        head.name == "manifest.json" and json.plain_head(head.data) != b"" and bool(_KEYS.search(head.data))
    )


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    document = json.parse(read_whole(reader, budget, _LIMIT))
    root = document.value if isinstance(document.value, dict) else {}
    files: dict[str, None] = {}
    code: dict[str, None] = {}
    claims: list[Claim] = []
    for model in json.every(root, "model"):
        if not isinstance(model, dict):
            continue
        for key in _FILES:
            for name in _texts(model, key):
                files[name] = None
                yield from _path(key, name, where)
        for name in _texts(model, "handler"):
            # `file.py:function`, `file:function`, or a name that TorchServe knows.
            module = name.partition(":")[0]
            yield from _path("handler", module, where)
            if module.removesuffix(".py") not in _BUILT_IN or module.endswith(".py"):
                code[name] = None
        code |= dict.fromkeys(_texts(model, "modelFile"))
        claims += [Claim(Claimed.NAME, name, "/model/modelName") for name in _texts(model, "modelName")]
        claims += [
            Claim(Claimed.VERSION, text, "/model/modelVersion") for text in _texts(model, "modelVersion")
        ]
    for name in code:
        yield Finding(HANDLER, where, f"serving imports {name}", evidence=(("file", name),))
    archiver = _texts(root, "archiverVersion")[:1]
    claims += [
        Claim(Claimed.PRODUCER, f"torch-model-archiver {text}", "/archiverVersion") for text in archiver
    ]
    yield Facts("torchserve", claims=tuple(claims), external_files=tuple(files), entry_points=tuple(code))
    yield Read(Coverage.WHOLE)


def _texts(table: dict[str, Any], key: str) -> list[str]:
    return [json.shown(value) for value in json.every(table, key) if isinstance(value, str) and value]


def _path(key: str, name: str, where: Location) -> Iterator[Finding]:
    # Extensions are one text with commas.
    for part in name.split(",") if key == "extensions" else [name]:
        how = escape(part)
        if how:
            message = f"{key} {part!r} {how}"
            yield Finding(PATH, where, message, evidence=(("key", key), ("path", part)))


FORMAT = Format(
    name="torchserve",
    title="TorchServe manifest",
    matches=_matches,
    inspect=_inspect,
    rules=(HANDLER, PATH),
    within=("json", "text"),
    spec="https://github.com/pytorch/serve/blob/master/model-archiver/README.md",
)
