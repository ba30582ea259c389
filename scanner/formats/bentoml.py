"""BentoML's ``bento.yaml`` and ``bentofile.yaml``: the service that is imported, what is installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from scanner.inspection import Child, Format, Head, Note, Read
from scanner.model import Check, Claim, Claimed, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, BytesReader, Reader, read_whole
from scanner.wire.paths import escape

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

SERVICE = Rule(
    id="bentoml/service-code",
    title="The bento is a program",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="A `service` of the form `module:name`, which every bento has.",
    why="`bentoml serve`, and building an image of it, import that module from the bento.",
    remedy="Read the module as you would read any program; take weights from a model store instead.",
    example="`service: service:Classifier`",
    limits="The module itself is judged as Python source where it is part of the artefact.",
    references=("CWE-829", "CWE-94"),
)
BUILD_CODE = Rule(
    id="bentoml/build-code",
    title="Building the image runs what the bento brings",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="A `setup_script` or a `dockerfile_template` below `docker`.",
    why="Building an image runs the script, and renders the template, on the building machine.",
    remedy="Read the file, or build the image from a definition of your own.",
    example="`docker: {setup_script: ./setup.sh}`",
    references=("CWE-829", "CWE-1336"),
)
PATH = Rule(
    id="bentoml/path-escape",
    title="The bento names a path outside its folder",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="An absolute path or one with `..` as a script, template, lock or environment file.",
    why="Building or serving reads or runs a file that is not part of the bento.",
    remedy="Refuse it; a bento's own files are named relative to its folder.",
    example="`docker: {setup_script: ../../run.sh}`",
    references=("CWE-22",),
)
_LIMIT = 4 << 20
_NAMES = frozenset({"bento.yaml", "bento.yml", "bentofile.yaml", "bentofile.yml"})
_RUN = ("setup_script", "dockerfile_template")
_FILES = (*_RUN, "requirements_txt", "environment_yml")
_OPTIONS = {"index_url": "--index-url", "extra_index_url": "--extra-index-url", "find_links": "--find-links",
            "trusted_host": "--trusted-host"}  # fmt: skip


def _matches(head: Head) -> bool:
    return head.name in _NAMES and b":" in head.data and b"\0" not in head.data


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    from scanner.wire import yaml  # noqa: PLC0415 - ruamel is only loaded where there is YAML

    code: dict[str, None] = {}
    files: dict[str, None] = {}
    pip: list[str] = []
    claims: list[Claim] = []
    for document in yaml.compose(yaml.decode(read_whole(reader, budget, _LIMIT))):
        for value in yaml.every(document, "service"):
            for name, scalar in yaml.scalars(value):
                code[name[:200]] = None
                place = where.at(line=yaml.line_of(scalar))
                message = f"serving imports {name[:200]}"
                yield Finding(SERVICE, place, message, evidence=(("service", name[:200]),))
        for node in yaml.nodes(document, budget):
            for key, value in yaml.pairs(node):
                if key in _FILES:
                    yield from _file(key, value, where, code if key in _RUN else files)
                elif key in _OPTIONS:
                    pip += [f"{_OPTIONS[key]} {text}" for text, _ in yaml.scalars(value)]
        for python in yaml.every(document, "python"):
            pip += [text for value in yaml.every(python, "packages") for text, _ in yaml.scalars(value)]
        for key, what in (
            ("name", Claimed.NAME),
            ("version", Claimed.VERSION),
            ("creation_time", Claimed.CREATED),
        ):
            text = yaml.scalar(document, key)
            claims += [Claim(what, text[:200], key)] if text else []
        version = yaml.scalar(document, "bentoml_version")
        claims += [Claim(Claimed.PRODUCER, f"bentoml {version[:40]}", "bentoml_version")] if version else []
    if pip:
        lines = "\n".join(text.replace("\n", " ") for text in pip)
        yield Child("pip requirements", BytesReader(lines.encode()), read_as="requirements")
    yield Facts("bentoml", claims=tuple(claims), external_files=tuple(files), entry_points=tuple(code))
    yield Read(Coverage.WHOLE)


def _file(key: str, value: Node, where: Location, named: dict[str, None]) -> Iterator[Finding]:
    from scanner.wire import yaml  # noqa: PLC0415 - as above

    for text, scalar in yaml.scalars(value):
        shown, place = text[:200], where.at(line=yaml.line_of(scalar))
        named[shown] = None
        if key in _RUN:
            evidence = (("key", key), ("file", shown))
            yield Finding(BUILD_CODE, place, f"{key} is {shown}", evidence=evidence)
        if how := escape(text):
            yield Finding(PATH, place, f"{key} {shown!r} {how}", evidence=(("key", key), ("path", shown)))


FORMAT = Format(
    name="bentoml",
    title="bento",
    matches=_matches,
    inspect=_inspect,
    rules=(SERVICE, BUILD_CODE, PATH),
    within=("yaml-text", "text"),
    spec="https://docs.bentoml.com/en/latest/reference/bentoml/bento-build-options.html",
)
