"""Addresses that strangers declare: passed on only where they are web addresses that the schema accepts."""

from __future__ import annotations

from scanner.bom.cyclonedx.refs import quoted

# What an address may hold unescaped (RFC 3986, reserved characters without brackets, and %).
_SAFE = ":/?#@!$&'()*+,;=%~"


def web_address(text: str) -> str:
    """An https or http address as an IRI; empty for anything else, such as ``javascript:``."""
    address = quoted(text.strip(), _SAFE)
    if not address.startswith(("https://", "http://")):
        return ""
    from scanner.bom.cyclonedx.schema import FORMATS  # noqa: PLC0415 - only when a bill is written

    return address if FORMATS.conforms(address, "iri-reference") else ""
