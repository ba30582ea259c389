"""Where bytes come from: one module a source, resolving a target to an immutable artefact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module

from scanner.errors import TargetError
from scanner.model import Artefact, Finding, Gap, Rule, Target
from scanner.reader import Opener


@dataclass(frozen=True, slots=True)
class Options:
    """What the user said about reaching a source."""

    token: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    spool: bool = False
    """Download to disk where a server ignores ranges, instead of refusing."""
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Resolved:
    """An artefact and how to open each of its files."""

    artefact: Artefact
    openers: Mapping[str, Opener]
    gaps: tuple[Gap, ...] = ()
    """What is listed but cannot be read."""
    findings: tuple[Finding, ...] = ()
    local_paths: Mapping[str, str] = field(default_factory=dict)
    """Path to absolute local path, where the bytes lie on disk."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place that artefacts come from."""

    name: str
    accepts: Callable[[str, Options], bool]
    resolve: Callable[[Target, Options], Resolved]
    rules: tuple[Rule, ...] = ()


# In the order in which they are asked; `local` takes whatever is no address.
_MODULES = ("huggingface", "web", "hub_cache", "local")


@cache
def _source(name: str) -> Source:
    source: Source = import_module(f"{__name__}.{name}").SOURCE
    return source


def all_sources() -> tuple[Source, ...]:
    """Every source."""
    return tuple(_source(name) for name in _MODULES)


def _token(text: str | None) -> str | None:
    """The token without the newline that `cat` and editors leave; never repeated in a message."""
    token = (text or "").strip()
    if not all("!" <= character <= "~" for character in token):
        raise TargetError("the token (--token or HF_TOKEN) has characters that no token has; give it again")
    return token or None


def resolve(target: Target, options: Options) -> Resolved:
    """Resolve a target to an immutable identity, before a byte is judged.

    Raises:
        TargetError: It is not a target.
        SourceError: Its source cannot be reached or refuses.
    """
    options = replace(options, token=_token(options.token))
    for name in _MODULES:
        source = _source(name)
        if source.accepts(target.text, options):
            return source.resolve(target, options)
    raise TargetError(
        f"{target.text}: no such file or folder, and no address that Weighbridge knows "
        "(a path, hf://org/name[@rev], hf://datasets/org/name[@rev], https://host/file)"
    )
