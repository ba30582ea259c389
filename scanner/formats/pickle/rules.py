"""What can be found about a pickle, whatever reads it."""

from __future__ import annotations

from scanner.model import Check, Rule, Severity

_REMEDY = "Do not load the file. Ask its publisher for the weights as safetensors."
DANGEROUS = Rule(
    id="pickle/dangerous-callable",
    title="Loading this reaches a dangerous callable",
    severity=Severity.CRITICAL,
    check=Check.CODE_EXECUTION,
    finds="A callable that executes code, imports, resolves names, changes the interpreter, loads native "
    "code, or touches files or the network.",
    why="Whoever loads the file runs it, before the first weight is seen.",
    remedy=_REMEDY,
    example="`cposix\\nsystem\\n` with the argument `true`.",
    limits="The list of dangerous callables is reviewed by hand; what it lacks is reported as unknown.",
    references=("CWE-502", "CVE-2025-1716", "CVE-2025-10157", "GHSA-vvpj-8cmc-gx39"),
)
UNKNOWN = Rule(
    id="pickle/unknown-callable",
    title="Loading this reaches a callable that nobody vouches for",
    severity=Severity.HIGH,
    check=Check.CODE_EXECUTION,
    finds="A callable that is neither known to be safe nor known to be dangerous, and a known-safe name that "
    "is used as no pickler uses it: called where it is only ever named, or given a state twice.",
    why="Importing it runs its module, and calling it runs whatever it does. Safe names that are put "
    "together in unheard-of ways can do what none of them does alone.",
    remedy=_REMEDY,
    example="`cmypackage\\nrestore\\n`",
    limits="The known-safe list covers what the standard library, torch, numpy, pandas, scipy, scikit-learn, "
    "XGBoost and LightGBM write. Native code that a well-formed state can crash is not judged.",
    references=("CWE-502", "CWE-1395", "CVE-2026-24747", "arXiv 2508.19774", "arXiv 2607.17503"),
)
PRESENT = Rule(
    id="pickle/present",
    title="The file is a pickle",
    severity=Severity.MEDIUM,
    check=Check.CODE_EXECUTION,
    finds="A pickle stream.",
    why="The format can carry code: where this version does not, the next one may.",
    remedy="Prefer safetensors.",
    example="Any file written by `pickle.dump`.",
    references=("CWE-502",),
)
MALFORMED = Rule(
    id="pickle/malformed",
    title="The pickle breaks off in the middle",
    severity=Severity.HIGH,
    check=Check.EVASION,
    finds="A stream that starts as a pickle and then holds what no pickle holds.",
    why="What stands before the fault has run by the time a loader notices it.",
    remedy=_REMEDY,
    example="A payload followed by an invalid opcode, as in the nullifAI samples of 2025.",
    references=("CWE-502", "GHSA-9gvj-pp9x-gcfr"),
)
TRAILING = Rule(
    id="pickle/trailing-data",
    title="Something lies behind the pickle",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes behind the last STOP that are no pickle.",
    why="A loader that reads the pickle ignores them; another program may run them.",
    remedy="Refuse the file unless its publisher explains the bytes. They were inspected on their own.",
    example="A zip archive appended to a pickle.",
    references=("CWE-646",),
)
RULES = (DANGEROUS, UNKNOWN, PRESENT, MALFORMED, TRAILING)
