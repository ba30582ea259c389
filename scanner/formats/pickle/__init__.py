"""Pickle streams, joblib's arrays among them: what loading them would import and call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from scanner.errors import FormatError
from scanner.formats.pickle.arrays import WRAPPERS, is_pickled
from scanner.formats.pickle.callables import applied, classify, uses
from scanner.formats.pickle.recognition import has_magic, is_importable, matches, suspects
from scanner.formats.pickle.rules import DANGEROUS, MALFORMED, PRESENT, RULES, TRAILING, UNKNOWN
from scanner.inspection import Child, Format, Note, Read
from scanner.model import Coverage, Facts, Finding, Gap, Location, Tensor
from scanner.reader import Budget, BytesReader, Cursor, Reader, Window
from scanner.wire.pickle import Machine
from scanner.wire.pickle_values import Blob, Event, Forgotten, Global, Result, show
from scanner.wire.torch_pickle import has_legacy_magic

_ACTS = {
    "import": "imports", "call": "calls", "new": "makes an instance of", "items": "puts items into",
    "appends": "appends to", "state": "changes the state of",
}  # fmt: skip
_STREAMS = 10_000
_NAMES = 10_000
# Known-safe callables whose arguments tell something: where an array's bytes follow, what a tensor is.
_TENSOR = Global("torch._utils", "_rebuild_tensor_v2")
_PARAMETER = Global("torch._utils", "_rebuild_parameter")
_WATCHED = WRAPPERS | {_TENSOR, _PARAMETER}
_STORAGES = {
    "FloatStorage": "f32", "HalfStorage": "f16", "BFloat16Storage": "bf16", "DoubleStorage": "f64",
    "LongStorage": "i64", "IntStorage": "i32", "ShortStorage": "i16", "CharStorage": "i8",
    "ByteStorage": "u8", "BoolStorage": "bool", "ComplexFloatStorage": "c64", "ComplexDoubleStorage": "c128",
}  # fmt: skip


class _Stream:
    """The judgement of everything that one file's pickles do."""

    def __init__(self, reader: Reader, budget: Budget, where: Location, *, arrays: bool = True) -> None:
        self._reader = reader
        self._where = where
        self._budget = budget
        self._arrays = arrays
        self._classes: dict[Global, str] = {}
        self._dropped = False
        self.certain = has_magic(reader.read_at(0, 3))
        """Whether this is a pickle even where it breaks off before it has done anything."""
        self.cursor = Cursor(reader, budget)
        self.entry_points: dict[str, None] = {}
        self.tensors: list[Tensor] = []
        self.protocol = 0
        self.modules: set[str] = set()
        self.first_array: int | None = None
        """Where joblib's first array stands."""
        self.first_pickled = reader.size
        """Where the first of its arrays stands that is a pickle of its own."""
        self.events = 0

    def run(self, depth: int = 0) -> Iterator[Note]:
        """One pickle, with the arrays and pickles that joblib puts between its opcodes."""
        self._budget.check_depth(depth)
        machine = Machine(self.cursor, self._budget)
        self.events = 0
        for event in machine.run():
            found = event.target
            if event.kind == "import" and not self.certain and not is_importable(found):
                raise FormatError("no module can have this name", event.offset)
            self.events += event.kind not in {"stop", "persistent"}  # a loader of its own may know an id
            self.protocol = max(self.protocol, machine.protocol)
            if event.kind == "import":
                yield from self._judge(event, "import", found)
                self.modules.add(found.module)
                if self._class_of(found) == "safe":
                    machine.uses[found] = self._silent(found)
            elif event.kind in _ACTS:
                yield from self._act(event)
                if event.kind == "state" and isinstance(found, Result) and found.of in WRAPPERS:
                    yield from self._array(event.value, machine.frame_end, depth)
            elif event.kind == "set":
                self._set(event)
        self.protocol = max(self.protocol, machine.protocol)

    def _silent(self, found: Global) -> frozenset[str]:
        """What may be done with a safe name without an event, since nothing about it has to be known."""
        if found in WRAPPERS:
            return frozenset()
        calls = {"new", "call", "call-with-objects"} if found in _WATCHED or applied(found) else set()
        return (uses(found) - calls) | (frozenset() if found in _WATCHED else {"set"})

    def _class_of(self, found: Global) -> str:
        if found not in self._classes:
            if len(self._classes) >= _NAMES:
                return "unknown"
            known = classify(found)
            # TorchScript's own classes exist where an archive brings them; elsewhere it is any module.
            foreign = found.module.partition(".")[0] == "__torch__" and not self._where.members
            self._classes[found] = "unknown" if foreign and known == "safe" else known
        return self._classes[found]

    def _judge(self, event: Event, use: str, found: Global, *, unusual: bool = False) -> Iterator[Note]:
        """A name is looked up or used; a safe one is refused where no pickler uses it so."""
        verdict = self._class_of(found)
        if verdict == "safe":
            if use == "import" or not (unusual or uses(found).isdisjoint({use, f"{use}-with-objects"})):
                return
            verdict = "unusual-use"
        name = show(found)
        if len(self.entry_points) >= _NAMES and name not in self.entry_points:
            if not self._dropped:
                self._dropped = True
                yield Gap(self._where.at(event.offset), f"more than {_NAMES} different callables")
            return
        self.entry_points[name] = None
        rule = UNKNOWN if verdict in {"unknown", "unusual-use"} else DANGEROUS
        shown = f"{name}{show(event.value)}" if use in {"call", "new"} else name
        message = f"loading {_ACTS[use]} {shown}"
        if verdict == "unusual-use":
            message += ", as no pickler writes it"
        evidence = (("callable", name), ("use", use), ("capability", verdict))
        yield Finding(rule, self._where.at(event.offset), message, evidence=evidence)

    def _act(self, event: Event) -> Iterator[Note]:
        """Something is called, or an object is changed."""
        found, use = event.target, event.kind
        if use in {"call", "new"} and isinstance(found, Global):
            if self._class_of(found) == "safe":
                yield from self._applied(event, found)
            else:
                yield from self._nested(found, event.value)
            heard = found in _WATCHED or bool(applied(found))  # of any other safe one, what is unusual
            yield from self._judge(event, use, found, unusual=not heard)
        elif use == "state" and isinstance(found, Global):
            # modelscan issue 330: BUILD on an imported object rewrites its attributes.
            message = f"loading changes attributes of {show(found)}"
            evidence = (("callable", show(found)), ("use", use), ("capability", "mutates-interpreter"))
            yield Finding(DANGEROUS, self._where.at(event.offset), message, evidence=evidence)
        elif isinstance(found, Result) and found.of and self._is_settled(use, found.of):
            return
        elif isinstance(found, Global | Result | Forgotten):
            yield self._computed(event, found)

    def _is_settled(self, use: str, made_by: Global) -> bool:
        """Whether no more is to be said of a result: it was refused when it was made, or is an array."""
        return self._class_of(made_by) != "safe" or (use == "state" and made_by in WRAPPERS)

    def _applied(self, event: Event, found: Global) -> Iterator[Note]:
        """What a safe callable does with its arguments, where it calls one of them."""
        for position, use in applied(found):
            argument = event.value[position] if position < len(event.value) else None
            act = "call" if use == "call-with-objects" else use
            if isinstance(argument, Global):
                unusual = use == "call-with-objects" and use not in uses(argument)
                yield from self._judge(replace(event, value=()), act, argument, unusual=unusual)
            elif isinstance(argument, Result | Forgotten):
                yield self._computed(replace(event, kind=act), argument)

    def _computed(self, event: Event, found: Any) -> Finding:
        """What another call returned is called or changed, in a way that no pickler writes."""
        name = f"{show(found.of)}()" if isinstance(found, Result) and found.of else "?"
        name = show(found) if isinstance(found, Global) else name
        shown = f"{name}{show(event.value)}" if event.kind in {"call", "new"} else name
        message = f"loading {_ACTS[event.kind]} what another call returned: {shown}"
        evidence = (("callable", name), ("use", event.kind), ("capability", "unknown"))
        return Finding(UNKNOWN, self._where.at(event.offset), message, evidence=evidence)

    def _nested(self, found: Global, arguments: tuple[Any, ...]) -> Iterator[Child]:
        loads = "load" in found.name
        pending = list(arguments[:8])
        for _ in range(64):
            if not pending:
                return
            value = pending.pop(0)
            if isinstance(value, Result):
                pending += value.arguments[:8]
            elif isinstance(value, tuple):
                pending += value[:8]
            elif isinstance(value, Blob):
                window = Window(self._reader, value.offset, value.length)
                first = window.read_at(0, 64)
                if loads or has_magic(first):
                    # What torch.load knows by its beginning is more than one pickle.
                    of_torch = first.startswith(b"PK\x03\x04") or has_legacy_magic(first)
                    yield Child(f"bytes at {value.offset}", window, read_as="" if of_torch else "pickle")
            elif isinstance(value, str) and loads:
                raw = value.encode("latin-1", "replace")
                yield Child("text argument", BytesReader(raw), read_as="pickle")

    def _array(self, state: Any, frame_end: int, depth: int) -> Iterator[Note]:
        if not self._arrays:
            return
        place = self.cursor.position
        self.first_array = place if self.first_array is None else self.first_array
        if is_pickled(state, frame_end, self.cursor):
            self.first_pickled = min(self.first_pickled, place)
            yield from self.run(depth + 1)

    def _set(self, event: Event) -> None:
        result = event.value
        if result.of == _PARAMETER and result.arguments:
            result = result.arguments[0]
        if not isinstance(result, Result) or result.of != _TENSOR:
            return
        storage, shape = (*result.arguments, None, None, None)[0], (*result.arguments, None, None, None)[2]
        named = storage.arguments[0] if isinstance(storage, Result) and storage.arguments else None
        if not isinstance(named, tuple) or len(named) < 2 or not isinstance(named[1], Global):
            return
        if isinstance(shape, tuple) and all(isinstance(n, int) and n >= 0 for n in shape):
            self._budget.spend_bytes(256)
            dtype = _STORAGES.get(named[1].name, named[1].name.lower())
            self.tensors.append(Tensor(event.key, dtype, shape))


