"""Policies and evidence for tests; rules are made up, so that no format's change breaks these tests."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from scanner.model import (
    Artefact,
    Check,
    Coverage,
    Digest,
    FileResult,
    Finding,
    Gap,
    Kind,
    Location,
    Origin,
    Rule,
    Severity,
)
from scanner.policy import waivers
from scanner.policy.document import Known, Policy, load
from scanner.policy.evaluation import evaluate
from scanner.policy.facts import Evidence
from scanner.result import Inventory, InventoryField, State, Verdict

NOW = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)
SHA = "a" * 64


def rule(ident: str, severity: Severity, check: Check = Check.CODE_EXECUTION) -> Rule:
    return Rule(ident, f"title of {ident}", severity, check, "finds it", "why it matters", "what to do")


RULES = {
    "critical": rule("made/critical", Severity.CRITICAL),
    "high": rule("made/high", Severity.HIGH, Check.REMOTE_CODE),
    "medium": rule("made/medium", Severity.MEDIUM),
    "low": rule("made/low", Severity.LOW, Check.SECRET),
    "info": rule("other/info", Severity.INFO, Check.PROVENANCE),
    "mismatch": rule("digests/mismatch", Severity.CRITICAL, Check.HASH_MISMATCH),
}
KNOWN = Known(
    lambda: (*RULES.values(), *waivers.RULES),
    lambda: ("pickle", "safetensors", "text", "zip"),
    lambda: ("huggingface", "local"),
)


def policy(tmp_path: Path, body: str, name: str = "p.yaml") -> Policy:
    path = tmp_path / name
    path.write_text(body if body.startswith("version:") else f"version: 1\n{body}")
    return load(str(path), KNOWN)


def finding(level: str, path: str = "model.bin", **evidence: str) -> Finding:
    return Finding(RULES[level], Location(path), "it is there", evidence=tuple(evidence.items()))


def file(path: str = "model.bin", **given: Any) -> FileResult:
    values: dict[str, Any] = {"formats": ("pickle",), "coverage": Coverage.WHOLE}
    values["digests"] = (Digest("sha256", given.pop("sha256", SHA), Origin.COMPUTED),)
    return FileResult(path, given.pop("size", 10), **{**values, **given})


def evidence(*findings: Finding, **given: Any) -> Evidence:
    artefact = Artefact(
        "t", given.pop("source", "local"), given.pop("name", "org/model"), Kind.MODEL, "1" * 40, (),
        pinned=given.pop("pinned", True),
    )  # fmt: skip
    fields = tuple(InventoryField(name, value, State.DECLARED) for name, value in given.pop("inventory", ()))
    given.setdefault("files", (file(),))
    return Evidence(artefact, findings=findings, inventory=Inventory(fields), **given)


def gap(path: str = "model.bin", reason: str = "unknown format") -> Gap:
    return Gap(Location(path), reason)


def judge(policy: Policy, *findings: Finding, now: dt.datetime | None = NOW, **given: Any) -> Verdict:
    return evaluate(policy, evidence(*findings, **given), now)


def waiver(**given: Any) -> str:
    """A waiver of made/high in model.bin; `None` leaves a key out."""
    values = {
        "rule": "made/high",
        "path": "model.bin",
        "sha256": SHA,
        "owner": "jane",
        "reason": "reviewed",
        "granted": "2027-01-01",
        "expires": "2027-03-01",
        **given,
    }
    lines = [f"{key}: {_text(value)}" for key, value in values.items() if value is not None]
    return "waivers:\n  - " + "\n    ".join(lines) + "\n"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'
