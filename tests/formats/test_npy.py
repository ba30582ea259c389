from __future__ import annotations

import ast
import io
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scanner.errors import FormatError
from scanner.examination import Assignment, examine
from scanner.reader import BytesOpener, Limits
from scanner.wire.python_literal import parse_literal
from tests.support import FIXTURES, assert_survives, fixture, inspect_bytes, names_of, rules_of

PLAIN = fixture("npy/clean/plain.npy")
LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.lists(inner).map(tuple),
    max_leaves=12,
)


def saved(array: np.ndarray, **options: bool) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names outside Latin-1 need version 3, NumPy says
        np.lib.format.write_array(out, array, **options)
    return out.getvalue()


@pytest.mark.parametrize("path", sorted((FIXTURES / "npy" / "clean").iterdir()), ids=lambda p: p.stem)
def test_clean_arrays_have_facts_and_no_finding(path) -> None:
    found = inspect_bytes("npy", path.read_bytes(), path.name)
    assert not found.findings
    assert not found.gaps
    assert not found.children
    array = np.load(path)
    (tensor,) = found.facts[0].tensors
    assert (tensor.name, tensor.shape, tensor.length) == (path.stem, array.shape, array.nbytes)
    assert path.read_bytes()[tensor.offset :] == array.tobytes("A")


@given(
    hnp.arrays(
        st.one_of(
            hnp.scalar_dtypes(), hnp.byte_string_dtypes(), hnp.unicode_string_dtypes(), hnp.array_dtypes()
        ),
        hnp.array_shapes(min_dims=0, min_side=0, max_side=4),
        fill=st.nothing(),
        elements=None,
    ),
    st.booleans(),
)
def test_it_agrees_with_numpy(array: np.ndarray, fortran: bool) -> None:
    data = saved(np.asfortranarray(array) if fortran and array.ndim else array)
    found = inspect_bytes("npy", data)
    assert not found.findings
    assert not found.gaps
    (tensor,) = found.facts[0].tensors
    assert (tensor.shape, tensor.length) == (array.shape, array.nbytes)


@given(LITERALS)
def test_literals_are_read_as_python_reads_them(value) -> None:
    assert parse_literal(repr(value)) == value


@given(st.text(alphabet="'\"\\ux0123,:(){}[] nTrueFalsNo-L\n", max_size=30))
def test_what_is_accepted_means_the_same_to_python(text: str) -> None:
    try:
        value = parse_literal(text)
    except FormatError:
        return
    if "L" not in text:
        assert ast.literal_eval(text.strip()) == value


@pytest.mark.parametrize("name", ["objects", "field"])
def test_objects_are_a_pickle(name: str) -> None:
    # CVE-2019-6446.
    data = fixture(f"npy/unsafe/{name}.npy")
    found = inspect_bytes("npy", data)
    assert rules_of(found) == {"npy/object-array"}
    assert [child.read_as for child in found.children] == ["pickle"]
    result = examine(Assignment("a.npy", BytesOpener(data), Limits()))
    assert {"critical", "medium"} <= {f.rule.severity for f in result.findings}


def test_an_object_array_of_numpy_is_only_noted() -> None:
    data = saved(np.array([{"a": 1}, None, (2, "x")], dtype=object))
    result = examine(Assignment("a.npy", BytesOpener(data), Limits()))
    assert {f.rule.severity.value for f in result.findings} == {"medium"}
    assert not result.gaps


def test_what_lies_behind_is_handed_on() -> None:
    found = inspect_bytes("npy", fixture("npy/broken/tail.npy"))
    assert rules_of(found) == {"npy/trailing-data"}
    assert [c.reader.read_at(0, 2) for c in found.children] == [b"PK"]


def test_several_arrays_in_one_file_are_all_read() -> None:
    found = inspect_bytes("npy", PLAIN + saved(np.arange(3)) + saved(np.array([None])))
    assert [t.shape for t in found.facts[0].tensors] == [(2, 3), (3,), (1,)]
    assert rules_of(found) == {"npy/object-array"}


@pytest.mark.parametrize("name", ["cut", "overflow", "type"])
def test_broken_arrays_are_gaps(name: str) -> None:
    assert inspect_bytes("npy", fixture(f"npy/broken/{name}.npy")).gaps


def test_a_type_in_another_spelling_is_never_clean() -> None:
    # numpy.dtype("object") is one of many spellings that NumPy reads and never writes.
    result = examine(Assignment("a.npy", BytesOpener(fixture("npy/broken/type.npy")), Limits()))
    assert result.gaps
    assert "critical" in {f.rule.severity for f in result.findings}


def test_truncated_at_every_byte_is_a_gap() -> None:
    for cut in range(6, len(PLAIN)):
        assert inspect_bytes("npy", PLAIN[:cut]).gaps, cut


@pytest.mark.parametrize(
    "text",
    ["(" * 1_000_000, "{'a':" * 1_000_000, "[" * 40 + "]" * 40, "{'a': 1, 'a': 2}", "1 2", "f()", "'a' 'b'"],
)
def test_what_is_no_plain_literal_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        parse_literal(text)


def test_python_2_wrote_long_numbers() -> None:
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }\n"
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(24)
    assert inspect_bytes("npy", data).facts[0].tensors[0].shape == (2, 3)


def test_only_the_magic_is_recognised() -> None:
    assert names_of(PLAIN) == {"npy"}
    assert "npy" not in names_of(b"\x93NUMPX" + PLAIN[6:])


def test_it_survives_mutation() -> None:
    for name in ("clean/fields", "clean/big-endian", "unsafe/field"):
        assert_survives("npy", fixture(f"npy/{name}.npy"))
