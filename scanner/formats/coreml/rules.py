"""What can be found in a CoreML model."""

from __future__ import annotations

from scanner.model import Check, Rule, Severity

_SPEC = "https://apple.github.io/coremltools/mlmodel/index.html"
CUSTOM = Rule(
    id="coreml/custom-code",
    title="The model needs code of the application",
    severity=Severity.MEDIUM,
    check=Check.GRAPH_CODE,
    finds="A custom model or a custom layer, which names a class.",
    why="CoreML makes an object of the class that the model names and hands it the model's parameters.",
    remedy="Ask the publisher for the class, and judge it.",
    example="A layer with `className = MySwish`.",
    references=("CWE-829", f"{_SPEC}#custommodel"),
)
LINKED = Rule(
    id="coreml/linked-model",
    title="The model loads another model",
    severity=Severity.MEDIUM,
    check=Check.PATH_ESCAPE,
    finds="A linked model, with the name of its file and where it is looked for.",
    why="What runs is not what was weighed: the other model lies elsewhere.",
    remedy="Weigh the other model as well.",
    example="`linkedModelFileName = detector.mlmodelc`",
    references=("CWE-829", f"{_SPEC}#linkedmodel"),
)
PATH = Rule(
    id="coreml/path-escape",
    title="The model takes files from outside its folder",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="Weights, or a linked model, whose path is absolute or climbs out with `..`.",
    why="The loader opens whatever lies there, and its bytes come back as weights or as another model.",
    remedy="Refuse the model.",
    example="`@model_path/../../../secret` as the file of a constant.",
    references=("CWE-22", _SPEC),
)
PAYLOAD = Rule(
    id="coreml/payload",
    title="Bytes that CoreML does not read",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Fields of a model that the specification does not know.",
    why="Readers step over them, so they can carry anything.",
    remedy="Refuse the model unless its publisher explains the bytes. They were inspected on their own.",
    example="A field 999 of a mebibyte behind the network.",
    references=("CWE-506", _SPEC),
)
RULES = (CUSTOM, LINKED, PATH, PAYLOAD)
