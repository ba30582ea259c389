"""Every error that Weighbridge raises on purpose; anything else that escapes is a bug."""

from __future__ import annotations


class ScannerError(Exception):
    """Base of all deliberate errors. The text names the file, the place in it and the way out."""


class FormatError(ScannerError):
    """Bytes that do not follow their format's grammar.

    Attributes:
        reason: What is wrong, in a few words.
        offset: Where, in bytes from the start of the reader that was being decoded, if known.
    """

    def __init__(self, reason: str, offset: int | None = None) -> None:
        super().__init__(reason if offset is None else f"{reason} (at byte {offset})")
        self.reason = reason
        self.offset = offset

    def __reduce__(self) -> tuple[type[FormatError], tuple[str, int | None]]:
        return type(self), (self.reason, self.offset)


class BudgetExceeded(ScannerError):
    """A limit was reached before the work was done.

    Attributes:
        resource: ``bytes``, ``items`` or ``depth``.
        limit: The limit that was set.
    """

    def __init__(self, resource: str, limit: int) -> None:
        super().__init__(f"more than the allowed {limit} {resource}")
        self.resource = resource
        self.limit = limit

    def __reduce__(self) -> tuple[type[BudgetExceeded], tuple[str, int]]:
        return type(self), (self.resource, self.limit)


class ReadFailed(ScannerError):
    """Bytes that exist according to their source could not be read (I/O error, connection, changed file)."""


class SourceError(ScannerError):
    """A target cannot be resolved or reached: nothing was decided (exit code 2)."""


class TargetError(SourceError):
    """What the user typed is not a target."""


class PolicyError(ScannerError):
    """A policy file that cannot be used.

    Attributes:
        path: The policy file.
        line: 1-based line, if known.
        column: 1-based column, if known.
    """

    def __init__(
        self, message: str, *, path: str = "", line: int | None = None, column: int | None = None
    ) -> None:
        place = ":".join(str(part) for part in (path, line, column) if part not in {"", None})
        super().__init__(f"{place}: {message}" if place else message)
        self.path = path
        self.line = line
        self.column = column


class TrustError(ScannerError):
    """Trust material that the user named (key, root file, signature path) cannot be used."""


class BomError(ScannerError):
    """A bill of materials would not have been valid and was not written."""
