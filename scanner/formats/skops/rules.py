"""The rules of skops files."""

from __future__ import annotations

from scanner.model import Check, Rule, Severity

_REMEDY = "Do not load the file, and do not pass on as `trusted` the list of types that it asks for itself."
DANGEROUS = Rule(
    id="skops/dangerous-callable",
    title="Loading this reaches a dangerous callable",
    severity=Severity.CRITICAL,
    check=Check.CODE_EXECUTION,
    finds="A node of the schema that imports, builds or calls something which executes code, resolves "
    "names, loads native code, or touches files or the network.",
    why="skops imports and calls what the nodes name once their types are trusted; before 0.12 some node "
    "types hid from that check what they call.",
    remedy=_REMEDY,
    example='`{"__loader__": "TypeNode", "__module__": "os", "__class__": "system"}`',
    limits="The list of dangerous callables is reviewed by hand; what it lacks is reported as unknown.",
    references=("CVE-2025-54412", "CVE-2025-54413", "CWE-502"),
)
UNKNOWN = Rule(
    id="skops/unknown-callable",
    title="Loading this reaches a callable that nobody vouches for",
    severity=Severity.HIGH,
    check=Check.CODE_EXECUTION,
    finds="A node of the schema that names a type or function which is neither known to be safe nor known "
    "to be dangerous.",
    why="skops refuses such a type until the caller trusts it; then importing it runs its module, and "
    "building it runs whatever it does.",
    remedy="Read the code that is named before you put it on the list of trusted types.",
    example='`{"__loader__": "ObjectNode", "__module__": "mypackage", "__class__": "Model"}`',
    limits="Known to be safe are common types of the standard library, numpy, scipy, scikit-learn, xgboost, "
    "lightgbm and catboost.",
    references=("CWE-502",),
)
DISGUISED = Rule(
    id="skops/disguised-node",
    title="A node says that it is one thing and builds another",
    severity=Severity.CRITICAL,
    check=Check.EVASION,
    finds="An operator node outside the module `operator`, or a method node whose own type is not the type "
    "of its object.",
    why="skops before 0.12 shows the user the type that the node claims, and calls the other one. No writer "
    "makes such a node.",
    remedy="Do not load the file.",
    example='`{"__loader__": "OperatorFuncNode", "__module__": "sklearn.linear_model", "__class__": "call"}`',
    references=("CVE-2025-54412", "CVE-2025-54413", "CWE-351"),
)
DUPLICATE_KEY = Rule(
    id="skops/duplicate-key",
    title="An object of the schema has the same key twice",
    severity=Severity.MEDIUM,
    check=Check.EVASION,
    finds="A key that stands more than once in one object of `schema.json`.",
    why="One reader takes the first of the two, skops the last. No writer does this; every reading was "
    "judged.",
    remedy="Do not load the file.",
    example='`{"__module__": "os", "__module__": "builtins"}`',
    references=("RFC 8259 section 4", "CWE-436"),
)
RULES = (DANGEROUS, UNKNOWN, DISGUISED, DUPLICATE_KEY)
