"""Tar archives as WebDataset reads them: members that share a name up to its first dot are one sample.

Source: webdataset 1.0, ``tariterators.base_plus_ext`` and ``autodecode.decoders``.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

_NAME = re.compile(r"((?:.*/|)[^./]+)\.([^/]*)")
UNPICKLED = frozenset(("pkl", "pickle", "pyd"))
"""Last endings whose members the default decoder gives to ``pickle.loads``, whatever they hold."""
_SHARE = 0.9


def field(name: str) -> tuple[str, str] | None:
    """Key of the sample and name of the field that a member is; ``None`` where it is neither."""
    match = _NAME.fullmatch(name.removeprefix("./"))
    return (match[1], match[2].lower()) if match else None


def fields(names: Iterable[str]) -> tuple[int, tuple[str, ...]]:
    """Number of samples and the names of their fields; none where the archive holds no samples.

    It does where nearly every member is part of a sample of two fields or more: an ordinary archive of
    a project has files that stand alone.
    """
    samples: dict[str, set[str]] = defaultdict(set)
    total = 0
    for name in names:
        total += 1
        found = field(name)
        if found:
            samples[found[0]].add(found[1])
    several = {key: found for key, found in samples.items() if len(found) > 1}
    if not several or sum(map(len, several.values())) < _SHARE * total:
        return 0, ()
    return len(several), tuple(sorted(set().union(*several.values())))
