"""From a file to a policy: found, read, laid over what it extends, typed, and held against what exists."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from scanner.errors import PolicyError
from scanner.model import Rule, Severity
from scanner.policy import waivers
from scanner.policy.expressions import Compiled, compile_expression
from scanner.policy.globs import path_matches, text_matches
from scanner.policy.schema import PolicyFile
from scanner.policy.syntax import Problem
from scanner.policy.tree import LIMIT, Keys, Place, Tree, gather, nearest, overlay, read_tree
from scanner.policy.typed import typed

# The packs are the files of `policies/`; the wheel carries them beside this module, by links that a
# checkout on Windows may not have.
_CHECKOUT = Path(__file__).parents[2]
PACKS = (
    _CHECKOUT / "policies" if (_CHECKOUT / "pyproject.toml").is_file() else Path(__file__).parent / "packs"
)
_EXTENDS = 4
_OWN = frozenset({"name", "description", "extends"})
# Lists of which a policy and the one it extends are both in force.
_ADDED: frozenset[Keys] = frozenset({("rules",), ("severities",), ("waivers",), ("gaps", "accept")})


class Known:
    """What a policy may name; gathered only where one names something, since that loads every format."""

    def __init__(
        self,
        rules: Callable[[], tuple[Rule, ...]],
        formats: Callable[[], tuple[str, ...]],
        sources: Callable[[], tuple[str, ...]],
    ) -> None:
        self._gather = (rules, formats, sources)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule."""
        return self._gather[0]()

    @cached_property
    def formats(self) -> tuple[str, ...]:
        """Names of all formats."""
        return self._gather[1]()

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """Names of all sources."""
        return self._gather[2]()

    def rule(self, ident: str) -> Rule | None:
        """The rule of that id."""
        return next((rule for rule in self.rules if rule.id == ident), None)


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that has been checked."""

    name: str
    path: str
    """The file as the user named it; a pack by its file name."""
    digest: str
    """SHA-256 of the file, and of those that it extends."""
    body: PolicyFile
    tree: Tree
    expressions: tuple[Compiled, ...] = ()
    """One for each of ``body.rules``."""

    def signers(self) -> tuple[tuple[str, str], ...]:
        """Identity and issuer of those whose signature is demanded; ``*`` where the policy has a pattern.

        Without an issuer anybody could vouch for the name, so those are left to the user's own options.
        """
        wanted = self.body.signatures
        return tuple(
            ("*" if set(entry.signer) & set("*?[") else entry.signer, entry.issuer)
            for entry in (wanted.identities if wanted.required else ())
            if entry.issuer is not None
        )

    def place(self, *path: str | int) -> Place:
        """Where the value stands; for what is absent, what holds in its stead."""
        return self.tree.place(path, key=True)

    def severity(self, rule: Rule, path: str) -> Severity:
        """What a finding of this rule in this file is; the last matching entry counts."""
        for entry in reversed(self.body.severities):
            if text_matches(entry.rule, rule.id) and path_matches(entry.path, path):
                return entry.severity
        return rule.severity


def packs() -> list[str]:
    """Names of the shipped policies."""
    return sorted(path.stem for path in PACKS.glob("*.yaml"))


def load(path_or_pack: str, known: Known) -> Policy:
    """A shipped pack by its name, or a policy file by its path.

    Raises:
        PolicyError: It does not exist, or is no valid policy; all mistakes in one error.
    """
    path, shown = _find(path_or_pack)
    tree, digests = _read(path, shown, ())
    body = typed(PolicyFile, tree)
    expressions, found = _compile(body, tree)
    found += _Names(body, tree, known).problems()
    if found:
        raise gather(found)
    digest = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    return Policy(body.name or path.stem, shown, digest, body, tree, expressions)


def _find(name: str) -> tuple[Path, str]:
    if Path(name).suffix in {".yaml", ".yml"} or "/" in name or "\\" in name:
        return Path(name), name
    if name in packs():
        return PACKS / f"{name}.yaml", f"{name}.yaml"
    hint = nearest(name, packs())
    raise PolicyError(f"no shipped policy is called {name!r}{hint} A file of your own ends in .yaml")


def _read(path: Path, shown: str, above: tuple[Path, ...]) -> tuple[Tree, list[str]]:
    """A file laid over the one that it extends, with their digests."""
    tree, digest = read_file(path, shown)
    extends = tree.value.get("extends") if isinstance(tree.value, dict) else None
    if not isinstance(extends, str):
        return tree, [digest]
    place = tree.place(("extends",))
    if extends in packs():
        below, name = PACKS / f"{extends}.yaml", f"{extends}.yaml"
    elif Path(extends).suffix in {".yaml", ".yml"}:
        below, name = path.parent / extends, str(Path(shown).parent / extends)
    else:
        raise tree.problem(f"{extends!r} is neither a shipped policy nor a .yaml file", place)
    chain = (*above, path.resolve())
    if below.resolve() in chain:
        raise tree.problem("the policies extend each other in a circle", place)
    if len(chain) > _EXTENDS:
        raise tree.problem(f"more than {_EXTENDS} policies extend one another", place)
    lower, digests = _read(below, name, chain)
    for each in (lower, tree):  # joined, the version of one would hide the other's
        if not isinstance(each.value, dict) or each.value.get("version") != 1:
            raise each.problem("version: 1 is required", each.place(("version",)))
    # What a report calls a policy is the file's own: one with waivers is not "baseline".
    lower = replace(lower, value={k: v for k, v in lower.value.items() if k not in _OWN})
    return overlay(lower, tree, _ADDED), [digest, *digests]


def read_file(path: Path, shown: str) -> tuple[Tree, str]:
    """One YAML file and its SHA-256.

    Raises:
        PolicyError: It cannot be read, or is not the YAML that we take.
    """
    try:
        with path.open("rb") as stream:
            raw = stream.read(LIMIT + 1)
    except (OSError, ValueError) as error:
        raise PolicyError(f"cannot be read: {getattr(error, 'strerror', error)}", path=shown) from error
    return read_tree(raw, shown), hashlib.sha256(raw).hexdigest()


def _compile(body: PolicyFile, tree: Tree) -> tuple[tuple[Compiled, ...], list[PolicyError]]:
    compiled: list[Compiled] = []
    found: list[PolicyError] = []
    names: dict[str, int] = {}
    for index, rule in enumerate(body.rules):
        if names.setdefault(rule.id, index) != index:
            place = tree.place(("rules", index, "id"))
            first = tree.place(("rules", names[rule.id], "id"))
            found.append(tree.problem(f"a rule called {rule.id} stands in line {first.line} too", place))
        key, text = rule.expression
        result = compile_expression(text, rule.each)
        if isinstance(result, Compiled):
            compiled.append(result)
        else:
            place = tree.place(("rules", index, key))
            found += (_placed(problem, text, place, tree) for problem in result)
    return tuple(compiled), found


def _placed(problem: Problem, text: str, place: Place, tree: Tree) -> PolicyError:
    """An expression's problem at its place in the file, as far as the style of the YAML lets us know it."""
    before = text[: problem.offset]
    line, column = before.count("\n"), problem.offset - (before.rfind("\n") + 1)
    if place.indent is not None:
        exact = Place(place.file, place.line + 1 + line, place.indent + 1 + column)
    else:
        exact = Place(place.file, place.line, place.column + problem.offset + place.quoted)
    lines = tree.texts.get(place.file, [])
    written = lines[exact.line - 1][exact.column - 1 :] if exact.line <= len(lines) else ""
    if not written.startswith(text[problem.offset : problem.offset + 3].partition("\n")[0]):
        exact = place  # folded or escaped: the start of the expression is the honest place
    hint = nearest(problem.word, problem.known) if problem.word else ""
    return tree.problem(problem.message + hint, exact)


