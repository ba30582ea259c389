"""Artefacts made of plain results, for tests of what is concluded from them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from scanner.bom.inventory import take_inventory
from scanner.model import (
    Artefact,
    Claim,
    Claimed,
    Coverage,
    Digest,
    Facts,
    FileEntry,
    FileResult,
    Gap,
    Kind,
    Location,
    Origin,
    Tensor,
)
from scanner.result import Decision, Report, Verdict


def tensors(*shapes: tuple[int, ...], dtype: str = "f32") -> tuple[Tensor, ...]:
    return tuple(Tensor(f"w{i}", dtype, shape) for i, shape in enumerate(shapes))


def claims(**said: str | tuple[str, ...]) -> tuple[Claim, ...]:
    """``claims(licence="mit", base_model=("a/b", "c/d"))``."""
    return tuple(
        Claim(Claimed(what.replace("_", "-")), value, f"/{what}")
        for what, values in said.items()
        for value in ((values,) if isinstance(values, str) else values)
    )


def file(
    path: str,
    form: str = "text",
    *,
    tensors: tuple[Tensor, ...] = (),
    claims: tuple[Claim, ...] = (),
    members: tuple[str, ...] = (),
    gap: str = "",
    **facts: tuple[str, ...],
) -> FileResult:
    where = Location(path, members)
    digest = Digest("sha256", hashlib.sha256(path.encode()).hexdigest(), Origin.COMPUTED)
    return FileResult(
        path,
        100,
        (form,),
        Coverage.NONE if gap else Coverage.WHOLE,
        (digest,),
        gaps=(Gap(where, gap),) if gap else (),
        facts=((where, Facts(form, tensors=tensors, claims=claims, **facts)),),
    )


def artefact(*files: FileResult, kind: Kind = Kind.MODEL, said: tuple[Claim, ...] = ()) -> Artefact:
    entries = tuple(FileEntry(f.path, f.size) for f in files)
    return Artefact("./model", "local", "model", kind, None, entries, claims=said)


def report(*files: FileResult, **about: Any) -> Report:
    """A report on these files; ``about`` changes the artefact."""
    gaps = tuple(gap for f in files for gap in f.gaps)
    verifications = about.pop("verifications", ())
    said = about.pop("said", ())
    what = replace(artefact(*files, said=said), **about)
    return Report(
        artefact=what,
        files=files,
        findings=(),
        gaps=gaps,
        inventory=take_inventory(what, files),
        verifications=verifications,
        verdict=Verdict(Decision.PASS, ()),
        tool_version="0.1.0",
        rule_set="",
    )
