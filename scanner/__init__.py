"""Weighbridge: AI artefacts are weighed before they may enter.

Public API: :func:`scan` and the types of its result. Everything else may change without notice.
"""

from __future__ import annotations

from scanner.version import __version__

__all__ = [
    "Decision",
    "Finding",
    "Gap",
    "Report",
    "ScannerError",
    "Severity",
    "__version__",
    "scan",
]

# NOTE: not from typing: importing it would cost a third of the time that `--version` takes.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from scanner.errors import ScannerError
    from scanner.model import Finding, Gap, Severity
    from scanner.result import Decision, Report


def scan(target: str, *, policy: str = "baseline") -> Report:
    """Weigh one artefact (a path, ``hf://org/name@rev``, ``https://…``) and return its report.

    Starts worker processes: call it under ``if __name__ == "__main__":`` in a script.

    Raises:
        ScannerError: Nothing could be decided (unknown target, unreachable source, bad policy).
    """
    from datetime import UTC, datetime  # noqa: PLC0415 - importing the package stays cheap

    from scanner.model import Target  # noqa: PLC0415
    from scanner.pipeline import Request, scan_artefact  # noqa: PLC0415

    return scan_artefact(Request(Target(target), policy, now=datetime.now(UTC)))


def __getattr__(name: str) -> object:
    if name in __all__:
        from scanner import errors, model, result  # noqa: PLC0415 - lazily, for start-up

        return next(getattr(room, name) for room in (result, model, errors) if hasattr(room, name))
    raise AttributeError(f"module 'scanner' has no attribute {name!r}")
