"""What can be found in an ONNX model."""

from __future__ import annotations

from scanner.model import Check, Rule, Severity

_EXTERNAL = "https://github.com/onnx/onnx/blob/main/docs/ExternalData.md"
EXTERNAL_PATH = Rule(
    id="onnx/external-path",
    title="The model takes bytes from outside its folder",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="Numbers of a tensor, or a compiled context, whose path is absolute or climbs out with `..`, or "
    "that name an address in memory instead of a file.",
    why="Readers that do not check the path open any file of the machine that loads the model, and its bytes "
    "come back as weights; an address makes them read any memory.",
    remedy="Refuse the model.",
    example="A tensor with `location = ../../../../etc/passwd`.",
    limits="Links in the file system are judged where the repository is, not here.",
    references=("CVE-2022-25882", "CVE-2024-27318", "CVE-2025-51480", "CVE-2026-34447", "CWE-22", _EXTERNAL),
)
EXTERNAL_KEY = Rule(
    id="onnx/external-key",
    title="A tensor's external data says more than the specification knows",
    severity=Severity.MEDIUM,
    check=Check.GRAPH_CODE,
    finds="A key of `external_data` that is none of location, offset, length, checksum and basepath; an "
    "offset or a length that is no number.",
    why="Older versions of the onnx package set an attribute of a Python object for every key they find.",
    remedy="Refuse the model, or have its publisher save it again with a current onnx.",
    example="The key `__class__`.",
    references=("GHSA-538c-55jv-c5g9", "CWE-915", _EXTERNAL),
)
PYTHON = Rule(
    id="onnx/python-operator",
    title="The graph calls Python",
    severity=Severity.HIGH,
    check=Check.GRAPH_CODE,
    finds="A node of the type `PyOp`, `PythonOp` or `PythonOpGrad` that the model does not define itself.",
    why="ONNX Runtime built with these operators imports the module that the node names and calls what is "
    "in it.",
    remedy="Do not load the model where Python operators are enabled; ask for one without them.",
    example='`PyOp` with `module = "helper"`, `class_name = "Run"`',
    references=("CWE-829", "https://onnxruntime.ai/docs/reference/operators/custom-python-operator.html"),
)
CUSTOM = Rule(
    id="onnx/custom-operator",
    title="The graph needs operators that no ONNX runtime brings",
    severity=Severity.MEDIUM,
    check=Check.GRAPH_CODE,
    finds="An operator outside ONNX and ONNX Runtime that the model does not define as a function.",
    why="Whoever runs the model has to load a native library first, and nobody here vouches for it.",
    remedy="Ask the publisher which library it is, and judge that library.",
    example="A node `Run` of the domain `com.example`.",
    limits="What the operators of ONNX Runtime itself compute is not judged. Operators newer than the list "
    "count as custom ones.",
    references=("CWE-829", "https://onnxruntime.ai/docs/reference/operators/add-custom-op.html"),
)
CONTEXT = Rule(
    id="onnx/compiled-context",
    title="The graph brings code compiled for an accelerator",
    severity=Severity.MEDIUM,
    check=Check.GRAPH_CODE,
    finds="A node `EPContext`, whose binary an execution provider hands to its driver.",
    why="The driver runs it as it is; it says nothing about what it computes.",
    remedy="Prefer the model before compilation, and compile it yourself.",
    example="A QNN context or a TensorRT engine in `ep_cache_context`.",
    limits="The binary is opened only as far as its own format is known.",
    references=("CWE-829", "https://onnxruntime.ai/docs/execution-providers/EP-Context-Design.html"),
)
PAYLOAD = Rule(
    id="onnx/payload",
    title="Bytes that no operator computes with",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Fields that the specification does not know, and tensors with numbers in two places.",
    why="Readers step over them, so they can carry anything.",
    remedy="Refuse the model unless its publisher explains the bytes. They were inspected on their own.",
    example="A field 999 of a mebibyte in front of the graph.",
    references=("CWE-506", "https://github.com/onnx/onnx/blob/main/onnx/onnx.proto"),
)
TENSOR = Rule(
    id="onnx/tensor",
    title="A tensor's numbers are not as its shape says",
    severity=Severity.MEDIUM,
    check=Check.BOUNDS,
    finds="Numbers that are fewer or more than shape and type need; a negative extent; an unknown type; two "
    "initialisers of one name in one graph.",
    why="Readers refuse such a model, or read past its end; of two initialisers each may take another one.",
    remedy="Get the file again, or have its publisher export it again.",
    example="16 bytes for a tensor of 100 floats.",
    references=("CWE-130",),
)
RULES = (EXTERNAL_PATH, EXTERNAL_KEY, PYTHON, CUSTOM, CONTEXT, PAYLOAD, TENSOR)
