"""What is known of a name that a pickle looks up."""

from __future__ import annotations

import _compat_pickle

from scanner.data import capabilities
from scanner.data.capabilities import capability
from scanner.wire.pickle_values import Global


def _spellings(found: Global) -> set[str]:
    """The name as written and as ``fix_imports`` rewrites it for protocols 0 to 2."""
    pair = _compat_pickle.NAME_MAPPING.get((found.module, found.name))
    module, name = pair or (_compat_pickle.IMPORT_MAPPING.get(found.module, found.module), found.name)
    return {str(found), f"{module}.{name}"}


def classify(found: Global) -> str:
    """``safe``, ``unknown`` or a capability such as ``executes``.

    Protocols 0 to 2 rewrite names: both spellings name one object, so one that is known is enough.
    """
    known = sorted({capability(text) for text in _spellings(found)} - {"unknown"})
    return "unknown" if not known else known[0] if "safe" not in known else "safe"


def uses(found: Global) -> frozenset[str]:
    """What picklers do with a safe name beyond looking it up; see :data:`scanner.data.capabilities.USES`."""
    return frozenset[str]().union(*map(capabilities.uses, _spellings(found)))


def applied(found: Global) -> tuple[tuple[int, str], ...]:
    """Which arguments it uses in turn, by position, and how."""
    return tuple(sorted({pair for text in _spellings(found) for pair in capabilities.applied(text)}))