def _inspect(reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    stream = _Stream(reader, budget, where)
    start = 0
    complete = 0
    try:
        while complete < _STREAMS and (stream.cursor.left or not complete):
            start = stream.cursor.position
            yield from stream.run()
            complete += 1
    except FormatError as error:
        if not (complete or stream.events or stream.certain):
            raise  # a text, perhaps, that begins like a pickle
        if complete and not stream.events:
            message = f"{reader.size - start} bytes lie behind the pickle"
            yield Finding(TRAILING, where.at(start), message, evidence=(("offset", str(start)),))
            yield Child(f"bytes at {start}", Window(reader, start, reader.size - start))
        else:
            message = f"the stream breaks off: {error.reason}"
            evidence = (("reason", error.reason[:40]),)
            yield Finding(MALFORMED, where.at(error.offset), message, evidence=evidence)
            yield Gap(where.at(error.offset), message)
    else:
        if stream.cursor.left:
            yield Gap(where.at(stream.cursor.position), f"more than {_STREAMS} pickles in one stream")
    yield Finding(PRESENT, where, f"is a pickle of protocol {stream.protocol}")
    if stream.first_array is not None:
        yield from _without_arrays(stream, reader, budget, where)
    name = "pickle" if stream.first_array is None else "joblib"
    yield Facts(name, str(stream.protocol), tuple(stream.tensors), entry_points=tuple(stream.entry_points))
    yield Read(Coverage.STRUCTURE)


def _without_arrays(seen: _Stream, reader: Reader, budget: Budget, where: Location) -> Iterator[Note]:
    """What ``pickle.load`` makes of joblib's file: it takes the bytes of the first array for opcodes.

    A pickled array it reads with the memo of the stream around it, and stops behind it. There, names are
    put together from texts that were none, and most of them do not exist.
    """
    stream = _Stream(reader, budget, where, arrays=False)
    try:
        for note in stream.run():
            place = note.location.offset or 0 if isinstance(note, Finding) else 0
            if isinstance(note, Child):
                yield note
            elif isinstance(note, Finding) and place >= (seen.first_array or 0):
                name = dict(note.evidence)["callable"]
                mixed = note.rule is UNKNOWN or any(name.startswith(f"{module}.") for module in seen.modules)
                if place < seen.first_pickled or not mixed:
                    yield note
    except FormatError:
        return  # as it should be: numbers are no opcodes


FORMAT = Format(
    name="pickle",
    title="pickle",
    matches=matches,
    suspects=suspects,
    inspect=_inspect,
    rules=RULES,
    suffixes=(".pkl", ".pickle", ".joblib"),
    within=("text",),
    spec="CPython Lib/pickletools.py",
)
