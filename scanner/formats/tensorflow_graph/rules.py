"""What can be found in a TensorFlow graph."""

from __future__ import annotations

from scanner.model import Check, Rule, Severity

_SECURITY = "https://github.com/tensorflow/tensorflow/blob/master/SECURITY.md"
PYTHON = Rule(
    id="tensorflow-graph/python-call",
    title="The graph calls Python",
    severity=Severity.HIGH,
    check=Check.GRAPH_CODE,
    finds="`PyFunc`, `PyFuncStateless` or `EagerPyFunc`.",
    why="The process that runs the graph calls the Python function registered under the node's token.",
    remedy="Refuse the model, or ask for one without Python functions.",
    example="A SavedModel of a function that uses `tf.py_function`.",
    references=("CWE-829", _SECURITY),
)
FILES = Rule(
    id="tensorflow-graph/file-operator",
    title="The graph reads or writes files",
    severity=Severity.HIGH,
    check=Check.GRAPH_CODE,
    finds="Operators that read, write, list or map files, or change how files are opened; checkpoint and "
    "table operators whose path is written in the graph or computed by it; debugging and printing to a file.",
    why="A model computes numbers. `WriteFile` overwrites what its user may write, `ReadFile` brings secrets "
    "into its outputs; initialisers run as soon as the model is loaded.",
    remedy="Do not load the model.",
    example="`tf.io.write_file` in a function of a SavedModel.",
    limits="Saving and restoring checkpoints is part of every SavedModel and no finding where the path comes "
    "from outside the graph.",
    references=("CWE-829", "CWE-73", _SECURITY),
)
NETWORK = Rule(
    id="tensorflow-graph/network-operator",
    title="The graph talks to other machines",
    severity=Severity.HIGH,
    check=Check.GRAPH_CODE,
    finds="Operators of remote procedure calls and of the data service; debugging to another machine.",
    why="What the model is given can leave the machine, and what it returns can come from elsewhere.",
    remedy="Do not load the model.",
    example="`RpcCall` in a function of a SavedModel.",
    references=("CWE-829", _SECURITY),
)
NATIVE = Rule(
    id="tensorflow-graph/native-call",
    title="The graph calls native code by its name",
    severity=Severity.HIGH,
    check=Check.GRAPH_CODE,
    finds="`XlaCustomCall` and `XlaCustomCallV2`.",
    why="The process calls whatever is registered under the name, with arguments that the model chose; the "
    "callback of JAX takes one of them for an address.",
    remedy="Do not load the model.",
    example="`XlaCustomCall` with `target_name = xla_python_cpu_callback`",
    references=("CWE-829", _SECURITY),
)
COMPILED = Rule(
    id="tensorflow-graph/compiled-code",
    title="The graph brings a program compiled beforehand",
    severity=Severity.MEDIUM,
    check=Check.GRAPH_CODE,
    finds="`XlaCallModule`, TPU programs, TensorRT engines.",
    why="What the program does is not to be seen in the graph.",
    remedy="Prefer a model without it where there is one.",
    example="A model exported by `jax2tf`.",
    limits="The program itself is not read.",
    references=("CWE-829", _SECURITY),
)
CUSTOM = Rule(
    id="tensorflow-graph/custom-operator",
    title="The graph needs operators that TensorFlow does not bring",
    severity=Severity.MEDIUM,
    check=Check.GRAPH_CODE,
    finds="An operator that neither TensorFlow nor the graph's own function library defines.",
    why="Whoever runs the model has to load a native library first, and nobody here vouches for it.",
    remedy="Ask the publisher which library it is, and judge that library.",
    example="`SentencepieceOp`, which TensorFlow Text brings.",
    limits="Operators newer than the list count as custom ones.",
    references=("CWE-829", "https://www.tensorflow.org/guide/create_op"),
)
ASSET = Rule(
    id="tensorflow-graph/asset-path",
    title="An asset lies outside the model's folder",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="A file name among the assets that is absolute or climbs out with `..`.",
    why="TensorFlow joins it to the folder of assets and reads whatever lies there, as a vocabulary say.",
    remedy="Refuse the model.",
    example="`../../../etc/passwd` as the file of an asset.",
    references=("CWE-22",),
)
PAYLOAD = Rule(
    id="tensorflow-graph/payload",
    title="Bytes that TensorFlow does not read",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Fields that the specification does not know.",
    why="Readers step over them, so they can carry anything.",
    remedy="Refuse the model unless its publisher explains the bytes. They were inspected on their own.",
    example="A field 999 of a mebibyte in front of the graph.",
    references=("CWE-506",),
)
RULES = (PYTHON, FILES, NETWORK, NATIVE, COMPILED, CUSTOM, ASSET, PAYLOAD)
EFFECTS = {
    "calls Python": PYTHON,
    "talks to another machine": NETWORK,
    "calls a function of the process by its name": NATIVE,
    "runs a program compiled beforehand": COMPILED,
}
"""Which rule an effect belongs to; every other one is about files."""
