from __future__ import annotations

import contextlib
import marshal
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import FormatError
from scanner.wire.marshalled import names_in

SOURCES = [
    "lambda x: x * 2",
    "lambda x: tf.image.resize(x, (2, 3))",
    "lambda x: __import__('os').system('true')",
    "lambda x: [y.real for y in (lambda z: z.conjugate)(x)]",
    "lambda x, y=3, *a, k=None, **b: (x, 1.5, 2j, 'text', b'raw', 10**30, ..., True, None, {1, 2})",
    "lambda x: (lambda: x)()",
]


def _names(code) -> set[str]:
    inner = [constant for constant in code.co_consts if hasattr(constant, "co_names")]
    return set(code.co_names).union(*map(_names, inner))


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("version", [2, 3, 4])
def test_it_finds_the_names_that_python_finds(source: str, version: int) -> None:
    code = eval(source).__code__
    assert _names(code) <= set(names_in(marshal.dumps(code, version)))


def _text(value: str, kind: bytes) -> bytes:
    return kind + struct.pack("<I", len(value)) + value.encode()


def _tuple(values: list[bytes]) -> bytes:
    return b"(" + struct.pack("<I", len(values)) + b"".join(values)


def _code(layout: str, names: list[str], inner: bytes = b"N") -> bytes:
    """A code object as Python 2, 3.0 to 3.7, 3.8 to 3.10, or 3.11 and later marshal it."""
    kind = b"t" if layout == "2" else b"u"
    empty, name, raw = _tuple([]), _text("f", kind), _text("d\0", b"s")
    listed = _tuple([_text(value, kind) for value in names])
    numbers = {"2": 4, "3.0": 5, "3.8": 6, "3.11": 5}[layout]
    head = b"c" + bytes(4 * numbers) + raw + _tuple([inner]) + listed
    if layout == "3.11":
        return head + empty + raw + name + name + name + bytes(4) + raw + raw
    return head + empty + empty + empty + name + name + bytes(4) + raw


@given(
    st.sampled_from(["2", "3.0", "3.8", "3.11"]),
    st.lists(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), max_size=4),
    st.lists(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), max_size=4),
)
def test_code_of_every_version_is_read(layout: str, outer, inner) -> None:
    assert set(names_in(_code(layout, outer, _code(layout, inner)))) == {*outer, *inner}


@given(st.binary(max_size=60), st.sampled_from(["2", "3.0", "3.8", "3.11"]), st.integers(0, 200))
def test_anything_else_is_refused_in_our_own_words(noise: bytes, layout: str, at: int) -> None:
    code = _code(layout, ["a"])
    for data in (noise, b"c" + noise, code[: at % len(code)] + noise):
        with contextlib.suppress(FormatError):
            assert all(isinstance(name, str) for name in names_in(data))


def test_a_million_deep_is_refused() -> None:
    with pytest.raises(FormatError):
        names_in(b"c" + bytes(20) + b")\x01" * 100_000)
