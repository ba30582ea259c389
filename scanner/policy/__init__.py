"""Whether an artefact may pass: the policy file and its evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scanner.policy.facts import Evidence
from scanner.policy.waivers import RULES

if TYPE_CHECKING:
    import datetime as dt

    from scanner.policy.document import Known, Policy
    from scanner.result import Verdict

__all__ = ["RULES", "Evidence", "evaluate", "load"]


def load(path_or_pack: str, known: Known) -> Policy:
    """See :func:`scanner.policy.document.load`; imported late, because pydantic is slow to start."""
    from scanner.policy import document  # noqa: PLC0415

    return document.load(path_or_pack, known)


def evaluate(policy: Policy, evidence: Evidence, now: dt.datetime | None) -> Verdict:
    """See :func:`scanner.policy.evaluation.evaluate`."""
    from scanner.policy import evaluation  # noqa: PLC0415

    return evaluation.evaluate(policy, evidence, now)
