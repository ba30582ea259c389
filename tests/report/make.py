"""Reports for tests of reports: rules and files are made up, the verdict is the policy's own."""

from __future__ import annotations

import os
from pathlib import Path

from scanner.model import (
    Artefact,
    Check,
    Coverage,
    Digest,
    FileEntry,
    FileResult,
    Finding,
    Gap,
    Kind,
    Location,
    Origin,
    Rule,
    Severity,
)
from scanner.policy.document import Known, load
from scanner.policy.evaluation import evaluate
from scanner.policy.facts import Evidence
from scanner.policy.waivers import RULES as WAIVERS
from scanner.result import Inventory, InventoryField, Outcome, Report, State, Verification
from tests.policy.make import NOW, SHA

CALL = Rule(
    "made/call", "Loading this calls something", Severity.CRITICAL, Check.CODE_EXECUTION,
    "A call.", "Whoever loads the file runs it.", "Ask for another format.", references=("CWE-502",),
)  # fmt: skip
REMOTE = Rule(
    "made/remote", "The configuration brings code", Severity.HIGH, Check.REMOTE_CODE,
    "Code beside the weights.", "It is imported.", "Use a model that the library has.",
)  # fmt: skip
FORMAT = Rule(
    "made/format", "The format can carry code", Severity.MEDIUM, Check.CODE_EXECUTION,
    "A format.", "The next version may carry code.", "Prefer another one.",
)  # fmt: skip
NOTE = Rule(
    "made/note", "Something worth knowing", Severity.INFO, Check.PROVENANCE,
    "A fact.", "It is good to know.", "Nothing has to be done.",
)  # fmt: skip
KNOWN = Known(
    lambda: (CALL, REMOTE, FORMAT, NOTE, *WAIVERS),
    lambda: ("pickle", "safetensors", "json", "zip"),
    lambda: ("local",),
)

POLICY = """\
version: 1
name: ours
gate: {fail_on: high, warn_on: medium}
licences: {allow: [mit], unknown: warn}
rules:
  - {id: small, require: artefact.bytes < 10, message: the artefact is larger than our hosts, effect: fail}
waivers:
  - rule: made/remote
    path: config.json
    sha256: {sha}
    owner: jane
    reason: "reviewed | on [paper](https://example.invalid)"
    granted: 2027-01-01
    expires: 2027-03-01
""".replace("{sha}", SHA)  # fmt: skip
LENIENT = "version: 1\nname: lenient\n"

HOSTILE = "\x1b[31m<b>|`@everyone` [x](http://a.example) {0} \u202e\ud800\n# *x*"


def file(path: str, form: str = "json", **given: object) -> FileResult:
    values = {"coverage": Coverage.WHOLE, "digests": (Digest("sha256", SHA, Origin.COMPUTED),), **given}
    return FileResult(path, 1234, (form,), **values)


def report(folder: Path, policy: str, *findings: Finding, **given: object) -> Report:
    """A report by the policy, whose file is called policy.yaml whatever the folder is."""
    files = given.get("files", (file("config.json"), file("model.bin", "zip", nested=("pickle",))))
    name = str(given.get("name", "model"))
    artefact = Artefact(
        str(given.get("target", f"models/{name}")), str(given.get("source", "local")), name, Kind.MODEL,
        given.get("revision"), tuple(FileEntry(entry.path, entry.size) for entry in files),
    )  # fmt: skip
    inventory = Inventory(
        (
            InventoryField("parameters", "1234567", State.OBSERVED, "model.bin"),
            InventoryField("licence", "mit", State.DECLARED, "README.md"),
        )
    )
    checked = (Verification("sha256sums:sha256", Outcome.VERIFIED, "the digest agrees", ("model.bin",)),)
    gaps = given.get("gaps", ())
    here = Path.cwd()
    os.chdir(folder)
    try:
        Path("policy.yaml").write_text(policy)
        rules = load("policy.yaml", KNOWN)
    finally:
        os.chdir(here)
    verdict = evaluate(rules, Evidence(artefact, files, findings, gaps, inventory, checked), NOW)
    judged = tuple(entry.finding for entry in verdict.judged)
    return Report(artefact, files, judged, gaps, inventory, checked, verdict, "1.2.3", "f" * 64)


def reports(folder: Path) -> dict[str, Report]:
    """One of each kind."""
    member = Location("model.bin", ("archive/data.pkl",), 42, 7)
    found = (
        Finding(CALL, member, "calls posix.system('true')", evidence=(("callable", "posix.system"),)),
        Finding(CALL, Location("model.bin", offset=3, length=4), "calls it"),
        Finding(REMOTE, Location("config.json", line=12), "names net.py", evidence=(("key", "auto_map"),)),
        Finding(FORMAT, Location("model.bin", ("archive/data.pkl",)), "is a pickle"),
        Finding(NOTE, Location("config.json"), "was written by a library"),
    )  # fmt: skip
    gaps = (Gap(Location("a.xyz"), "unknown format"), Gap(Location("b.xyz"), "unknown format"),
            Gap(Location("c.zip", ("x",), 9), "cut short"))  # fmt: skip
    hostile = (
        Finding(CALL, Location(HOSTILE, (HOSTILE,), 1), HOSTILE, evidence=((HOSTILE, HOSTILE),)),
        Finding(FORMAT, Location(HOSTILE), HOSTILE),
    )
    return {
        "pass": report(folder, LENIENT, found[4], revision="0123456789abcdef" * 2),
        "fail": report(folder, POLICY, *found, gaps=gaps),
        "incomplete": report(folder, LENIENT, found[3], gaps=gaps),
        "hostile": report(
            folder, LENIENT, *hostile,
            files=(file(HOSTILE),), gaps=(Gap(Location(HOSTILE), HOSTILE),), name=HOSTILE, target=HOSTILE,
        ),
    }  # fmt: skip
