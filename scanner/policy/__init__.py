"""Whether an artefact may pass: the policy file and its evaluation."""

from __future__ import annotations

from scanner.policy.document import Policy, load
from scanner.policy.evaluation import evaluate

__all__ = ["Policy", "evaluate", "load"]
