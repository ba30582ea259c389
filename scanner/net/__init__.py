"""The only package that opens sockets for bytes."""

from scanner.net.connection import Connection, origin
from scanner.net.ranges import CHANGED, IGNORES_RANGES, Found, RangeOpener, RangeReader, probe

__all__ = [
    "CHANGED",
    "IGNORES_RANGES",
    "Connection",
    "Found",
    "RangeOpener",
    "RangeReader",
    "origin",
    "probe",
]
