"""TorchScript code in an archive: surfaced as text, and judged by the operators and classes it names."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from scanner.data import load
from scanner.errors import BudgetExceeded, FormatError
from scanner.formats.pytorch_zip.members import Members
from scanner.formats.pytorch_zip.rules import CODE, EFFECT, OUTSIDE
from scanner.inspection import Note, Text
from scanner.model import Finding, Gap, Location
from scanner.reader import read_whole
from scanner.wire.torchscript import Use, references
from scanner.wire.zip import Entry

_SOURCE_LIMIT = 32 << 20
_NAMES = 10_000
_CLASSES = "__torch__.torch.classes."


@cache
def _known() -> dict[str, Any]:
    known: dict[str, Any] = load("torchscript.json")
    return known


def effect_of(operator: str) -> str | None:
    """What an operator does beyond computing; ``None`` for computing, empty where nobody knows it."""
    known, namespace = _known(), operator.partition("::")[0]
    effect = known["effects"].get(operator) or known["effect_namespaces"].get(namespace)
    if effect:
        return str(effect)
    return None if namespace in known["namespaces"] or operator in known["operators"] else ""


@dataclass(slots=True)
class Script:
    """Everything that one archive's code refers to, each name judged once."""

    members: Members
    names: dict[str, None] = field(default_factory=dict)
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def sources(self, entries: list[Entry], where: Location) -> Iterator[Note]:
        """Texts and findings of the ``code/**.py`` members."""
        if not entries:
            return
        message = f"brings TorchScript code, in {len(entries)} member{'s' if len(entries) > 1 else ''}"
        yield Finding(CODE, where, message, evidence=(("code", "torchscript"),))
        for entry in entries:
            place = where.inside(entry.name)
            try:
                child = self.members.child(entry)
                with self.members.content(child) as content:
                    raw = read_whole(content, self.members.budget, _SOURCE_LIMIT)
            except (FormatError, BudgetExceeded) as error:
                yield Gap(place, f"TorchScript code that cannot be read: {error}")
                continue
            if zlib.crc32(raw) != child.crc:
                yield child
            self.members.budget.spend_items(len(raw))
            text = raw.decode("utf-8", "replace")
            yield Text(text, place.at(line=1), "code")
            for use in references(text):
                yield from self._judge(use, place.at(line=use.line))

    def native(self, names: dict[str, int], where: Location) -> Iterator[Note]:
        """Findings about native classes that a pickle of the archive makes."""
        for name, offset in names.items():
            if name.startswith(_CLASSES):
                use = Use("class", name.removeprefix(_CLASSES), 0)
                yield from self._judge(use, where.at(offset))

    def _judge(self, use: Use, place: Location) -> Iterator[Note]:
        key = (use.kind, use.name)
        if key in self._seen:
            return
        if len(self._seen) >= _NAMES:
            if ("", "") not in self._seen:
                self._seen.add(("", ""))
                yield Gap(place, f"more than {_NAMES} different names in TorchScript code")
            return
        self._seen.add(key)
        named = ascii(use.name[:120])[1:-1]
        if use.kind == "class":
            if use.name.partition(".")[0] not in _known()["classes"]:
                self.names[named] = None
                message = f"needs the native class {named}, which PyTorch does not bring"
                yield Finding(OUTSIDE, place, message, evidence=(("class", named),))
        elif use.kind == "indirect":
            message = f"passes {named} on, so that the operators used cannot be told"
            yield Finding(OUTSIDE, place, message, evidence=(("indirect", named),))
        elif (effect := effect_of(use.name)) is not None:
            self.names[named] = None
            if effect:
                evidence = (("operator", named), ("effect", effect))
                yield Finding(EFFECT, place, f"uses {named}, which {effect}", evidence=evidence)
            else:
                message = f"needs the operator {named}, which PyTorch does not bring"
                yield Finding(OUTSIDE, place, message, evidence=(("operator", named),))
