from __future__ import annotations

import datetime as dt
import os
import pickle
import random
import tracemalloc
from collections import OrderedDict
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.errors import BudgetExceeded, FormatError
from scanner.formats.pickle.callables import classify, uses
from scanner.reader import Budget, BytesReader, Cursor
from scanner.wire.pickle import Machine
from tests.support import mutate


def events(data: bytes, *, shortcuts: bool) -> tuple[list[tuple[str, int, str]], str]:
    """What every pickle in the bytes does, as the format listens to it, and how it ended."""
    cursor = Cursor(BytesReader(data), Budget())
    seen: list[tuple[str, int, str]] = []
    try:
        while cursor.left:
            machine = Machine(cursor, Budget(), shortcuts=shortcuts)
            for event in machine.run():
                if event.kind == "import" and classify(event.target) == "safe":
                    machine.uses[event.target] = uses(event.target) | {"set"}
                if event.kind != "stop":
                    seen.append((event.kind, event.offset, type(event.target).__name__))
    except FormatError as error:
        return seen, f"malformed: {error}"
    except BudgetExceeded as error:
        return seen, str(error)
    return seen, "complete"


class Point:
    def __init__(self, x: int) -> None:
        self.x = x
        self.tail = [x, (x, None)]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=300),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner, inner),
    max_leaves=30,
)
OBJECTS = st.one_of(
    st.builds(lambda n: [dt.date(2000 + i % 9, 1, 1) for i in range(n)], st.integers(0, 60)),
    st.builds(lambda n: [np.arange(i % 4) for i in range(n)], st.integers(0, 60)),
    st.builds(lambda n: [Point(i) for i in range(n)], st.integers(0, 60)),
    st.builds(lambda n: {str(i): Fraction(i, 3) for i in range(n)}, st.integers(0, 60)),
    st.builds(lambda n: [OrderedDict(a=i, b=Fraction(1, i + 1)) for i in range(n)], st.integers(0, 60)),
)


@given(st.tuples(PLAIN, OBJECTS, OBJECTS), st.integers(0, 5))
def test_shortcuts_and_the_plain_machine_agree(value, protocol: int) -> None:
    data = pickle.dumps(value, protocol=protocol)
    fast, plain = events(data, shortcuts=True), events(data, shortcuts=False)
    assert fast == plain
    assert plain[1] == "complete"


@given(PLAIN, st.integers(0, 5))
def test_plain_data_has_no_event_on_either_path(value, protocol: int) -> None:
    data = pickle.dumps(value, protocol=protocol)
    fast, plain = events(data, shortcuts=True), events(data, shortcuts=False)
    assert fast == plain
    assert fast[1] == "complete"


@settings(max_examples=300)
@given(OBJECTS, st.integers(2, 5), st.integers(0, 1 << 30))
def test_they_agree_on_damaged_streams(value, protocol: int, seed: int) -> None:
    data = mutate(pickle.dumps(value, protocol=protocol), seed)
    fast, plain = events(data, shortcuts=True), events(data, shortcuts=False)
    # A stream that only builds data, badly, has no effect: only there the ends may differ.
    assert fast[0][: len(plain[0])] == plain[0]
    if plain[0]:
        assert fast == plain


PAYLOAD = b"cposix\nsystem\n\x8c\x04true\x85R"


@pytest.mark.parametrize("where", [1, 2, 3, 40, 99])
@pytest.mark.parametrize("kind", ["date", "point", "array"])
def test_a_payload_among_many_equal_objects_is_found(where: int, kind: str) -> None:
    make = {"date": lambda i: dt.date(2001, 1, i % 9 + 1), "point": Point, "array": np.arange}[kind]

    class Trap:
        def __reduce__(self):
            return os.system, ("true",)

    data = pickle.dumps([Trap() if i == where else make(i) for i in range(100)], protocol=5)
    fast, plain = events(data, shortcuts=True), events(data, shortcuts=False)
    assert fast == plain
    assert [kind for kind, _, target in fast[0] if target == "Global"].count("call") >= 1


def test_a_memo_slot_overwritten_between_equal_objects_is_noticed() -> None:
    # The second half calls what now stands in slot 0: it looks the same and is not.
    item = b"h\x00)\x81\x94"
    first = b"\x80\x04(ccollections\nOrderedDict\n\x94" + item * 6
    data = first + b"cposix\nsystem\nq\x00" + item * 6 + b"l."
    fast, plain = events(data, shortcuts=True), events(data, shortcuts=False)
    assert fast == plain
    assert [event[0] for event in fast[0]].count("new") >= 6


def test_a_shape_never_reaches_below_its_start() -> None:
    # POP and a class put in the place of the object that was built before.
    item = b"0h\x00h\x00)R"
    data = b"\x80\x04(ccollections\nOrderedDict\n\x94" + item * 12 + b"0}b1N."
    fast, plain = events(data, shortcuts=True), events(data, shortcuts=False)
    assert fast == plain
    assert ("state", "Global") in {(kind, target) for kind, _, target in fast[0]}


def test_random_opcodes_lead_to_the_same_events_on_both_paths() -> None:
    rng = random.Random(7)
    pieces = [
        b"h\x00",
        b"h\x01",
        b")",
        b"R",
        b"\x81",
        b"\x94",
        b"}",
        b"(",
        b"u",
        b"b",
        b"K\x01",
        b"\x85",
        b"t",
    ]
    pieces += [b"0", b"1", b"2", b"l", b"e", b"]", b"q\x01", b"N", b"\x8c\x01a", b"s", b"cposix\nsystem\n"]
    start = b"\x80\x04ccollections\nOrderedDict\n\x94cdatetime\ndate\n\x94(" + b"h\x00)Rh\x00)R"
    for _ in range(1500):
        item = b"".join(rng.choices(pieces, k=rng.randint(1, 5)))
        data = start + item * rng.randint(1, 6) + b"".join(rng.choices(pieces, k=4)) + item * 3 + b"."
        assert events(data, shortcuts=True) == events(data, shortcuts=False), data


def _peak(data: bytes) -> int:
    tracemalloc.start()
    try:
        assert events(data, shortcuts=False) == ([], "complete")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_opcodes() -> None:
    # At the smaller one, what is kept is full; a pointer for each further opcode would be 6 MB.
    small, large = (b"\x80\x04" + b"]\x940" * n + b"N." for n in (240_000, 480_000))
    assert _peak(large) < _peak(small) + (2 << 20)


def test_a_stack_without_end_is_refused() -> None:
    seen, end = events(b"\x80\x04cposix\nsystem\n(" + b"]" * 2_100_000 + b".", shortcuts=True)
    assert [kind for kind, *_ in seen] == ["import"]
    assert "stack" in end


def test_a_million_marks_are_no_trouble() -> None:
    assert events(b"\x80\x04N" + b"(" * 1_000_000 + b".", shortcuts=False)[1].startswith(
        ("malformed", "more")
    )
