"""The JSON report; its schema is ``docs/schema/report-1.schema.json`` and changes by version."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from scanner.data import tags_for
from scanner.model import Artefact, FileResult, Gap, Location
from scanner.result import InventoryField, Judged, Reason, Report, Verification

SCHEMA_VERSION = "1.0"


def render(reports: Sequence[Report]) -> str:
    """One object for one report, an array for several; keys in a fixed order, ending in a newline."""
    documents = [document(report) for report in reports]
    body: Any = documents[0] if len(documents) == 1 else documents
    return json.dumps(body, indent=2, ensure_ascii=True) + "\n"


def document(report: Report) -> dict[str, Any]:
    """The report as plain data."""
    verdict = report.verdict
    body = {
        "schema_version": SCHEMA_VERSION,
        "tool": {
            "name": "weighbridge",
            "version": report.tool_version,
            "rule_set": report.rule_set,
        },
        "artefact": _artefact(report.artefact),
        "verdict": {
            "decision": verdict.decision.value,
            "reasons": [_reason(reason) for reason in verdict.reasons],
            "warnings": [_reason(reason) for reason in verdict.warnings],
        },
        "findings": [_finding(judged) for judged in verdict.judged],
        "gaps": [_gap(gap) for gap in report.gaps],
        "files": [_file(file) for file in report.files],
        "inventory": [_field(entry) for entry in report.inventory.fields],
        "verifications": [_verification(entry) for entry in report.verifications],
        "policy": {"name": verdict.policy, "digest": verdict.policy_digest},
    }
    if report.created:
        body["created"] = report.created
    return body


def _artefact(artefact: Artefact) -> dict[str, Any]:
    return {
        "target": artefact.target,
        "source": artefact.source,
        "name": artefact.name,
        "kind": artefact.kind.value,
        "revision": artefact.revision,
        "requested_revision": artefact.requested_revision,
        "pinned": artefact.pinned,
    }


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "rule": reason.rule,
        "message": reason.message,
        "file": reason.file,
        "line": reason.line,
        "findings": list(reason.findings),
        "remedy": reason.remedy,
    }


def _location(location: Location) -> dict[str, Any]:
    return {
        "path": location.path,
        "members": list(location.members),
        "offset": location.offset,
        "length": location.length,
        "line": location.line,
    }


def _finding(judged: Judged) -> dict[str, Any]:
    finding = judged.finding
    return {
        "rule": finding.rule.id,
        "title": finding.rule.title,
        "severity": judged.severity.value,
        "rule_severity": finding.rule.severity.value,
        "confidence": finding.confidence.value,
        "message": finding.message,
        "location": _location(finding.location),
        "evidence": dict(finding.evidence),
        "fingerprint": finding.fingerprint,
        "remedy": finding.rule.remedy,
        "tags": list(tags_for(finding.rule.check)),
        "waived_by": judged.waived_by,
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {"location": _location(gap.location), "reason": gap.reason}


def _file(file: FileResult) -> dict[str, Any]:
    return {
        "path": file.path,
        "size": file.size,
        "formats": list(file.formats),
        "nested": list(file.nested),
        "coverage": file.coverage.value,
        "digests": [
            {
                "algorithm": digest.algorithm,
                "value": digest.value,
                "origin": digest.origin.value,
                "source": digest.source,
            }
            for digest in file.digests
        ],
    }


def _field(entry: InventoryField) -> dict[str, Any]:
    return {
        "name": entry.name,
        "value": entry.value,
        "state": entry.state.value,
        "path": entry.path,
        "pointer": entry.pointer,
    }


def _verification(entry: Verification) -> dict[str, Any]:
    return {
        "claim": entry.claim,
        "outcome": entry.outcome.value,
        "reason": entry.reason,
        "subject": list(entry.subject),
        "signer": entry.signer,
        "issuer": entry.issuer,
        "root": entry.root,
        "signed_at": entry.signed_at,
        "location": _location(entry.location) if entry.location else None,
        "unsigned": list(entry.unsigned),
        "ignored": list(entry.ignored),
    }
