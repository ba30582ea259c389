"""What the libraries of the Hub would import, call or open because a configuration says so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from scanner.data.capabilities import capability, is_config_class, is_config_library, is_config_namespace
from scanner.formats.hub_config import rules
from scanner.model import Confidence, Finding, Location, Rule
from scanner.wire import json

# transformers/integrations/hub_kernels.py, is_kernel(), and its prefix for paged attention.
_KERNEL = re.compile(r"(?:[a-z_]+\|)?[^/:|\s]+/[^/:\s]+(?:@[^/:\s]+)?(?::[^/:\s]+)?")
_KERNEL_KEYS = (
    "attn_implementation", "_attn_implementation", "_attn_implementation_internal",
    "attn_implementation_internal", "experts_implementation", "_experts_implementation",
    "_experts_implementation_internal", "kernel_repo", "kernel_repo_id", "kernel_config",
)  # fmt: skip
_SWITCHES = ("trust_remote_code", "trust-remote-code", "allow_custom_code", "allow_remote_code")
_REMEMBERED = ("_name_or_path", "name_or_path", "base_model_name_or_path", "special_tokens_map_file")
_ABSOLUTE = re.compile(r"/(?!/)|[A-Za-z]:[\\/]|\\\\|~[/\\]|file:")
_DOTTED = re.compile(r"[A-Za-z_][\w.-]*")
# PEFT's own allow-list (peft/auto.py): importing their modules runs no code of the artefact.
_PARENTS = ("transformers", "diffusers", "lerobot")
# What diffusers takes for the index of a pipeline goes by its name (``DiffusionPipeline.config_name``).
_INDICES = ("model_index.json", "modular_model_index.json")
_LIMIT = 10_000


@dataclass(slots=True)
class Judgement:
    """The findings about one document; ``entry_points`` collects the code that it names."""

    document: json.Document
    where: Location
    name: str
    """Last component of the file's name, in lower case."""
    entry_points: dict[str, None] = field(default_factory=dict)

    def judge(self) -> Iterator[Finding]:
        """Every finding, for every reading of repeated keys."""
        checks: dict[str, Callable[[dict[str, Any], str, Any], Iterator[Finding]]] = {
            "auto_map": self._auto_map,
            "custom_pipelines": self._custom_pipelines,
            "_target_": self._target,
            "parent_library": self._parent,
            "megatron_core": self._parent,
            "type": self._module,
            **dict.fromkeys(_KERNEL_KEYS, self._kernel),
            **dict.fromkeys(_SWITCHES, self._switch),
            **dict.fromkeys(_REMEMBERED, self._remembered),
        }
        for table in self.document.tables:
            if self.name in _INDICES:
                yield from self._components(table)
            for key, check in checks.items():
                if key in table:
                    for value in json.every(table, key):
                        yield from check(table, key, value)

    def _at(self, table: dict[str, Any], *keys: str | int) -> Location:
        route = json.route_to(self.document, table)
        for key in keys:
            route = (key, route)
        return self.where.at(line=json.line_of(self.document, route))

    def _find(self, rule: Rule, place: Location, message: str, *evidence: tuple[str, str]) -> Finding:
        return Finding(rule, place, message, Confidence.HIGH, evidence)

    def _auto_map(self, table: dict[str, Any], key: str, value: Any) -> Iterator[Finding]:
        """Take ``{class: "module.Class"}``, its list form for slow and fast tokenizers, or the list alone."""
        wanted = value if isinstance(value, dict) else {"AutoTokenizer": value}
        place = self._at(table, key)
        for role in wanted:
            for found in json.every(wanted, role):
                for reference in found if isinstance(found, list) else [found]:
                    if isinstance(reference, str):
                        yield from self._reference(reference, json.shown(role), place)

    def _reference(self, reference: str, role: str, place: Location) -> Iterator[Finding]:
        shown = json.shown(reference)
        self.entry_points[shown] = None
        repository, foreign, _ = shown.partition("--")
        evidence = (("reference", shown), ("role", role))
        if foreign:
            message = f"{role} is code of another repository, {repository}: {shown}"
            yield self._find(rules.FOREIGN_CODE, place, message, *evidence)
        else:
            message = f"{role} is code of this repository: {shown}"
            yield self._find(rules.REMOTE_CODE, place, message, *evidence)

    def _custom_pipelines(self, table: dict[str, Any], key: str, value: Any) -> Iterator[Finding]:
        if isinstance(value, dict):
            for task in value:
                for entry in json.every(value, task):
                    for found in json.every(entry, "impl") if isinstance(entry, dict) else []:
                        if isinstance(found, str):
                            role = f"the pipeline {json.shown(task)}"
                            yield from self._reference(found, role, self._at(table, key))

    def _switch(self, table: dict[str, Any], key: str, value: Any) -> Iterator[Finding]:
        if value is True or (isinstance(value, str) and value.lower() == "true"):
            message = f"{key} is switched on by the file itself"
            yield self._find(rules.TRUST_SWITCH, self._at(table, key), message, ("key", key))

    def _kernel(self, table: dict[str, Any], key: str, value: Any) -> Iterator[Finding]:
        pending, seen = [value], 0
        while pending and seen < _LIMIT:
            found = pending.pop()
            seen += 1
            if isinstance(found, dict):
                pending += json.members(found)
            elif isinstance(found, list):
                pending += found[:_LIMIT]
            elif isinstance(found, str) and _KERNEL.fullmatch(found):
                shown = json.shown(found)
                self.entry_points[shown] = None
                message = f"{key} has code downloaded from {shown}"
                evidence = (("key", key), ("repository", shown))
                yield self._find(rules.KERNEL, self._at(table, key), message, *evidence)

    def _target(self, table: dict[str, Any], key: str, value: Any) -> Iterator[Finding]:
        if isinstance(value, str):
            yield from self._callable(value, is_config_class(value), self._at(table, key), key)

    def _parent(self, table: dict[str, Any], key: str, value: Any) -> Iterator[Finding]:
        if not isinstance(value, str) or (key == "megatron_core" and table.get("megatron_config") is None):
            return
        known = value == "megatron.core" if key == "megatron_core" else value.split(".")[0] in _PARENTS
        yield from self._callable(value, known, self._at(table, key), key)

    def _callable(self, name: str, known: bool, place: Location, key: str) -> Iterator[Finding]:  # noqa: FBT001
        shown = json.shown(name)
        self.entry_points[shown] = None
        does = capability(name)
        if does == "safe" or (known and does == "unknown"):
            return
        evidence = (("callable", shown), ("key", key), ("capability", does))
        if does == "unknown" and key == "_target_" and is_config_namespace(name):
            yield self._find(rules.NAMED, place, f"{key} names {shown}", *evidence)
        elif does == "unknown":
            message = f"{key} names {shown}, which nobody vouches for"
            yield self._find(rules.UNKNOWN, place, message, *evidence)
        else:
            yield self._find(rules.DANGEROUS, place, f"{key} names {shown} ({does})", *evidence)

    def _module(self, table: dict[str, Any], key: str, value: Any) -> Iterator[Finding]:
        """Judge an entry of sentence-transformers' modules.json: ``{"idx", "name", "path", "type"}``."""
        if not isinstance(value, str) or not ("path" in table and ("idx" in table or "name" in table)):
            return
        if "idx" not in table and self.name != "modules.json":
            return
        if _DOTTED.fullmatch(value):
            yield from self._callable(value, is_config_class(value), self._at(table, key), key)
        for path in json.every(table, "path"):
            if isinstance(path, str) and _escapes(path):
                shown = json.shown(path)
                message = f"a module is read from {shown}"
                yield self._find(rules.PATH, self._at(table, "path"), message, ("path", shown))

    def _components(self, table: dict[str, Any]) -> Iterator[Finding]:
        """Judge a pipeline index: ``component: [library, class]``, or a class of the repository's own.

        In the configurations of single models, pairs of texts are kinds of blocks, and nobody imports them.
        """
        for component in table:
            for found in json.every(table, component):
                if not isinstance(found, list) or not 2 <= len(found) <= 3:
                    continue
                library, name = found[:2]
                if not isinstance(library, str) or not isinstance(name, str):
                    continue
                place = self._at(table, component)
                if component == "_class_name":
                    yield from self._reference(f"{library}.{name}", "the pipeline", place)
                elif not is_config_library("diffusers", library):
                    role = f"the component {json.shown(component)}"
                    yield from self._callable(f"{library}.{name}", False, place, role)  # noqa: FBT003

    def _remembered(self, table: dict[str, Any], key: str, value: Any) -> Iterator[Finding]:
        if isinstance(value, str) and _ABSOLUTE.match(value):
            message = f"{key} is a path of the author's machine"
            evidence = (("key", key), ("path", json.shown(value)))
            yield self._find(rules.LOCAL_PATH, self._at(table, key), message, *evidence)

    def template_name(self, name: str) -> Iterator[Finding]:
        """A chat template whose name would become a path when the tokenizer is saved again."""
        if _escapes(name) or "/" in name or "\\" in name:
            shown = json.shown(name)
            message = f"a chat template is called {shown}"
            yield self._find(rules.PATH, self.where, message, ("path", shown))


def _escapes(path: str) -> bool:
    parts = path.replace("\\", "/").split("/")
    return ".." in parts or _ABSOLUTE.match(path) is not None
