from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.native import wasm
from tests.support import assert_survives, fixture, inspect_bytes, names_of, rules_of

MODULE = fixture("wasm/unsafe/library.wasm")


def _leb(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def test_a_module_is_found_and_says_what_it_imports() -> None:
    found = inspect_bytes("wasm", MODULE)
    assert names_of(MODULE) == {"wasm"}
    assert rules_of(found) == {"wasm/present"}
    assert not found.gaps
    assert dict(found.facts[0].metadata) == {"type": "module", "imports": "wasi_snapshot_preview1"}


def test_text_that_mentions_it_is_not_it() -> None:
    assert names_of(fixture("wasm/clean/mentioned.txt")) == {"text"}


@given(
    st.lists(st.tuples(st.binary(max_size=200), st.binary(max_size=200), st.integers(0, 4)), max_size=20),
    st.lists(st.tuples(st.sampled_from([0, 1, 3, 7, 10]), st.binary(max_size=300)), max_size=5),
)
def test_what_is_imported_is_read_back(imports, others) -> None:
    kinds = [b"\0\5", b"\1\x70\1\1\x80\1", b"\2\0\1", b"\3\x7f\1", b"\4\0\5"]
    body = _leb(len(imports))
    for module, name, kind in imports:
        body += _leb(len(module)) + module + _leb(len(name)) + name + kinds[kind]
    data = b"\0asm\1\0\0\0\2" + _leb(len(body)) + body
    for section, content in others:
        data += bytes([section]) + _leb(len(content)) + content
    found = inspect_bytes("wasm", data)
    assert not found.gaps
    expected = dict.fromkeys(module.decode("utf-8", "backslashreplace") for module, _, _ in imports)
    assert dict(found.facts[0].metadata).get("imports", "") == ", ".join(expected)


def test_cut_at_every_byte_is_a_gap_unless_a_section_ends_there() -> None:
    ends = {8, 8 + 2 + 5}
    for cut in range(4, len(MODULE)):
        found = inspect_bytes("wasm", MODULE[:cut])
        assert bool(found.gaps) == (cut not in ends), cut


def test_it_survives_mutation() -> None:
    assert_survives("wasm", wasm())
