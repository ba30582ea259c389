"""Python source: parsed, never run; what importing it does, and what it can do when it is called."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from scanner.data.capabilities import source_capability
from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Read
from scanner.model import Check, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader, read_whole
from scanner.wire import python_source as source
from scanner.wire.python_names import IMPORTERS

PRESENT = Rule(
    id="python-source/present",
    title="The artefact brings Python code",
    severity=Severity.LOW,
    check=Check.REMOTE_CODE,
    finds="A Python source file.",
    why="Weights need no code. With remote code switched on, loaders import such files.",
    remedy="Read the code before anything imports it, and load a fixed commit.",
    example="A `custom_model.py` beside the weights.",
    references=("CWE-829",),
)
ON_IMPORT = Rule(
    id="python-source/runs-on-import",
    title="Importing the module starts programs, opens connections or loads foreign code",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="A call that executes, deserialises, connects or loads native code, in what runs when the module "
    "is imported: its top level, class bodies, decorators, defaults, and the functions that these call.",
    why="Whoever loads the model with remote code switched on runs it, before a model exists.",
    remedy="Do not import the module. A module that defines a model has nothing to start on import.",
    example="`os.system('true')` at the top level of `custom_model.py`",
    limits="Names are followed through imports, assignments, getattr and constant texts, not through data.",
    references=("CWE-94", "CWE-506"),
)
ACTS = Rule(
    id="python-source/acts-on-import",
    title="Importing the module changes files or the interpreter, or imports by a computed name",
    severity=Severity.MEDIUM,
    check=Check.REMOTE_CODE,
    finds="A call that removes or renames files, changes the interpreter, or imports or looks up what is "
    "only named at run time, in what runs when the module is imported.",
    why="The import has effects that reviewers do not expect, or hides what it reaches.",
    remedy="Read the module; ask its publisher what the call is for.",
    example="`importlib.import_module(name)` at the top level",
    references=("CWE-94", "CWE-470"),
)
CAN = Rule(
    id="python-source/dangerous-call",
    title="The code can start programs, open connections or load foreign code",
    severity=Severity.MEDIUM,
    check=Check.REMOTE_CODE,
    finds="The same calls in functions that importing alone does not run.",
    why="They run when the model is built, used or trained, or when the script is started.",
    remedy="Read the functions that are named.",
    example="`subprocess.run(command)` in a method",
    limits="The list of calls is reviewed by hand; others are not reported.",
    references=("CWE-94",),
)
ENCODING = Rule(
    id="python-source/encoding",
    title="The source declares an encoding that hides what it says",
    severity=Severity.HIGH,
    check=Check.EVASION,
    finds="A coding line (PEP 263) that names UTF-7, escapes or another encoding in which text looks "
    "different.",
    why="Reviewers and scanners read harmless text where Python reads code.",
    remedy="Do not import the module.",
    example="`# -*- coding: utf-7 -*-`",
    references=("PEP 263", "CWE-838"),
)
BUILDER = Rule(
    id="python-source/loading-script",
    title="The code is a loading script of a data set",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="A class that inherits from a builder of the datasets library or of TensorFlow Datasets.",
    why="`load_dataset` of datasets before 4.0 imports such a script from the repository, before 2.20 "
    "without asking, and runs it with the rights of the user.",
    remedy="Ask for the data as Parquet, or load the branch `refs/convert/parquet`. Read the script before "
    "anything imports it, and pin the commit.",
    example="`class Set(datasets.GeneratorBasedBuilder)` in `set.py`",
    limits="A base class that is renamed on import is not recognised.",
    references=("https://huggingface.co/docs/datasets/dataset_script", "CWE-829", "CWE-94"),
)
_BUILDERS = frozenset(("GeneratorBasedBuilder", "ArrowBasedBuilder", "BeamBasedBuilder", "DatasetBuilder"))
_RUNS = frozenset(("executes", "deserialises", "network", "loads-native"))
# ASCII means the same in all of these, so what a reviewer sees is what Python reads.
_PLAIN = re.compile(
    r"utf-?8(?:-sig)?|ascii|us-ascii|latin-?1|iso-?8859-?\d+|cp(?:125\d|437|85\d|866|93[26]|949|950)|koi8-[ru]|"
    r"gb(?:k|2312|18030)|big5(?:hkscs)?|euc-?(?:jp|kr)|shift_?jis|windows-125\d|mac-?roman",
    re.IGNORECASE,
)
_SUFFIXES = (".py", ".pyw", ".pyi")
_CONTROL = frozenset(range(32)) - {9, 10, 12, 13}
_FIRST = re.compile(
    rb"(?:\xef\xbb\xbf)?#![^\n]*\bpython|"
    rb"(?:[ \t\r]*\n|#[^\n]*\n)*+(?:import [\w.]+(?: as \w+)?[ \t]*(?:[,;#\r\n]|$)|from [\w.]+ import [\w*(])"
)
_IMPORTS = 200
_OWNERS = frozenset(
    ("builtins", "os", "sys", "subprocess", "importlib", "ctypes", "posix", "socket", "shutil")
)


def _matches(head: Head) -> bool:
    if head.name.endswith(_SUFFIXES):
        return _CONTROL.isdisjoint(head.data) or head.data[:2] in {b"\xff\xfe", b"\xfe\xff"}
    return False


def _suspects(head: Head) -> bool:
    """Whether a text under another name begins as Python source does: it is, where it parses."""
    start = head.data[:1]
    if start not in {b"#", b"i", b"f", b"\n", b"\xef"} or head.name.endswith(
        (*_SUFFIXES, ".md", ".rst", ".txt")
    ):
        return False
    return _FIRST.match(head.data) is not None and _CONTROL.isdisjoint(head.data)


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    yield Finding(PRESENT, where, "is Python source")
    raw = read_whole(reader, budget, source.LENGTH)
    text, encoding = source.decode(raw)
    if not _PLAIN.fullmatch(encoding):
        evidence = (("encoding", encoding),)
        yield Finding(ENCODING, where.at(line=1), f"declares the encoding {encoding}", evidence=evidence)
        yield from _hidden(raw, encoding, budget, where)
    tree = source.parse(text)
    module = source.Module(tree, budget)
    imports = tuple(sorted(module.imports)[:_IMPORTS])
    yield Facts("python-source", metadata=(("imports", ", ".join(imports)),) if imports else ())
    yield from _builders(tree, where)
    yield from _judge(module, where)
    yield Read(Coverage.WHOLE)


def _hidden(raw: bytes, encoding: str, budget: Budget, where: Location) -> Iterator[Finding]:
    """Judge what programs see that do not honour the coding line."""
    if encoding.startswith("utf-16"):
        return
    try:
        module = source.Module(source.parse(raw.decode("latin-1")), budget)
    except FormatError:
        return
    yield from _judge(module, where)


def _builders(tree: ast.Module, where: Location) -> Iterator[Finding]:
    """Classes at the top level that build a data set; a loader looks for them nowhere else."""
    for node in tree.body:
        for base in node.bases if isinstance(node, ast.ClassDef) else ():
            name = (
                base.attr
                if isinstance(base, ast.Attribute)
                else base.id
                if isinstance(base, ast.Name)
                else ""
            )
            if name in _BUILDERS and isinstance(node, ast.ClassDef):
                evidence = (("class", node.name[:120]), ("base", name))
                message = f"{node.name[:120]} builds a data set: load_dataset imports this file"
                yield Finding(BUILDER, where.at(line=node.lineno), message, evidence=evidence)


def _judge(module: source.Module, where: Location) -> Iterator[Finding]:
    for use in module.uses():
        does = source_capability(use.name)
        if source.is_computed(use.name):
            does = _computed(use)
        elif does == "imports" and use.name in IMPORTERS:
            does = None  # with a constant name it is an import; with a computed one that name is judged
        if does is None:
            continue
        rule = (ON_IMPORT if does in _RUNS else ACTS) if use.at_import else CAN
        if rule is CAN and does not in _RUNS:
            continue
        verb = "calls" if use.call else "names"
        when = "importing it" if use.at_import else "the code"
        evidence = (("name", use.name[:120]), ("capability", does))
        message = f"{when} {verb} {use.name[:120]} ({does})"
        yield Finding(rule, where.at(line=use.line), message, evidence=evidence)


def _computed(use: source.Use) -> str | None:
    """A computed name counts where it is called, in something that has dangerous names or is unknown."""
    owner = use.name.partition(".?")[0]
    if owner in IMPORTERS:
        return "imports"
    if not use.call and use.name.rpartition(".")[2] not in source.REFLECTION:
        return None
    return "resolves-names" if owner in _OWNERS or owner.startswith("?") else None


FORMAT = Format(
    name="python-source",
    title="Python source",
    matches=_matches,
    suspects=_suspects,
    inspect=_inspect,
    rules=(PRESENT, ON_IMPORT, ACTS, BUILDER, CAN, ENCODING),
    suffixes=_SUFFIXES,
    within=("text",),
    spec="https://docs.python.org/3/reference/",
)
