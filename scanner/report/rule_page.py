"""A rule's page: what it finds, why it matters, how to mend it. Markdown, from the rule alone."""

from __future__ import annotations

from typing import Any

from scanner.data import tags_for
from scanner.model import Rule


def page(rule: Rule) -> str:
    """The page of one rule, starting with its ``##`` heading."""
    parts = [
        f"## {rule.id}\n\n**{rule.title}** · severity {rule.severity.value}\n",
        f"### What it finds\n\n{rule.finds}\n",
        f"### Why it matters\n\n{rule.why}\n",
        f"### Remediation\n\n{rule.remedy}\n",
    ]
    if rule.example:
        parts.append(f"### Example\n\n{rule.example}\n")
    limits = rule.limits or "None known."
    parts.append(f"### Known limits\n\n{limits}\n")
    if rule.references:
        parts.append("### References\n\n" + "".join(f"- {entry}\n" for entry in rule.references))
    tags = tags_for(rule.check)
    if tags:
        parts.append("### Framework tags\n\n" + ", ".join(f"`{tag}`" for tag in tags) + "\n")
    return "\n".join(parts)


def document(rule: Rule) -> dict[str, Any]:
    """The rule as plain data."""
    return {
        "id": rule.id,
        "title": rule.title,
        "severity": rule.severity.value,
        "check": rule.check.value,
        "finds": rule.finds,
        "why": rule.why,
        "remedy": rule.remedy,
        "example": rule.example,
        "limits": rule.limits,
        "references": list(rule.references),
        "tags": list(tags_for(rule.check)),
    }
