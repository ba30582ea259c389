"""CPython's two unpicklers as oracles: whatever they look up, call or change, the machine reports.

Programs of random opcodes run in both with a ``find_class`` that returns recorders instead of what it is
asked for: nothing is imported, and a call makes a note.
"""

from __future__ import annotations

import contextlib
import io
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.errors import FormatError
from scanner.reader import Budget, BytesReader, Cursor
from scanner.wire.pickle import Machine
from scanner.wire.pickle_values import Global, Result


class Log:
    """What was done while loading."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []

    def note(self, kind: str, name: str) -> None:
        self.done.append((kind, name))


def recorder(log: Log, name: str) -> type:
    """A class that notes its lookups, calls, instances and changes; its metaclass makes calls visible."""

    class Meta(type):
        def __call__(cls, *_: Any, **__: Any) -> Any:
            log.note("call", name)
            return object.__new__(cls)

    class Recorder(metaclass=Meta):
        def __new__(cls, *_: Any, **__: Any) -> Any:
            log.note("new", name)
            return object.__new__(cls)

        def __setstate__(self, _: Any) -> None:
            log.note("state", name)

        def __setitem__(self, _: Any, __: Any) -> None:
            log.note("items", name)

        def append(self, _: Any) -> None:
            log.note("appends", name)

        def extend(self, _: Any) -> None:
            log.note("appends", name)

        def add(self, _: Any) -> None:
            log.note("appends", name)

    return Recorder


def loaded(loader: type, data: bytes) -> list[tuple[str, str]]:
    """What one of CPython's unpicklers does with the bytes, up to its end or its error."""
    log = Log()
    known: dict[str, type] = {}

    class Spy(loader):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            full = f"{module}.{name}"
            log.note("import", full)
            return known.setdefault(full, recorder(log, full))

        def persistent_load(self, _: Any) -> Any:
            log.note("persistent", "")
            return None

    with contextlib.suppress(Exception):  # whatever the loader says: what it did before counts
        Spy(io.BytesIO(data)).load()
    return log.done


def reported(data: bytes, *, shortcuts: bool) -> list[tuple[str, str]]:
    """What the machine says, in the same words."""
    done: list[tuple[str, str]] = []
    try:
        for event in Machine(Cursor(BytesReader(data), Budget()), Budget(), shortcuts=shortcuts).run():
            target = event.target
            if event.kind == "persistent":
                done.append(("persistent", ""))
            elif event.kind not in {"stop", "set"}:
                of = target.of if isinstance(target, Result) else target
                done.append((event.kind, str(of) if isinstance(of, Global) else "?"))
    except FormatError:
        pass
    return done


def covered(oracle: list[tuple[str, str]], ours: list[tuple[str, str]]) -> str:
    """What a loader did and we did not say, in order; empty where everything was said."""
    at = 0
    for kind, name in oracle:
        while at < len(ours) and not _same(kind, name, *ours[at]):
            at += 1
        if at == len(ours):
            return f"{kind} {name} of {oracle}, of which {ours} was reported"
        at += 1
    return ""


def _same(kind: str, name: str, said: str, of: str) -> bool:
    # A class on the stack is changed itself (`state`), and INST and OBJ without arguments may call.
    alike = said == kind or {said, kind} == {"call", "new"}
    return alike and (of == name or of == "?" or "?" in of.split("."))


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


