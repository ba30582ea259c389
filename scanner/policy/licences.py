"""Whether a stated licence is acceptable: SPDX expressions, compared without regard to case."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def acceptable(stated: str, allow: Iterable[str], deny: Iterable[str]) -> bool:
    """``A OR B`` needs one acceptable side, ``A AND B`` both; ``X WITH exception`` is its own name.

    What is no expression is compared as it stands. With ``allow`` empty everything is acceptable that
    is not denied.
    """
    allowed, denied = ({name.casefold() for name in names} for names in (allow, deny))

    def good(name: str) -> bool:
        key = name.casefold()
        return key not in denied and (not allowed or key in allowed)

    tree = _parse(stated)
    return good(stated.strip()) if tree is None else _holds(tree, good)


def _parse(stated: str) -> Any:
    from boolean.boolean import ParseError  # noqa: PLC0415 - only where a policy speaks of licences
    from license_expression import ExpressionError, Licensing  # noqa: PLC0415

    try:
        return Licensing().parse(stated[:1000], simple=True)
    except (ParseError, ExpressionError):
        return None


def _holds(tree: Any, good: Any) -> bool:
    operator = getattr(tree, "operator", "").strip()
    if operator == "OR":
        return any(_holds(part, good) for part in tree.args)
    if operator == "AND":
        return all(_holds(part, good) for part in tree.args)
    return bool(good(str(tree)))
