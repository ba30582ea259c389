from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.pytorch_tar import SYSTEM, archive, state, storages, tensors
from tests.support import FIXTURES, assert_survives, examined, fixture, inspect_bytes, names_of

CLEAN = fixture("pytorch-tar/clean/state.tar")
UNSAFE = {path.stem: path for path in sorted((FIXTURES / "pytorch-tar" / "unsafe").iterdir())}
SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)


def rules(path: Path) -> set[str]:
    return {finding.rule.id for finding in examined(path.read_bytes(), path.name).findings}


def test_a_state_dict_is_only_noted() -> None:
    result = examined(CLEAN, "m.tar")
    assert set(result.formats) == {"pytorch-tar", "tar"}
    assert {f.rule.id for f in result.findings} == {"pickle/present"}
    assert not result.gaps
    (facts,) = [facts for _, facts in result.facts if facts.format == "pytorch-tar"]
    weight, bias = facts.tensors
    assert (weight.name, weight.dtype, weight.shape) == ("weight", "f32", (2, 3))
    assert struct.unpack_from("<6f", CLEAN, weight.offset) == tuple(range(6))
    assert (bias.name, struct.unpack_from("<2f", CLEAN, bias.offset)) == ("bias", (1, 2))


@pytest.mark.parametrize("name", ["payload", "payload-in-storages", "tail"])
def test_a_payload_in_any_part_is_found(name: str) -> None:
    assert "pickle/dangerous-callable" in rules(UNSAFE[name])


@pytest.mark.parametrize("name", ["tail", "short", "missing"])
def test_numbers_that_do_not_fit_are_found(name: str) -> None:
    assert "pytorch-tar/layout" in rules(UNSAFE[name])


@pytest.mark.parametrize("name", ["count", "cut"])
def test_broken_archives_are_gaps(name: str) -> None:
    assert examined(fixture(f"pytorch-tar/broken/{name}.tar"), "m.tar").gaps


@given(st.lists(SHAPES, min_size=1, max_size=40))
def test_every_tensor_is_found_where_it_lies(shapes: list[tuple[int, ...]]) -> None:
    counts = [1] * len(shapes)
    for index, shape in enumerate(shapes):
        for extent in shape:
            counts[index] *= extent
    found = inspect_bytes(
        "pytorch-tar",
        archive(
            sys_info=SYSTEM,
            pickle=state({f"w{n}": 5000 + n for n in range(len(shapes))}),
            storages=storages({100 + n: count for n, count in enumerate(counts)}, []),
            tensors=tensors({5000 + n: (100 + n, shape, 0) for n, shape in enumerate(shapes)}),
        ),
    )
    assert not found.findings
    assert not found.gaps
    assert [(t.name, t.shape, t.length) for t in found.facts[0].tensors] == [
        (f"w{n}", shape, 4 * counts[n]) for n, shape in enumerate(shapes)
    ]


@pytest.mark.parametrize("count", [-1, 1 << 40, (1 << 63) - 1])
def test_a_count_that_lies_is_a_gap(count: int) -> None:
    data = storages({1001: 6}, []).replace(struct.pack("<q", 6), struct.pack("<q", count))
    assert inspect_bytes("pytorch-tar", archive(pickle=state({}), storages=data)).gaps


@pytest.mark.parametrize("dimensions", [-1, 65, 1 << 30])
def test_dimensions_that_lie_are_a_gap(dimensions: int) -> None:
    data = tensors({5: (100, (2,), 0)}).replace(struct.pack("<ii", 1, 0), struct.pack("<ii", dimensions, 0))
    assert inspect_bytes("pytorch-tar", archive(pickle=state({}), tensors=data)).gaps


def test_truncated_at_every_byte_is_never_clean() -> None:
    last = CLEAN.rstrip(b"\0")
    for cut in range(512, len(last), 7):
        assert examined(CLEAN[:cut], "m.tar").gaps, cut


@pytest.mark.parametrize(
    ("data", "matched"),
    [
        (CLEAN, True),
        (archive(storages=b"x"), True),
        (archive(readme=b"x", storages=b"x"), False),
        (b"storages" + bytes(600), False),
        (b"", False),
    ],
)
def test_it_is_recognised_by_its_first_member(data: bytes, matched: bool) -> None:
    assert ("pytorch-tar" in names_of(data)) is matched


def test_it_survives_mutation() -> None:
    for name in ("clean/state", "unsafe/tail", "unsafe/payload-in-storages"):
        assert_survives("pytorch-tar", fixture(f"pytorch-tar/{name}.tar"))