class _Names:
    """Everything in a policy that names something of ours has to exist."""

    def __init__(self, body: PolicyFile, tree: Tree, known: Known) -> None:
        self._body = body
        self._tree = tree
        self._known = known

    def problems(self) -> list[PolicyError]:
        return [*self._rules(), *self._formats(), *self._sources(), *self._waivers()]

    def _missing(self, path: Keys, word: str, what: str, names: tuple[str, ...]) -> PolicyError:
        return self._tree.problem(
            f"no {what} is called {word!r}{nearest(word, names)}", self._tree.place(path)
        )

    def _ids(self) -> tuple[str, ...]:
        return tuple(rule.id for rule in self._known.rules)

    def _rules(self) -> Iterator[PolicyError]:
        for index, entry in enumerate(self._body.severities):
            path: Keys = ("severities", index, "rule")
            matched = [rule for rule in self._known.rules if text_matches(entry.rule, rule.id)]
            if not matched:
                yield self._missing(path, entry.rule, "rule", self._ids())
            for rule in matched:
                if waivers.never(rule) and entry.severity.rank < rule.severity.rank:
                    message = f"{rule.id} is never lowered: the bytes are not what was published"
                    yield self._tree.problem(message, self._tree.place(path))

    def _formats(self) -> Iterator[PolicyError]:
        for key in ("allow", "deny"):
            for index, glob in enumerate(getattr(self._body.formats, key)):
                if not any(text_matches(glob, name) for name in self._known.formats):
                    yield self._missing(("formats", key, index), glob, "format", self._known.formats)

    def _sources(self) -> Iterator[PolicyError]:
        for index, name in enumerate(self._body.source.sources):
            if name not in self._known.sources:
                yield self._missing(("source", "sources", index), name, "source", self._known.sources)

    def _waivers(self) -> Iterator[PolicyError]:
        for index, entry in enumerate(self._body.waivers):
            rule = self._known.rule(entry.rule)
            if rule is None:
                yield self._missing(("waivers", index, "rule"), entry.rule, "rule", self._ids())
                continue
            if waivers.never(rule):
                place = self._tree.place(("waivers", index, "rule"))
                yield self._tree.problem(f"{rule.id} cannot be waived", place)
                continue
            days = waivers.longest(self._worst(rule), broad=entry.broad)
            if entry.expires > entry.granted + dt.timedelta(days=days):
                kind = "a broad waiver" if entry.broad else f"a waiver of a {self._worst(rule).value} rule"
                last = entry.granted + dt.timedelta(days=days)
                message = f"{kind} holds for at most {days} days: {last} at the latest"
                yield self._tree.problem(message, self._tree.place(("waivers", index, "expires")))

    def _worst(self, rule: Rule) -> Severity:
        """The highest severity that this policy can give to the rule."""
        entries = (e.severity for e in self._body.severities if text_matches(e.rule, rule.id))
        return max((rule.severity, *entries), key=lambda severity: severity.rank)
