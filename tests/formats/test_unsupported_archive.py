from __future__ import annotations

import pytest

from tests.support import FIXTURES, assert_survives, examined, names_of

KNOWN = sorted((FIXTURES / "unsupported-archive").glob("*/*"))


@pytest.mark.parametrize("path", KNOWN, ids=lambda path: path.name)
def test_they_are_recognised_and_are_a_gap(path) -> None:
    data = path.read_bytes()
    assert names_of(data) == {"unsupported-archive"}
    result = examined(data, path.name)
    assert not result.findings
    assert [gap.reason.endswith("unpack it and scan the folder") for gap in result.gaps] == [True]


def test_it_survives_mutation() -> None:
    assert_survives("unsupported-archive", KNOWN[0].read_bytes())
