"""PMML: models as XML, and what a reader of it would fetch, resolve or load."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from scanner.errors import FormatError
from scanner.inspection import Format, Head, Note, Read
from scanner.model import Check, Claim, Claimed, Coverage, Facts, Finding, Location, Rule, Severity
from scanner.reader import Budget, Reader, read_whole

ENTITIES = Rule(
    id="pmml/entities",
    title="The model declares entities",
    severity=Severity.HIGH,
    check=Check.PATH_ESCAPE,
    finds="An entity or an external document type in a PMML file.",
    why="An XML reader that resolves it reads files of the machine, asks other hosts, or fills its memory.",
    remedy="Refuse the file. No model needs a document type declaration.",
    example='`<!ENTITY x SYSTEM "file:///etc/hostname">`',
    references=("CWE-611", "CWE-776"),
)
FUNCTION = Rule(
    id="pmml/foreign-function",
    title="The model names a class as a function",
    severity=Severity.HIGH,
    check=Check.REMOTE_CODE,
    finds="`Apply` with a function that is a dotted name.",
    why="JPMML loads a Java class of that name from the class path and calls it.",
    remedy="Find out which class it is, and read it; standard functions have no dots.",
    example='`<Apply function="com.example.Restore">`',
    references=("CWE-470",),
)
CODE = Rule(
    id="pmml/extension-code",
    title="An extension of the model carries code",
    severity=Severity.MEDIUM,
    check=Check.REMOTE_CODE,
    finds="An `Extension` whose name or extender says script, code, class or expression.",
    why="A reader that knows the extension runs it; the standard leaves open what it means.",
    remedy="Find out which program wrote it, and whether yours evaluates it.",
    example='`<Extension name="script" value="…"/>`',
    references=("CWE-94",),
)
_LIMIT = 256 << 20
_ROOT = re.compile(rb"<(?:\w+:)?PMML[\s>]")
_DOTTED = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)+")
_CODE = re.compile(r"script|code|java|class|groovy|python|expression|eval", re.IGNORECASE)
_SHOWN = 20
_MODELS = re.compile(
    r"\w+Model|GeneralRegressionModel|MiningModel|TreeModel|NeuralNetwork|Scorecard|BayesianNetwork\w*"
)


def _matches(head: Head) -> bool:
    start = head.data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    return start.startswith(b"<") and _ROOT.search(head.data) is not None


class _Target:
    """Receives elements from the parser; keeps what runs and what the model is."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.functions: dict[str, None] = {}
        self.extensions: dict[str, None] = {}
        self.models: dict[str, None] = {}
        self.version = ""
        self.application = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._budget.spend_items(1 + len(attributes))
        local = tag.rpartition("}")[2]
        if local == "PMML":
            self.version = self.version or attributes.get("version", "")[:20]
        elif local == "Application" and not self.application:
            first = attributes.get("version", "").strip().partition("\n")[0]
            self.application = f"{attributes.get('name', '')} {first}".strip()[:80]
        elif local == "Apply" and _DOTTED.fullmatch(attributes.get("function", "")):
            self.functions[attributes["function"][:200]] = None
        elif local == "Extension":
            says = " ".join(attributes.get(key, "") for key in ("name", "extender"))
            if _CODE.search(says):
                self.extensions[says.strip()[:200]] = None
        elif _MODELS.fullmatch(local):
            self.models[local] = None

    def close(self) -> None:
        """Nothing is left to do."""


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    raw = read_whole(reader, budget, _LIMIT)
    target = _Target(budget)
    parser = DefusedXMLParser(target=target, forbid_entities=True, forbid_external=True)
    problem = ""
    try:
        parser.feed(raw)
        parser.close()
    except DefusedXmlException as error:
        kind = type(error).__name__
        yield Finding(ENTITIES, where, f"declares entities ({kind})", evidence=(("kind", kind),))
        problem = "declares entities, which are not resolved"
    except (ParseError, ValueError, LookupError) as error:
        problem = f"is no well-formed XML: {error}"
    for name in list(target.functions)[:_SHOWN]:
        yield Finding(FUNCTION, where, f"calls the class {name}", evidence=(("function", name),))
    for name in list(target.extensions)[:_SHOWN]:
        yield Finding(CODE, where, f"has an extension {name!r}", evidence=(("extension", name),))
    claims = [Claim(Claimed.ARCHITECTURE, name, name) for name in list(target.models)[:3]]
    if target.application:
        claims.append(Claim(Claimed.PRODUCER, target.application, "Header/Application"))
    yield Facts("pmml", target.version, claims=tuple(claims), entry_points=tuple(target.functions))
    if problem:
        raise FormatError(problem, 0)
    yield Read(Coverage.WHOLE)


FORMAT = Format(
    name="pmml",
    title="PMML",
    matches=_matches,
    inspect=_inspect,
    rules=(ENTITIES, FUNCTION, CODE),
    suffixes=(".pmml",),
    within=("text", "xml"),
    spec="https://dmg.org/pmml/v4-4-1/GeneralStructure.html",
)
