from __future__ import annotations

import io

import numpy as np
import pytest

from scanner.formats import by_name
from scanner.formats.identity import read_head
from scanner.reader import BytesReader
from tests.support import assert_survives, fixture, head_of, inspect_bytes

CLEAN = fixture("npz/clean/two.npz")


@pytest.mark.parametrize(("save", "packed"), [(np.savez, "none"), (np.savez_compressed, "2 by deflate")])
def test_an_archive_of_arrays(save, packed: str) -> None:
    out = io.BytesIO()
    save(out, a=np.arange(3), b=np.zeros((0, 2)))
    head = read_head(BytesReader(out.getvalue()), "x.npz")
    assert by_name()["npz"].matches(head)
    found = inspect_bytes("npz", out.getvalue())
    assert dict(found.facts[0].metadata) == {"arrays": "2", "compressed": packed}
    assert not found.findings
    assert not found.gaps


@pytest.mark.parametrize("members", [(), ("a.npy", "b.pkl"), ("a.npy", "sub/")])
def test_other_archives_are_none(members: tuple[str, ...]) -> None:
    assert not by_name()["npz"].matches(head_of(CLEAN, members=members))


def test_a_cut_archive_is_a_gap() -> None:
    for cut in range(1, 23):
        assert inspect_bytes("npz", CLEAN[:-cut]).gaps, cut


def test_it_survives_mutation() -> None:
    assert_survives("npz", CLEAN)
