"""Pickle streams, joblib's arrays among them: what loading them would import and call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from scanner.errors import FormatError
from scanner.formats.pickle.callables import classify
from scanner.formats.pickle.recognition import has_magic, is_importable, matches, suspects
from scanner.formats.pickle.rules import DANGEROUS, MALFORMED, PRESENT, RULES, TRAILING, UNKNOWN
from scanner.inspection import Child, Format, Note, Read
from scanner.model import Coverage, Facts, Finding, Gap, Location, Tensor
from scanner.reader import Budget, BytesReader, Cursor, Reader, Window
from scanner.wire.pickle import Machine
from scanner.wire.pickle_values import Blob, Event, Global, Result, Table, show

_STREAMS = 10_000
_NAMES = 10_000
_WRAPPERS = (
    "joblib.numpy_pickle.NumpyArrayWrapper",
    "sklearn.externals.joblib.numpy_pickle.NumpyArrayWrapper",
)
# Known-safe callables whose arguments tell something: where an array's bytes follow, what a tensor is.
_WATCHED = frozenset({*_WRAPPERS, "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"})
_STORAGES = {
    "FloatStorage": "f32", "HalfStorage": "f16", "BFloat16Storage": "bf16", "DoubleStorage": "f64",
    "LongStorage": "i64", "IntStorage": "i32", "ShortStorage": "i16", "CharStorage": "i8",
    "ByteStorage": "u8", "BoolStorage": "bool", "ComplexFloatStorage": "c64", "ComplexDoubleStorage": "c128",
}  # fmt: skip


def _module_of(target: Any) -> Any:
    """What torch's loaders make of a persistent id that names a class: that class.

    Before 1.6 whole modules were written so (torch/serialization.py, ``persistent_load``).
    """
    if isinstance(target, Result) and target.of is None and len(target.arguments) == 1:
        named = target.arguments[0]
        if isinstance(named, tuple) and named[:1] == ("module",) and len(named) > 1:
            return named[1]
    return target


class _Stream:
    """The judgement of everything that one file's pickles do."""

    def __init__(self, reader: Reader, budget: Budget, where: Location) -> None:
        self._reader = reader
        self._where = where
        self._budget = budget
        self._classes: dict[Global, str] = {}
        self._dropped = False
        self.certain = has_magic(reader.read_at(0, 3))
        """Whether this is a pickle even where it breaks off before it has done anything."""
        self.cursor = Cursor(reader, budget)
        self.entry_points: dict[str, None] = {}
        self.tensors: list[Tensor] = []
        self.protocol = 0
        self.joblib = False
        self.events = 0

    def run(self, depth: int = 0) -> Iterator[Note]:
        """One pickle, with the arrays and pickles that joblib puts between its opcodes."""
        self._budget.check_depth(depth)
        machine = Machine(self.cursor, self._budget)
        self.events = 0
        for event in machine.run():
            if event.kind == "import" and not self.certain and not is_importable(event.target):
                raise FormatError("no module can have this name", event.offset)
            self.events += event.kind != "stop"
            self.protocol = max(self.protocol, machine.protocol)
            if event.kind == "import":
                yield from self._judge(event, f"loading imports {show(event.target)}", "import")
                if self._class_of(event.target) == "safe" and str(event.target) not in _WATCHED:
                    machine.quiet.add(event.target)
            elif event.kind == "call":
                yield from self._call(event)
            elif event.kind == "build":
                yield from self._build(event, depth)
            elif event.kind == "set":
                self._set(event)
        self.protocol = max(self.protocol, machine.protocol)

    def _class_of(self, found: Global) -> str:
        if found not in self._classes:
            if len(self._classes) >= _NAMES:
                return "unknown"
            self._classes[found] = classify(found)
        return self._classes[found]

    def _judge(self, event: Event, message: str, use: str) -> Iterator[Note]:
        found = event.target
        verdict = self._class_of(found)
        if verdict == "safe":
            return
        name = show(found)
        if len(self.entry_points) >= _NAMES and name not in self.entry_points:
            if not self._dropped:
                self._dropped = True
                yield Gap(self._where.at(event.offset), f"more than {_NAMES} different callables")
            return
        self.entry_points[name] = None
        rule = UNKNOWN if verdict == "unknown" else DANGEROUS
        evidence = (("callable", name), ("use", use), ("capability", verdict))
        yield Finding(rule, self._where.at(event.offset), message, evidence=evidence)

    def _call(self, event: Event) -> Iterator[Note]:
        found = _module_of(event.target)
        if isinstance(found, Global):
            yield from self._judge(
                replace(event, target=found), f"loading calls {show(found)}{show(event.value)}", "call"
            )
            if self._class_of(found) != "safe":
                yield from self._nested(found, event.value)
            return
        name = f"{show(found)}()" if isinstance(found, Result) and found.of else "?"
        message = f"loading calls what another call returned: {name}{show(event.value)}"
        evidence = (("callable", name), ("use", "call"), ("capability", "unknown"))
        yield Finding(UNKNOWN, self._where.at(event.offset), message, evidence=evidence)

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
                first = window.read_at(0, 2)
                if loads or (first[:1] == b"\x80" and first[1:] <= b"\x05"):
                    yield Child(f"bytes at {value.offset}", window, read_as="pickle")
            elif isinstance(value, str) and loads:
                raw = value.encode("latin-1", "replace")
                yield Child("text argument", BytesReader(raw), read_as="pickle")

    def _build(self, event: Event, depth: int) -> Iterator[Note]:
        target = event.target
        if isinstance(target, Global):
            # modelscan issue 330: BUILD on an imported object rewrites its attributes.
            message = f"loading changes attributes of {show(target)}"
            evidence = (("callable", show(target)), ("use", "build"), ("capability", "mutates-interpreter"))
            yield Finding(DANGEROUS, self._where.at(event.offset), message, evidence=evidence)
        elif isinstance(target, Result) and str(target.of) in _WRAPPERS and isinstance(event.value, Table):
            self.joblib = True
            yield from self._array(event.value.items, depth)

    def _array(self, state: dict[str, Any], depth: int) -> Iterator[Note]:
        """Skip the numbers that joblib writes between the opcodes (joblib/numpy_pickle.py, read_array)."""
        dtype, shape = state.get("dtype"), state.get("shape")
        code = dtype.arguments[0] if isinstance(dtype, Result) and dtype.arguments else None
        if not isinstance(code, str) or not isinstance(shape, tuple):
            raise FormatError("an array of unknown type or shape", self.cursor.position)
        if code.startswith("O"):
            yield from self.run(depth + 1)
            return
        digits = code.lstrip("<>|=")[1:]
        if not digits.isdigit() or len(digits) > 9 or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise FormatError("an array of unknown type or shape", self.cursor.position)
        length = int(digits) * (4 if code.lstrip("<>|=")[0] == "U" else 1)
        for extent in shape:
            length *= extent
        if state.get("numpy_array_alignment_bytes") is not None:
            self.cursor.skip(self.cursor.u8())
        self.cursor.skip(length)

    def _set(self, event: Event) -> None:
        result = event.value
        if str(result.of) == "torch._utils._rebuild_parameter" and result.arguments:
            result = result.arguments[0]
        if not isinstance(result, Result) or str(result.of) != "torch._utils._rebuild_tensor_v2":
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
    name = "joblib" if stream.joblib else "pickle"
    yield Facts(name, str(stream.protocol), tuple(stream.tensors), entry_points=tuple(stream.entry_points))
    yield Read(Coverage.STRUCTURE)


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
