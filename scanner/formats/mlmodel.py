"""MLflow's ``MLmodel``: which modules, files and types loading the model imports, opens and trusts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scanner.data.capabilities import capability
from scanner.inspection import Format, Head, Note, Read
from scanner.model import Check, Claim, Claimed, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader, read_whole
from scanner.wire.paths import escape

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

_REMEDY = "Read the code that is named, and load the model only where that code may run."
DANGEROUS = Rule(
    id="mlmodel/dangerous-callable",
    title="Loading the model reaches a dangerous callable",
    severity=Severity.CRITICAL,
    check=Check.REMOTE_CODE,
    finds="A loader module, a model class or a trusted type that executes code, resolves names, loads native "
    "code, or touches files or the network.",
    why="`mlflow.pyfunc.load_model` imports the loader and calls it; skops is told to trust the types.",
    remedy="Do not load the model.",
    example="`skops_trusted_types: [os.system]`",
    references=("CVE-2024-37052", "CWE-470", "CWE-502"),
)
LOADER = Rule(
    id="mlmodel/unknown-loader",
    title="The model is loaded by code that nobody vouches for",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="A `loader_module`, `keras_module` or `model_class` outside MLflow and the libraries that it "
    "knows.",
    why="`mlflow.pyfunc.load_model` imports it, from the model's own `code` folder if it is there.",
    remedy=_REMEDY,
    example="`loader_module: my_loader`",
    references=("CWE-470", "CWE-829"),
)
MODEL_CODE = Rule(
    id="mlmodel/model-code",
    title="The model is a Python file that loading runs",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="`model_code_path`: a model that was logged from code.",
    why="`mlflow.pyfunc.load_model` executes the file; no switch has to be set.",
    remedy=_REMEDY,
    example="`model_code_path: agent.py`",
    references=("CWE-94", "CWE-829"),
)
CODE_FOLDER = Rule(
    id="mlmodel/code-folder",
    title="The model puts its own modules in front of the installed ones",
    severity=Severity.MEDIUM,
    check=Check.REMOTE_CODE,
    finds="A flavour with `code`: a folder of the model that is put first on `sys.path`.",
    why="A file there that has the name of an installed module is imported in its place.",
    remedy=_REMEDY,
    example="`code: code`",
    limits="The Python files of the folder are judged as Python source where they are part of the artefact.",
    references=("CWE-427",),
)
TRUSTED_TYPE = Rule(
    id="mlmodel/trusted-type",
    title="The model vouches for types of its own",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="`skops_trusted_types` with a type that is neither known to be safe nor known to be dangerous.",
    why="MLflow passes the list on to skops as trusted: the artefact decides what may be built.",
    remedy="Pass a list of your own; read the code of the types that it names.",
    example="`skops_trusted_types: [mypackage.Model]`",
    references=("CWE-807", "CWE-502"),
)
PATH = Rule(
    id="mlmodel/path-escape",
    title="The model names a path outside its folder",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="An absolute path or one with `..` as a flavour's data, code, model or artefact.",
    why="Loading opens, imports or unpickles a file that is not part of the model.",
    remedy="Refuse the model; its own files are named relative to its folder.",
    example="`python_model: ../../elsewhere.pkl`",
    references=("CWE-22", "CWE-73"),
)
_LIMIT = 4 << 20
_FLAVOURS = re.compile(rb"(?m)^[\"']?flavors[\"']?[ \t]*:")
_MODULE_KEYS = ("loader_module", "keras_module", "model_class")
_PATH_KEYS = frozenset(
    {
        "artifact_path",
        "code",
        "conda",
        "data",
        "model_binary",
        "model_data",
        "model_path",
        "path",
        "pickled_model",
        "python_model",
        "state_dict",
        "virtualenv",
    }
)
_KNOWN = re.compile(r"mlflow(?:\.\w+)+|keras|tf_keras|tf\.keras|tensorflow\.keras|tensorflow\.python\.keras")
_LIBRARY = re.compile(r"(\w+?)_version")


def _matches(head: Head) -> bool:
    return head.name == "mlmodel" and _FLAVOURS.search(head.data) is not None


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    from scanner.wire import yaml  # noqa: PLC0415 - ruamel is only loaded where there is YAML

    model = _Model(where)
    for document in yaml.compose(yaml.decode(read_whole(reader, budget, _LIMIT))):
        version = yaml.scalar(document, "mlflow_version")
        if version:
            model.claims.append(Claim(Claimed.PRODUCER, f"mlflow {version[:40]}", "mlflow_version"))
        created = yaml.scalar(document, "utc_time_created")
        if created:
            model.claims.append(Claim(Claimed.CREATED, created[:40], "utc_time_created"))
        for flavours in yaml.every(document, "flavors"):
            for node in yaml.nodes(flavours, budget):
                yield from model.judge(node)
    yield model.facts()
    yield Read(Coverage.WHOLE)


@dataclass(slots=True)
class _Model:
    """What the flavours name."""

    where: Location
    claims: list[Claim] = field(default_factory=list)
    entry_points: dict[str, None] = field(default_factory=dict)
    files: dict[str, None] = field(default_factory=dict)

    def judge(self, node: Node) -> Iterator[Finding]:
        """One mapping below ``flavors``, at whatever depth an alias or a merge puts it."""
        from scanner.wire import yaml  # noqa: PLC0415 - as above

        for key, value in yaml.pairs(node):
            for text, scalar in yaml.scalars(value):
                place = self.where.at(line=yaml.line_of(scalar))
                if key in _MODULE_KEYS:
                    yield from self._reached(key, text, place, LOADER)
                elif key == "skops_trusted_types":
                    yield from self._reached(key, text, place, TRUSTED_TYPE)
                elif key == "model_code_path":
                    yield from self._code(text, place)
                if key in _PATH_KEYS:
                    yield from self._path(key, text, place)
                library = _LIBRARY.fullmatch(key)
                if library and library[1] not in {"python", "cloudpickle"}:
                    self.claims.append(Claim(Claimed.LIBRARY, f"{library[1]} {text[:40]}", key))

    def _reached(self, key: str, name: str, place: Location, otherwise: Rule) -> Iterator[Finding]:
        shown = name[:200]
        does = capability(name)
        if does == "safe" or (otherwise is LOADER and does == "unknown" and _KNOWN.fullmatch(name)):
            return
        self.entry_points[shown] = None
        evidence = (("callable", shown), ("key", key), ("capability", does))
        if does == "unknown":
            yield Finding(
                otherwise, place, f"{key} names {shown}, which nobody vouches for", evidence=evidence
            )
        else:
            yield Finding(DANGEROUS, place, f"{key} names {shown} ({does})", evidence=evidence)

    def _code(self, text: str, place: Location) -> Iterator[Finding]:
        shown = text.replace("\\", "/").rpartition("/")[2][:200]  # MLflow takes the last part
        self.entry_points[shown] = None
        yield Finding(MODEL_CODE, place, f"loading executes {shown}", evidence=(("file", shown),))

    def _path(self, key: str, text: str, place: Location) -> Iterator[Finding]:
        shown = text[:200]
        self.files[shown] = None
        how = escape(text)
        evidence = (("key", key), ("path", shown))
        if how:
            yield Finding(PATH, place, f"{key} {shown!r} {how}", evidence=evidence)
        if key == "code":
            self.entry_points[shown] = None
            yield Finding(CODE_FOLDER, place, f"puts {shown!r} first on sys.path", evidence=evidence)

    def facts(self) -> Facts:
        """What the flavours say, for the inventory."""
        return Facts(
            "mlmodel",
            claims=tuple(dict.fromkeys(self.claims)),
            external_files=tuple(self.files),
            entry_points=tuple(self.entry_points),
        )


FORMAT = Format(
    name="mlmodel",
    title="MLflow model",
    matches=_matches,
    inspect=_inspect,
    rules=(DANGEROUS, LOADER, MODEL_CODE, CODE_FOLDER, TRUSTED_TYPE, PATH),
    within=("yaml-text", "text"),
    spec="https://mlflow.org/docs/latest/ml/model/#storage-format; mlflow/pyfunc/__init__.py",
)
