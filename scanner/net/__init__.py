"""The only package that opens sockets for bytes."""

from scanner.net.connection import UNTRUSTED, Connection, origin, trusted_roots
from scanner.net.ranges import CHANGED, IGNORES_RANGES, Found, RangeOpener, RangeReader, probe

__all__ = [
    "CHANGED",
    "IGNORES_RANGES",
    "UNTRUSTED",
    "Connection",
    "Found",
    "RangeOpener",
    "RangeReader",
    "origin",
    "probe",
    "trusted_roots",
]
