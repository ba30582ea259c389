"""Which members of a zip archive ``torch.export`` and AOTInductor open, and as what; no opinions.

The layout is that of ``torch/csrc/export/pt2_archive_constants.h`` and ``torch/export/pt2_archive``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

FORMAT_MARK = "archive_format"
_PAYLOAD = re.compile(r"data/(?:weights/weight|constants/tensor)_\d+")


def roots(names: Iterable[str]) -> tuple[str, ...]:
    """Top folders (with their slash) that hold an ``archive_format``."""
    found = (name for name in names if name.endswith(f"/{FORMAT_MARK}") and name.count("/") == 1)
    return tuple(dict.fromkeys(name[: -len(FORMAT_MARK)] for name in found))


def payloads(names: Iterable[str]) -> frozenset[str]:
    """Members in the place of raw numbers, which a configuration beside them describes."""
    listed = list(names)
    return frozenset(
        name
        for root in roots(listed)
        for name in listed
        if name.startswith(root) and _PAYLOAD.fullmatch(name[len(root) :])
    )
