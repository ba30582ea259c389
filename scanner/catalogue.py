"""Every rule, gathered from the modules that own them, and the digest of the rule set."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from scanner.crosscheck.numbers import NUMBERS
from scanner.formats import all_formats, expansion, identity
from scanner.model import Rule
from scanner.sources import all_sources

if TYPE_CHECKING:
    from scanner.policy.document import Known

# Rooms that own rules without being a format or a source.
_OWNERS = (
    "scanner.bom.conflicts",
    "scanner.crosscheck",
    "scanner.exposure",
    "scanner.policy",
    "scanner.trust.verification",
)


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule in id order.

    Raises:
        ValueError: Two rules share an id (a bug that the house test would show).
    """
    rules = [rule for fmt in all_formats() for rule in fmt.rules]
    rules += [rule for source in all_sources() for rule in source.rules]
    rules += (*expansion.RULES, *identity.RULES)
    for owner in _OWNERS:
        rules += import_module(owner).RULES
    found: dict[str, Rule] = {}
    for rule in rules:
        if found.setdefault(rule.id, rule) != rule:
            raise ValueError(f"two rules are called {rule.id}")
    return tuple(found[ident] for ident in sorted(found))


@cache
def known() -> Known:
    """Everything that a policy may name."""
    from scanner.policy.document import Known  # noqa: PLC0415 - slow to import, and not always needed

    return Known(
        all_rules,
        lambda: tuple(sorted((NUMBERS, *(fmt.name for fmt in all_formats())))),
        lambda: tuple(sorted(source.name for source in all_sources())),
    )


@cache
def rule_set() -> str:
    """SHA-256 over this package's code and data: equal digests judge equal bytes equally."""
    root = Path(__file__).parent
    state = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.suffix in {".py", ".json"} and path.is_file():
            name = path.relative_to(root).as_posix().encode()
            state.update(len(name).to_bytes(4, "big") + name)
            state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()
