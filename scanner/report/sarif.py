"""SARIF 2.1.0 (OASIS, errata 01), in the subset that code scanning services read.

Our places are bytes in binary files, often inside other files. A region therefore has the byte offset
where it is one of the file itself, and always line 1, without which GitHub shows nothing; the
path inside is a logical location. GitHub tells alerts apart by ``primaryLocationLineHash``, which it
would compute from the text of a line: we give it our own fingerprint.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import PurePath, PurePosixPath
from typing import Any
from urllib.parse import quote

from scanner.data import tags_for
from scanner.model import FileResult, Gap, Location, Origin, Rule, Severity
from scanner.report.grouping import Effect, bare, effects, visible
from scanner.report.rule_page import page
from scanner.result import Decision, Judged, Reason, Report

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# GitHub: over 9.0 critical, from 7.0 high, from 4.0 medium, above 0 low.
_SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "3.0",
    Severity.INFO: "0.0",
}
_LEVELS = {Effect.REFUSES: "error", Effect.WARNS: "warning"}
_HASHES = {"sha256": "sha-256", "sha512": "sha-512", "sha1": "sha-1", "md5": "md5"}
_ORIGIN = "ARTEFACT"


def render(reports: Sequence[Report]) -> str:
    """One log, one run a report; keys in a fixed order, ending in a newline."""
    body = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(report) for report in reports]}
    return json.dumps(body, indent=2, ensure_ascii=True) + "\n"


def _run(report: Report) -> dict[str, Any]:
    verdict = report.verdict
    worst: dict[str, Severity] = {}
    rules: dict[str, Rule] = {}
    for entry in verdict.judged:
        ident = entry.finding.rule.id
        rules[ident] = entry.finding.rule
        worst[ident] = max(worst.get(ident, Severity.INFO), entry.severity, key=lambda s: s.rank)
    own = (*bare(verdict.reasons), *bare(verdict.warnings))
    descriptors = [_rule(rules[ident], worst[ident]) for ident in rules]
    descriptors += [_policy_rule(name) for name in dict.fromkeys(reason.rule for reason in own)]
    index = {entry["id"]: number for number, entry in enumerate(descriptors)}
    prefix = _prefix(report)
    fates = effects(verdict)
    results = [_result(entry, fates[entry.finding.fingerprint], index, prefix) for entry in verdict.judged]
    results += [_policy_result(reason, verdict.reasons, index) for reason in own]
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "Weighbridge",
                "version": report.tool_version,
                "semanticVersion": report.tool_version,
                "rules": descriptors,
                "properties": {"ruleSet": report.rule_set},
            }
        },
        "automationDetails": {"id": f"weighbridge/{visible(report.artefact.name)}/"},
        "invocations": [_invocation(report, prefix)],
        "columnKind": "unicodeCodePoints",
        "artifacts": [_artefact(file, prefix) for file in report.files],
        "results": results,
        "properties": {
            "target": report.artefact.target,
            "source": report.artefact.source,
            "revision": report.artefact.revision,
            "decision": verdict.decision.value,
            "policy": verdict.policy,
            "policyDigest": verdict.policy_digest,
        },
    }
    if prefix is None:
        text = f"The files of {report.artefact.name} as they are in {report.artefact.source}"
        text += f", revision {report.artefact.revision}" if report.artefact.revision else ""
        run["originalUriBaseIds"] = {_ORIGIN: {"description": {"text": _plain(text)}}}
    return run


def _prefix(report: Report) -> PurePosixPath | None:
    """Where the files of a relative local target lie, seen from where the command ran; else nothing."""
    artefact = report.artefact
    target = PurePath(artefact.target)
    if artefact.source != "local" or target.is_absolute():
        return None
    paths = [entry.path for entry in artefact.files]
    folder = target.parent if paths == [target.name] and target.name == artefact.name else target
    return None if ".." in folder.parts else PurePosixPath(folder.as_posix())


def _uri(path: str, prefix: PurePosixPath | None) -> dict[str, str]:
    whole = path if prefix is None else (prefix / path).as_posix()
    uri = quote(whole.encode("utf-8", "backslashreplace"), safe="/")
    return {"uri": uri} if prefix is not None else {"uri": uri, "uriBaseId": _ORIGIN}


def _plain(text: str) -> str:
    """A message without placeholders (3.11.5) and embedded links (3.11.6), whatever a stranger wrote."""
    return visible(text).replace("{", "{{").replace("}", "}}").replace("](", "\\](")


def _rule(rule: Rule, severity: Severity) -> dict[str, Any]:
    tags = ["security", "supply-chain", rule.check.value, *tags_for(rule.check)]
    return {
        "id": rule.id,
        "name": "".join(part.title() for part in rule.id.replace("/", "-").split("-")),
        "shortDescription": {"text": _plain(rule.title)},
        "fullDescription": {"text": _plain(f"{rule.finds} {rule.why}")},
        "help": {"text": _plain(f"{rule.why}\n\n{rule.remedy}".replace("\n\n", " ")), "markdown": page(rule)},
        "defaultConfiguration": {"level": _default_level(rule.severity)},
        "properties": {
            "security-severity": _SCORES[severity],
            "precision": "high",
            "problem.severity": _default_level(severity),
            "tags": list(dict.fromkeys(tags)),
        },
    }


def _default_level(severity: Severity) -> str:
    if severity.rank >= Severity.HIGH.rank:
        return "error"
    return "warning" if severity is Severity.MEDIUM else "note"


def _policy_rule(name: str) -> dict[str, Any]:
    text = f"The policy's rule {name} is not kept."
    return {
        "id": f"policy/{name}",
        "shortDescription": {"text": _plain(text)},
        "fullDescription": {"text": _plain(text)},
        "help": {"text": "`weighbridge policy explain` says what the policy demands."},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["security", "policy"]},
    }


def _result(
    entry: Judged, effect: Effect, index: dict[str, int], prefix: PurePosixPath | None
) -> dict[str, Any]:
    finding = entry.finding
    where = f"{_inside(finding.location)}: " if finding.location.members else ""
    result: dict[str, Any] = {
        "ruleId": finding.rule.id,
        "ruleIndex": index[finding.rule.id],
        "kind": "fail",
        "level": _LEVELS.get(effect, "note"),
        "message": {"text": _plain(f"{where}{finding.message}")},
        "locations": [_location(finding.location, prefix)],
        "partialFingerprints": {
            "primaryLocationLineHash": f"{finding.fingerprint[:16]}:1",
            "weighbridge/v1": finding.fingerprint,
        },
        "rank": {0: 10.0, 1: 30.0, 2: 55.0, 3: 80.0, 4: 95.0}[entry.severity.rank],
        "properties": {
            "severity": entry.severity.value,
            "ruleSeverity": finding.rule.severity.value,
            "confidence": finding.confidence.value,
            "evidence": {visible(key): visible(value) for key, value in finding.evidence},
        },
    }
    if entry.waived_by is not None:
        result["suppressions"] = [
            {"kind": "external", "status": "accepted", "justification": visible(entry.waived_by)}
        ]
    return result


def _inside(location: Location) -> str:
    offset = "" if location.offset is None else f" @ {location.offset}"
    return " › ".join(location.members) + offset


def _location(location: Location, prefix: PurePosixPath | None) -> dict[str, Any]:
    region: dict[str, int] = {"startLine": 1}
    if not location.members:
        region["startLine"] = location.line or 1
        if location.line is None and location.offset is not None:
            region["byteOffset"] = location.offset
            if location.length is not None:
                region["byteLength"] = location.length
    place: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": _uri(location.path, prefix),
            "region": region,
        }
    }
    if location.members:
        names = [visible(name) for name in location.members]
        place["logicalLocations"] = [
            {
                "name": names[-1],
                "fullyQualifiedName": "/".join((visible(location.path), *names)),
                "kind": "member",
            }
        ]
        inner = {"offset": location.offset, "length": location.length, "line": location.line}
        known = {key: value for key, value in inner.items() if value is not None}
        if known:
            place["properties"] = {"inMember": known}
    return place


def _policy_result(reason: Reason, refusing: tuple[Reason, ...], index: dict[str, int]) -> dict[str, Any]:
    text = reason.message if not reason.remedy else f"{reason.message}. {reason.remedy}"
    return {
        "ruleId": f"policy/{reason.rule}",
        "ruleIndex": index[f"policy/{reason.rule}"],
        "kind": "fail",
        "level": "error" if reason in refusing else "warning",
        "message": {"text": _plain(text)},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(reason.file, safe="/")},
                    "region": {"startLine": reason.line or 1},
                }
            }
        ],
    }


def _invocation(report: Report, prefix: PurePosixPath | None) -> dict[str, Any]:
    decision = report.verdict.decision
    body: dict[str, Any] = {
        "executionSuccessful": decision is not Decision.INCOMPLETE,
        "exitCode": decision.exit_code,
        "exitCodeDescription": decision.value,
    }
    if report.gaps:
        body["toolExecutionNotifications"] = [_notification(gap, prefix) for gap in report.gaps]
    return body


def _notification(gap: Gap, prefix: PurePosixPath | None) -> dict[str, Any]:
    where = f"{_inside(gap.location)}: " if gap.location.members else ""
    return {
        "descriptor": {"id": "gap"},
        "level": "warning",
        "message": {"text": _plain(f"Not read: {where}{gap.reason}")},
        "locations": [_location(gap.location, prefix)],
    }


def _artefact(file: FileResult, prefix: PurePosixPath | None) -> dict[str, Any]:
    hashes = {
        _HASHES[digest.algorithm]: digest.value
        for digest in file.digests
        if digest.origin is Origin.COMPUTED and digest.algorithm in _HASHES
    }
    body: dict[str, Any] = {
        "location": _uri(file.path, prefix),
        "length": file.size,
        "roles": ["analysisTarget"],
        "properties": {"formats": list(file.formats), "coverage": file.coverage.value},
    }
    return {**body, "hashes": hashes} if hashes else body
