"""What can be found about a PyTorch zip archive beyond its pickles, which are judged as pickles."""

from __future__ import annotations

from scanner.model import Check, Rule, Severity

STORAGE = Rule(
    id="pytorch-zip/storage",
    title="A tensor's numbers are not as its pickle says",
    severity=Severity.MEDIUM,
    check=Check.BOUNDS,
    finds="A storage that is missing, longer or shorter than the pickle says, or compressed; a tensor that "
    "reaches past the end of its storage.",
    why="PyTorch refuses such a file, or, where it maps the file into memory, takes other bytes for numbers.",
    remedy="Get the file again, or save it again with `torch.save`.",
    example="A storage of 16 bytes for a tensor of 100 floats.",
    references=("CWE-130",),
)
UNUSED = Rule(
    id="pytorch-zip/unused-storage",
    title="A storage belongs to no tensor",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="A member in the place of a storage for which no pickle of the archive asks.",
    why="PyTorch never reads it, so it can carry anything.",
    remedy="Refuse the file unless its publisher explains the member. It was inspected on its own.",
    example="A pickle named `archive/data/9` in a model of nine storages.",
    references=("CWE-506",),
)
CODE = Rule(
    id="pytorch-zip/ships-code",
    title="The model brings TorchScript code",
    severity=Severity.MEDIUM,
    check=Check.GRAPH_CODE,
    finds="TorchScript source, which runs when the model is used and, in `__setstate__`, when it is loaded.",
    why="TorchScript is a programming language: it can loop for ever and, by some operators, write files.",
    remedy="Prefer weights without code (safetensors), or use the model where it can do no harm.",
    example="Any file written by `torch.jit.save`.",
    limits="What the code computes is not judged, only which operators and native classes it names.",
    references=("CWE-829",),
)
EFFECT = Rule(
    id="pytorch-zip/effect",
    title="TorchScript code reaches files or other machines",
    severity=Severity.HIGH,
    check=Check.GRAPH_CODE,
    finds="An operator that reads or writes files or talks to other processes or machines.",
    why="A model computes numbers; `torch.save` in a model overwrites whatever its user may write.",
    remedy="Do not load the file.",
    example='`torch.save(x, "/home/user/.bashrc")` in `code/__torch__.py`',
    references=("CWE-829", "CVE-2024-5480"),
)
OUTSIDE = Rule(
    id="pytorch-zip/outside-operator",
    title="TorchScript code needs native code that PyTorch does not bring",
    severity=Severity.HIGH,
    check=Check.GRAPH_CODE,
    finds="An operator or a native class outside the namespaces of PyTorch (and torchvision's operators), "
    "or a use of `torch`, `ops` or `torch.classes` from which the name cannot be told.",
    why="What it does depends on a library that has to be loaded first; nobody here vouches for it.",
    remedy="Ask the publisher which library it is, and judge that library.",
    example="`ops.mylib.run(x)`, or `o = ops` and then `o.aten.save(…)`",
    references=("CWE-829",),
)
RULES = (CODE, EFFECT, OUTSIDE, STORAGE, UNUSED)
