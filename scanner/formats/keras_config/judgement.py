"""What the mentions of a configuration mean to whoever loads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from scanner.data.keras_names import judge_object, judge_operation, judge_tensorflow, plain
from scanner.formats.keras_config import rules
from scanner.formats.keras_config.bytecode import judge_code
from scanner.inspection import Child, Note
from scanner.model import Finding, Gap, Location, Rule
from scanner.reader import BytesReader
from scanner.wire import json
from scanner.wire.keras_config import Mention, mentions
from scanner.wire.paths import escape

_PER_RULE = 200
_SEARCHED = 32 << 20
"""Characters that are looked through for the lines of findings."""
_TABLES = 200_000


@dataclass(slots=True)
class Judgement:
    """The findings about one document, each thing told once."""

    document: json.Document
    where: Location
    entry_points: dict[str, None] = field(default_factory=dict)
    external: dict[str, None] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    _told: set[tuple[str, tuple[tuple[str, str], ...]]] = field(default_factory=set)
    _counts: Counter[str] = field(default_factory=Counter)
    _routes: dict[int, json.Route] = field(default_factory=dict)
    _searched: int = 0

    def notes(self) -> Iterator[Note]:
        """Every finding, and the pickles to look at."""
        for mention in mentions(self.document):
            match mention.kind:
                case "class" | "function" | "type":
                    yield from self._object(mention)
                case "tensorflow":
                    yield from self._reached(
                        mention, f"tf.{json.shown(mention.name)}", judge_tensorflow(mention.name)
                    )
                case "operation":
                    yield from self._reached(
                        mention, f"the operation {json.shown(mention.name)}", judge_operation(mention.name)
                    )
                case "code":
                    yield from self._code(mention)
                case "pickle":
                    yield from self._pickle(mention)
                case "model":
                    shown = json.shown(mention.name)
                    self.external[shown] = None
                    message = f"{mention.owner} loads the SavedModel {shown}"
                    yield from self._find(rules.SAVED_MODEL, mention, message, ("path", shown))
                case "file":
                    yield from self._file(mention)
                case "repeated":
                    message = "a key stands so often in one object that not every reading was judged"
                    yield Gap(self.where.at(line=self._line(mention)), message)

    def _find(
        self, rule: Rule, mention: Mention, message: str, *evidence: tuple[str, str]
    ) -> Iterator[Finding]:
        key = (rule.id, evidence)
        if key in self._told or self._counts[rule.id] >= _PER_RULE:
            return
        self._told.add(key)
        self._counts[rule.id] += 1
        yield Finding(rule, self.where.at(line=self._line(mention)), message, evidence=evidence)

    def _line(self, mention: Mention) -> int | None:
        """The line of a mention, unless looking for lines has cost too much already."""
        self._searched += len(self.document.text)
        if self._searched > _SEARCHED or len(self.document.tables) > _TABLES:
            return None
        if not self._routes:
            self._routes = json.routes(self.document)
        route = self._routes.get(id(mention.table))
        return None if route is None else json.line_of(self.document, (mention.key, route))

    def _object(self, mention: Mention) -> Iterator[Finding]:
        module = "" if mention.module == "builtins" else mention.module
        name = json.shown(plain(f"{module}.{mention.name}") if module else mention.name)
        if mention.kind == "class":
            self.classes[name] = self.classes.get(name, 0) + 1
        verdict = judge_object(mention.module, mention.name, function=mention.kind != "class")
        registered = json.shown(mention.registered)
        # A registered name goes before module and class name; ordinary objects have none, or their own name.
        own = registered and registered.rpartition(">")[2] not in {mention.name, "function"}
        if verdict == "known" and (own or ">" in registered):
            message = f"{name} is replaced by what is registered as {registered}"
            yield from self._find(
                rules.CUSTOM, mention, message, ("callable", name), ("registered", registered)
            )
        elif verdict == "custom":
            self.entry_points[name] = None
            message = f"needs {name}, which is not in Keras"
            yield from self._find(
                rules.CUSTOM, mention, message, ("callable", name), ("registered", registered)
            )
        elif verdict != "known":
            yield from self._reached(mention, name, verdict)

    def _reached(self, mention: Mention, name: str, verdict: str) -> Iterator[Finding]:
        if verdict == "known":
            return
        self.entry_points[name] = None
        evidence = (("callable", name), ("capability", verdict))
        if verdict == "unknown":
            message = f"loading reaches {name}, which nobody vouches for"
            yield from self._find(rules.UNKNOWN, mention, message, *evidence)
        else:
            yield from self._find(rules.DANGEROUS, mention, f"loading reaches {name} ({verdict})", *evidence)

    def _code(self, mention: Mention) -> Iterator[Note]:
        found = judge_code(mention.data)
        for name, does in found.dangerous:
            self.entry_points[name] = None
            message = f"the byte code of a function names {name} ({does})"
            yield from self._find(rules.DANGEROUS, mention, message, ("callable", name), ("capability", does))
        shown = ", ".join(found.names[:12])
        message = f"a function of {len(mention.data)} bytes of byte code"
        message += f" that names {shown}" if shown else "" if found.readable else " that cannot be read"
        yield from self._find(rules.LAMBDA, mention, message, ("code", found.digest))

    def _pickle(self, mention: Mention) -> Iterator[Note]:
        message = f"a {mention.owner} holds {len(mention.data)} bytes for torch.load"
        yield from self._find(rules.TORCH, mention, message, ("bytes", str(len(mention.data))))
        read_as = "" if mention.data.startswith(b"PK") else "pickle"
        yield Child(mention.owner, BytesReader(mention.data), read_as=read_as)

    def _file(self, mention: Mention) -> Iterator[Finding]:
        shown = json.shown(mention.name)
        if not mention.name or "\n" in mention.name:
            return
        self.external[shown] = None
        leaves = escape(mention.name) or ("is an address" if "://" in mention.name else "")
        rule = rules.READS_FILE if leaves else rules.NEEDS_FILE
        message = f"{mention.owner} reads {shown}" + (f", which {leaves}" if leaves else "")
        yield from self._find(rule, mention, message, ("key", mention.key), ("path", shown))