TEXTS = ["os", "system", "builtins", "eval", "a.b", "copyreg", "_reconstructor", "__newobj__", "x"]
PIECES = st.one_of(
    st.sampled_from(
        [
            b"(",
            b")",
            b"]",
            b"}",
            b"N",
            b"K\x01",
            b"\x88",
            b"0",
            b"1",
            b"2",
            b"t",
            b"l",
            b"d",
            b"\x85",
            b"\x86",
        ]
    ),
    st.sampled_from(
        [b"\x87", b"a", b"e", b"s", b"u", b"R", b"\x81", b"\x92", b"b", b"o", b"\x93", b"\x94", b"."]
    ),
    st.sampled_from(
        [b"\x8f", b"\x90", b"\x91", b"\x97", b"\x98", b"\x80\x04", b"Q", b"Pid\n", b"I01\n", b"F1\n"]
    ),
    st.sampled_from([b"R", b"\x81", b"b", b"o", b"\x93", b"(", b")", b"}", b"\x94"]),
    st.sampled_from(
        [b"ios\nsystem\n", b"cos\nsystem\n", b"cbuiltins\neval\n", b"ccopyreg\n_reconstructor\n"]
    ),
    st.builds(lambda n: b"h" + bytes([n]), st.integers(0, 5)),
    st.builds(lambda n: b"q" + bytes([n]), st.integers(0, 5)),
    st.builds(lambda n: f"p{n}\n".encode(), st.integers(0, 5)),
    st.builds(lambda n: f"g{n}\n".encode(), st.integers(0, 5)),
    st.builds(lambda n: b"r" + n.to_bytes(4, "little"), st.integers(0, 9)),
    st.builds(short, st.sampled_from(TEXTS)),
    st.builds(lambda t: f"V{t}\n".encode(), st.sampled_from(TEXTS)),
    st.builds(lambda t: f"S'{t}'\n".encode(), st.sampled_from(TEXTS)),
    st.builds(lambda t: b"X" + len(t).to_bytes(4, "little") + t.encode(), st.sampled_from(TEXTS)),
    # Whole gestures, so that calls happen often enough.
    st.builds(lambda m, n: short(m) + short(n) + b"\x93", st.sampled_from(TEXTS), st.sampled_from(TEXTS)),
    st.sampled_from([b"cos\nsystem\n)R", b"cos\nsystem\n)\x81", b"cos\nsystem\n)}\x92", b"(cos\nsystem\no"]),
    st.sampled_from(
        [b"cos\nsystem\n(NtR", b"(Nios\nsystem\n", b"}b", b"Nb", b"(NNu", b"Na", b"(NNe", b"(N\x90"]
    ),
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=24), st.sampled_from([b"", b"\x80\x02", b"\x80\x04"]))
def test_whatever_the_unpicklers_do_is_reported(pieces: list[bytes], start: bytes) -> None:
    data = start + b"".join(pieces) + b"."
    for shortcuts in (True, False):
        ours = reported(data, shortcuts=shortcuts)
        for loader in (pickle._Unpickler, pickle.Unpickler):
            assert not covered(loaded(loader, data), ours), data


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=60), st.sampled_from([b"", b"\x80\x02", b"\x80\x04cos\nsystem\n\x94("]))
def test_they_agree_on_any_bytes(data: bytes, start: bytes) -> None:
    ours = reported(start + data, shortcuts=True)
    for loader in (pickle._Unpickler, pickle.Unpickler):
        assert not covered(loaded(loader, start + data), ours), start + data


@pytest.mark.parametrize(
    "number",
    [
        b"I 1\n",
        b"I+1\n",
        b"I0x1f\n",
        b"I1_0\n",
        b"L1L\n",
        b"L-1\n",
        b"F1e5\n",
        b"F nan\n",
        b"F-inf\n",
        b"I1\r\n",
        b"F.5\n",
    ],
)
def test_numbers_that_a_loader_takes_are_taken(number: bytes) -> None:
    data = number + b"0cos\nsystem\n(tR."
    for loader in (pickle._Unpickler, pickle.Unpickler):
        assert not covered(loaded(loader, data), reported(data, shortcuts=True)), data


@pytest.mark.parametrize(
    "index",
    [b"p0\ng0\n", b"p 0\ng0\n", b"p0 \ng0\n", b"p+0\ng0\n", b"p00\ng0\n", b"p1_0\ng10\n", b"p0\r\ng0\n"],
)
def test_memo_indices_that_a_loader_takes_lead_no_one_astray(index: bytes) -> None:
    data = b"cos\nsystem\n" + index + b"(tR."
    ours = reported(data, shortcuts=True)
    for loader in (pickle._Unpickler, pickle.Unpickler):
        missed = covered(loaded(loader, data), ours)
        # Where we give up, the stream is refused as malformed: what ran before has been said.
        assert not missed or ours == [("import", "os.system")]
