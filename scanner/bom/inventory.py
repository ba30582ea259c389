"""The inventory: observed, declared, inferred or absent, each field with its source."""

from __future__ import annotations

from collections.abc import Iterator

from scanner.model import Artefact, Claimed, FileResult
from scanner.result import Inventory, InventoryField, State

_WANTED = ("parameters", "dtypes", "architecture", "licence", "base-model", "dataset")
_ORDER = tuple(State)


def take_inventory(artefact: Artefact, files: tuple[FileResult, ...]) -> Inventory:
    """Everything that the bytes show and that files and source claim."""
    found = list(_observed(files))
    found += (
        InventoryField(claim.what.value, claim.value, State.DECLARED, "", claim.pointer)
        for claim in artefact.claims
    )
    for file in files:
        for where, facts in file.facts:
            for claim in facts.claims:
                name, path = _name(claim.what), where.path
                found.append(InventoryField(name, claim.value, State.DECLARED, path, claim.pointer))
    known = {field.name for field in found}
    found += (InventoryField(name, "", State.ABSENT) for name in _WANTED if name not in known)
    unique = dict.fromkeys(found)
    return Inventory(tuple(sorted(unique, key=lambda f: (f.name, _ORDER.index(f.state), f.value))))


def _name(what: Claimed) -> str:
    return "dtypes" if what is Claimed.DTYPE else what.value


def _observed(files: tuple[FileResult, ...]) -> Iterator[InventoryField]:
    """Sums over one set of weights: the safetensors files where there are any."""
    sets: dict[str, list[tuple[str, int, set[str]]]] = {}
    for file in files:
        for where, facts in file.facts:
            if facts.tensors:
                count = sum(tensor.elements for tensor in facts.tensors)
                kinds = {tensor.dtype for tensor in facts.tensors}
                sets.setdefault(facts.format, []).append((where.path, count, kinds))
    chosen = sets.get("safetensors") or next((sets[name] for name in sorted(sets)), None)
    if chosen:
        path = chosen[0][0] if len(chosen) == 1 else ""
        total = sum(count for _, count, _ in chosen)
        dtypes = sorted({dtype for _, _, kinds in chosen for dtype in kinds})
        yield InventoryField("parameters", str(total), State.OBSERVED, path)
        yield InventoryField("dtypes", ", ".join(dtypes), State.OBSERVED, path)
