"""YAML files: inert data, unless a tag or a key has a loader build objects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from scanner.data.capabilities import capability, is_config_class, is_config_namespace
from scanner.inspection import Format, Head, Note, Read
from scanner.model import Check, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader, read_whole

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node

DANGEROUS = Rule(
    id="yaml-text/dangerous-callable",
    title="Loading the YAML reaches a dangerous callable",
    severity=Severity.CRITICAL,
    check=Check.REMOTE_CODE,
    finds="A tag (`!!python/object/apply:…`, `!new:…`) or a Hydra `_target_` (`target` in NeMo and latent "
    "diffusion) that names something which executes code, loads native code, or touches files or the "
    "network.",
    why="`yaml.load` with an unsafe loader, HyperPyYAML and Hydra call it with arguments from the file.",
    remedy="Do not load the file.",
    example="`!!python/object/apply:os.system ['true']`",
    references=("CVE-2025-23304", "CVE-2020-14343", "CWE-502", "CWE-470"),
)
UNKNOWN = Rule(
    id="yaml-text/unknown-callable",
    title="Loading the YAML reaches a callable that nobody vouches for",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="A tag or a `_target_` that names a callable outside the usual libraries, or an object tag of "
    "another language.",
    why="The loader imports and calls it, from the repository or from what happens to be installed.",
    remedy="Read the file with a safe loader only; find out which code is named.",
    example="`_target_: mypackage.restore`",
    references=("CVE-2025-23304", "CVE-2022-1471", "CWE-502"),
)
BUILDS = Rule(
    id="yaml-text/builds-objects",
    title="The YAML names classes for a loader to build",
    severity=Severity.MEDIUM,
    check=Check.REMOTE_CODE,
    finds="A tag or a `_target_` that names something of a usual library.",
    why="The format can carry code: where this version does not, the next one may.",
    remedy="Load it only with a loader that allows exactly the classes you expect.",
    example="`encoder: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN`",
    limits="Within those libraries, names are accepted by their package, unless they walk to `os` or the "
    "like.",
    references=("CWE-470",),
)
DUPLICATE_KEY = Rule(
    id="yaml-text/duplicate-key",
    title="A mapping has the same key twice",
    severity=Severity.LOW,
    check=Check.EVASION,
    finds="A key that stands more than once in one mapping.",
    why="Readers differ in which of the two they take, or refuse the file. Every reading was judged.",
    remedy="Keep one of the two.",
    example="`a: 1` and, below it, `a: 2`",
    references=("YAML 1.2.2 section 3.2.1.3",),
)
_LIMIT = 4 << 20
_SUFFIXES = (".yaml", ".yml")
_NAMES = frozenset({"mlmodel"})
_CONTROL = frozenset(range(32)) - {9, 10, 12, 13}
_FIRST = re.compile(
    rb"(?:\xef\xbb\xbf)?(?:%YAML [\d.]+[ \t]*\r?\n|(?:#[^\n]*\n)*+---[ \t]*!|(?:#[^\n]*\n)*+!!python/)"
)
# What safe loaders build themselves, and PyYAML's spellings of plain values.
_PLAIN = re.compile(
    r"!?|!!(?:str|int|float|bool|null|map|seq|set|omap|pairs|binary|timestamp|merge|value|"
    r"python/(?:tuple|str|unicode|int|long|float|complex|list|dict|bool|none|bytes))"
)
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_PYTHON = re.compile(r"!!python/(?:object/apply|object/new|object|name|module):(.*)")
_HYPER = re.compile(r"!(?:new|apply|applyref|name|module):(.*)")
_FOREIGN = re.compile(r"!!(?:[\w$]+\.)+[\w$]+|!ruby/.*|!!ruby/.*|!!perl/.*|!perl/.*|!php/.*|!!js/.*")


def _matches(head: Head) -> bool:
    if head.name.endswith(_SUFFIXES) or head.name in _NAMES:
        return head.size > 0 and _CONTROL.isdisjoint(head.data)
    return head.data[:1] in {b"%", b"#", b"-", b"!", b"\xef"} and _FIRST.match(head.data) is not None


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    from scanner.wire import yaml  # noqa: PLC0415 - ruamel is only loaded where there is YAML

    raw = read_whole(reader, budget, _LIMIT)
    text = yaml.decode(raw)
    entry_points: dict[str, None] = {}
    file = (where.members or (where.path,))[-1].rpartition("/")[2].lower()
    for document in yaml.compose(text):
        for node in yaml.nodes(document, budget):
            place = where.at(line=yaml.line_of(node))
            tag = yaml.tag_of(node)
            for name in _tagged(tag):
                entry_points[name] = None
                yield from _judge(name, tag, place)
            for key, name, scalar in _targets(node, file):
                entry_points[name] = None
                yield from _judge(name, key, where.at(line=yaml.line_of(scalar)))
            for key in yaml.repeated(node)[:20]:
                message = f"a mapping names {key[:80]!r} twice"
                yield Finding(DUPLICATE_KEY, place, message, evidence=(("key", key[:80]),))
    yield Facts("yaml", entry_points=tuple(entry_points))
    yield Read(Coverage.WHOLE)


def _targets(node: Node, file: str) -> Iterator[tuple[str, str, Node]]:
    """(key, name, its node) of what a loader builds: Hydra's ``_target_``, and the ``target`` of others.

    NeMo (``import_class_by_path``) takes it from the root of ``model_config.yaml``, latent diffusion
    (``instantiate_from_config``) from wherever ``params`` stand beside it; elsewhere it is a word like
    any other, unless it names what is dangerous.
    """
    from scanner.wire import yaml  # noqa: PLC0415 - as above

    for value in yaml.every(node, "_target_"):
        yield from (("_target_", name, scalar) for name, scalar in yaml.scalars(value))
    meant = file == "model_config.yaml" or bool(yaml.every(node, "params"))
    for value in yaml.every(node, "target"):
        for name, scalar in yaml.scalars(value):
            if _DOTTED.fullmatch(name) and (meant or capability(name) not in {"safe", "unknown"}):
                yield "target", name, scalar


def _tagged(tag: str) -> list[str]:
    """The callable that a tag names, if it names one."""
    if _PLAIN.fullmatch(tag):
        return []
    for pattern in (_PYTHON, _HYPER):
        match = pattern.fullmatch(tag)
        if match:
            return [match[1]]
    return [tag] if _FOREIGN.fullmatch(tag) or tag.startswith("!!python/") else []


def _judge(name: str, key: str, place: Location) -> Iterator[Finding]:
    does = capability(name)
    shown = name[:200]
    evidence = (("callable", shown), ("key", key[:200]), ("capability", does))
    if does not in {"safe", "unknown"}:
        yield Finding(DANGEROUS, place, f"{key[:200]} names {shown} ({does})", evidence=evidence)
    elif does == "safe" or is_config_class(name) or is_config_namespace(name):
        if key not in {"_target_", "target"} or not is_config_class(name):
            yield Finding(BUILDS, place, f"names {shown}", evidence=evidence)
    else:
        message = f"{key[:200]} names {shown}, which nobody vouches for"
        yield Finding(UNKNOWN, place, message, evidence=evidence)


FORMAT = Format(
    name="yaml-text",
    title="YAML",
    matches=_matches,
    inspect=_inspect,
    rules=(DANGEROUS, UNKNOWN, BUILDS, DUPLICATE_KEY),
    suffixes=_SUFFIXES,
    within=("text",),
    spec="YAML 1.2.2",
)
