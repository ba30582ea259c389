"""What can be found in a TensorFlow Lite model."""

from __future__ import annotations

from scanner.model import Check, Rule, Severity

_CUSTOM = "https://ai.google.dev/edge/litert/models/ops_custom"
EFFECT = Rule(
    id="tflite/effect",
    title="The model runs a TensorFlow operator that reaches outside",
    severity=Severity.HIGH,
    check=Check.GRAPH_CODE,
    finds="A Select-TF (`Flex`) operator that reads or writes files, talks to other machines, calls Python "
    "or native code; also where the name beside it says something else.",
    why="The flex delegate runs any operator of TensorFlow that its options name.",
    remedy="Do not load the model.",
    example="`FlexWriteFile`",
    references=("CWE-829", "https://ai.google.dev/edge/litert/models/ops_select"),
)
FLEX = Rule(
    id="tflite/flex-operator",
    title="The model needs operators of the whole TensorFlow",
    severity=Severity.LOW,
    check=Check.GRAPH_CODE,
    finds="Select-TF (`Flex`) operators that compute.",
    why="The runtime has to bring the flex delegate, and with it every operator of TensorFlow.",
    remedy="Prefer a model of built-in operators where there is one.",
    example="`FlexCholesky`",
    references=("https://ai.google.dev/edge/litert/models/ops_select",),
)
CUSTOM = Rule(
    id="tflite/custom-operator",
    title="The model needs operators that TensorFlow Lite does not bring",
    severity=Severity.MEDIUM,
    check=Check.GRAPH_CODE,
    finds="A custom operator, or a number that no built-in operator has.",
    why="Whoever runs the model has to register native code for it, and nobody here vouches for that.",
    remedy="Ask the publisher which library it is, and judge that library.",
    example="`edgetpu-custom-op`, whose options are a program for an accelerator.",
    limits="The four custom operators that TensorFlow Lite registers itself are no finding.",
    references=("CWE-829", _CUSTOM),
)
BUFFER = Rule(
    id="tflite/buffer",
    title="A buffer is not as its tensor says, or belongs to none",
    severity=Severity.MEDIUM,
    check=Check.BOUNDS,
    finds="A buffer whose length is not what shape and type of its tensor need, that lies outside the file, "
    "or that neither a tensor nor metadata uses.",
    why="Interpreters read past its end, or never read it at all, so that it can carry anything.",
    remedy="Refuse the model, or have its publisher convert it again. Unused buffers were inspected.",
    example="A buffer of a mebibyte that no tensor uses.",
    limits="Sparse tensors and texts are not compared with their shape.",
    references=("CWE-130", "CWE-506"),
)
RULES = (EFFECT, FLEX, CUSTOM, BUFFER)
