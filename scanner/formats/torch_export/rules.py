"""What can be found about an exported program beyond its pickles, which are judged as pickles."""

from __future__ import annotations

from scanner.model import Check, Rule, Severity

NATIVE = Rule(
    id="torch-export/native-code",
    title="The package is a compiled program",
    severity=Severity.HIGH,
    check=Check.GRAPH_CODE,
    finds="A library, object or source file that AOTInductor wrote, below `data/aotinductor`.",
    why="Loading the package maps the library into the process and calls it; where there is only source, it "
    "is compiled first, with flags from the package.",
    remedy="Take the exported program and compile it yourself.",
    example="Any file written by `torch._inductor.aoti_compile_and_package`.",
    limits="Machine code is not judged.",
    references=("CWE-114", "CWE-829"),
)
TARGET = Rule(
    id="torch-export/dangerous-callable",
    title="The program calls something other than an operator",
    severity=Severity.CRITICAL,
    check=Check.GRAPH_CODE,
    finds="A node whose `target` walks from `torch`, `math` or `operator` to something that executes code, "
    "resolves names, loads native code, or touches files or the network.",
    why="Loading walks the name attribute by attribute; running the program calls what it finds.",
    remedy="Do not load the file.",
    example='`"target": "torch.os.system"`',
    references=("CWE-470", "CWE-94"),
)
UNKNOWN = Rule(
    id="torch-export/unknown-operator",
    title="The program calls operators of a library",
    severity=Severity.MEDIUM,
    check=Check.GRAPH_CODE,
    finds="A node whose `target` is no operator of PyTorch itself.",
    why="Such an operator is native or Python code that has to be installed beside the program.",
    remedy="Find out which library registers it, and weigh that as well.",
    example='`"target": "torch.ops.mylibrary.scale.default"`',
    references=("CWE-829",),
)
EXPRESSION = Rule(
    id="torch-export/expression-code",
    title="An expression in the program is Python code",
    severity=Severity.CRITICAL,
    check=Check.GRAPH_CODE,
    finds="A symbolic size (`expr_str`) or a guard that is more than arithmetic over sizes.",
    why="`torch.export.load` hands sizes to `sympify`, which evaluates them as Python; guards are executed "
    "when the program is used.",
    remedy="Do not load the file.",
    example="`\"expr_str\": \"__import__('os').system('true')\"`",
    references=("https://docs.sympy.org/latest/modules/core.html#sympy.core.sympify.sympify", "CWE-95"),
)
PICKLED = Rule(
    id="torch-export/pickled-payload",
    title="A payload is unpickled without restriction",
    severity=Severity.MEDIUM,
    check=Check.CODE_EXECUTION,
    finds="A weight or constant with `use_pickle`, an opaque or a custom object.",
    why="`torch.export.load` reads it with `weights_only=False`: whatever the pickle calls, runs.",
    remedy="Prefer a program whose weights are raw numbers. What the pickle calls is judged on its own.",
    example="A tensor subclass among the weights.",
    references=("CWE-502",),
)
PAYLOAD = Rule(
    id="torch-export/payload",
    title="A tensor's numbers are not as its configuration says",
    severity=Severity.MEDIUM,
    check=Check.BOUNDS,
    finds="A payload that is missing or shorter than a tensor's sizes and strides need, or one that no "
    "tensor "
    "asks for.",
    why="PyTorch refuses the file, or never reads the payload, so that it can carry anything.",
    remedy="Get the file again, or save it again with `torch.export.save`.",
    example="A payload of 16 bytes for a tensor of 100 floats. One that nobody asks for was inspected.",
    references=("CWE-130", "CWE-506"),
)
RULES = (NATIVE, TARGET, UNKNOWN, EXPRESSION, PICKLED, PAYLOAD)
