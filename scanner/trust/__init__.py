"""Whether the bytes are what was published: digests, manifests, signatures. Everything works offline."""

from __future__ import annotations

from scanner.trust.anchors import Anchor, Signer, Trust, read_anchor

__all__ = ["Anchor", "Signer", "Trust", "read_anchor"]
