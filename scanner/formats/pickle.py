"""Pickle streams, joblib's arrays among them: what loading them would import and call."""

from __future__ import annotations

import _compat_pickle
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import takewhile
from typing import Any

from scanner.data.capabilities import capability
from scanner.errors import BudgetExceeded, FormatError
from scanner.inspection import Child, Format, Head, Note, Read
from scanner.model import Check, Coverage, Facts, Finding, Gap, Location, Rule, Severity, Tensor
from scanner.reader import Budget, BytesReader, Cursor, Reader, Window
from scanner.wire.pickle import Machine
from scanner.wire.pickle_values import Blob, Event, Global, Result, Table, show
from scanner.wire.torch_pickle import has_legacy_magic

_REMEDY = "Do not load the file. Ask its publisher for the weights as safetensors."
DANGEROUS = Rule(
    id="pickle/dangerous-callable",
    title="Loading this reaches a dangerous callable",
    severity=Severity.CRITICAL,
    check=Check.CODE_EXECUTION,
    finds="A callable that executes code, imports, resolves names, changes the interpreter, loads native "
    "code, or touches files or the network.",
    why="Whoever loads the file runs it, before the first weight is seen.",
    remedy=_REMEDY,
    example="`cposix\\nsystem\\n` with the argument `true`.",
    limits="The list of dangerous callables is reviewed by hand; what it lacks is reported as unknown.",
    references=("CWE-502", "CVE-2025-1716", "CVE-2025-10157", "GHSA-vvpj-8cmc-gx39"),
)
UNKNOWN = Rule(
    id="pickle/unknown-callable",
    title="Loading this reaches a callable that nobody vouches for",
    severity=Severity.HIGH,
    check=Check.CODE_EXECUTION,
    finds="A callable that is neither known to be safe nor known to be dangerous.",
    why="Importing it runs its module, and calling it runs whatever it does.",
    remedy=_REMEDY,
    example="`cmypackage\\nrestore\\n`",
    limits="The known-safe list covers common constructors of the standard library, torch, numpy, scipy "
    "and scikit-learn.",
    references=("CWE-502",),
)
PRESENT = Rule(
    id="pickle/present",
    title="The file is a pickle",
    severity=Severity.MEDIUM,
    check=Check.CODE_EXECUTION,
    finds="A pickle stream.",
    why="The format can carry code: where this version does not, the next one may.",
    remedy="Prefer safetensors.",
    example="Any file written by `pickle.dump`.",
    references=("CWE-502",),
)
MALFORMED = Rule(
    id="pickle/malformed",
    title="The pickle breaks off in the middle",
    severity=Severity.HIGH,
    check=Check.EVASION,
    finds="A stream that starts as a pickle and then holds what no pickle holds.",
    why="What stands before the fault has run by the time a loader notices it.",
    remedy=_REMEDY,
    example="A payload followed by an invalid opcode, as in the nullifAI samples of 2025.",
    references=("CWE-502", "GHSA-9gvj-pp9x-gcfr"),
)
TRAILING = Rule(
    id="pickle/trailing-data",
    title="Something lies behind the pickle",
    severity=Severity.MEDIUM,
    check=Check.HIDDEN_PAYLOAD,
    finds="Bytes behind the last STOP that are no pickle.",
    why="A loader that reads the pickle ignores them; another program may run them.",
    remedy="Refuse the file unless its publisher explains the bytes. They were inspected on their own.",
    example="A zip archive appended to a pickle.",
    references=("CWE-646",),
)
_STREAMS = 10_000
_CONTROL = frozenset({*range(32), 127} - {9, 10, 13})
# Names that an import can find; `?` stands for one that is computed while loading.
_IMPORTABLE = re.compile(r"[\w.+?-]+")
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


def _spellings(found: Global) -> set[str]:
    """The name as written and as ``fix_imports`` rewrites it for protocols 0 to 2."""
    pair = _compat_pickle.NAME_MAPPING.get((found.module, found.name))
    module, name = pair or (_compat_pickle.IMPORT_MAPPING.get(found.module, found.module), found.name)
    return {str(found), f"{module}.{name}"}


def classify(found: Global) -> str:
    """``safe``, ``unknown`` or a capability such as ``executes``.

    Protocols 0 to 2 rewrite names: both spellings name one object, so one that is known is enough.
    """
    known = sorted({capability(text) for text in _spellings(found)} - {"unknown"})
    return "unknown" if not known else known[0] if "safe" not in known else "safe"


def _matches(head: Head) -> bool:
    data = head.data
    if has_legacy_magic(data):  # the stream that torch wrote before 1.6: `pytorch-legacy` reads it
        return False
    if data[:1] == b"\x80":
        return len(data) > 2 and data[1] <= 5 and not _is_length(data)
    if not data or data[0] not in b"c(]}iVSIFLNl)\x8c\x93XU\x95":
        return False
    # Protocols 0 and 1 have no magic: the bytes have to run as a pickle, up to its STOP at the end of the
    # file, or with an import on the way.
    seen: list[Event] = []
    try:
        machine = Machine(Cursor(BytesReader(data), Budget()), Budget(items=4096))
        seen.extend(machine.run())
    except FormatError as error:
        return _acts(seen, head, error.offset)
    except BudgetExceeded:
        return _acts(seen, head, None)
    return len(seen) > 1 or (len(data) > 2 and head.size <= len(data))


def _acts(seen: list[Event], head: Head, broken: int | None) -> bool:
    """Whether what ran before the head broke off is a pickle's doing, or a text that happens to begin alike.

    Many texts begin with a letter that is an opcode: `category,label` would be an import. A loader gets no
    further than a name that cannot be imported, so that what would follow it is not done.
    """
    names = [e.target for e in seen if e.kind == "import" and isinstance(e.target, Global)]
    calls = any(event.kind == "call" and event.target is not None for event in seen)
    if not _is_text(head.data):
        return calls or (bool(names) and head.size > len(head.data))
    reached = list(takewhile(lambda name: _IMPORTABLE.fullmatch(f"{name.module}.{name.name}"), names))
    if any(classify(name) != "unknown" for name in reached):
        return True
    # Nobody knows the names: then the rest has to be a pickle as well, up to a line that the head cuts.
    goes_on = head.size > len(head.data) and (broken is None or b"\n" not in head.data[broken:])
    return bool(reached) and len(reached) == len(names) and (calls or goes_on)


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(data) - 3:  # the head may cut a character
            return False
    return _CONTROL.isdisjoint(data)


def _is_length(data: bytes) -> bool:
    """Whether these are the length of a safetensors header that only begins like a pickle (128, 384 …).

    Only where they break off as a pickle within those eight bytes, so that nothing can hide behind them.
    """
    if data[4:8] != bytes(4) or data[8:9] not in {b"{", b" ", b"\t", b"\r", b"\n"}:
        return False
    try:
        # With a line end, so that a text that runs on behind the head is no malformation.
        for _ in Machine(Cursor(BytesReader(data + b"\n"), Budget()), Budget(items=4096)).run():
            return False
    except FormatError as error:
        return error.offset is not None and error.offset < 8
    except BudgetExceeded:
        return False
    return False


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
    matches=_matches,
    inspect=_inspect,
    rules=(DANGEROUS, UNKNOWN, PRESENT, MALFORMED, TRAILING),
    suffixes=(".pkl", ".pickle", ".joblib"),
    within=("text",),
    spec="CPython Lib/pickletools.py",
)
