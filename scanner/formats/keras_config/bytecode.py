"""The names in marshalled Python functions; the code is read, never unmarshalled by Python."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from scanner.errors import FormatError
from scanner.wire import json
from scanner.wire.marshalled import names_in

_SHOWN = 80
# Names that stand for nothing else wherever a function uses them. Modules with names such as `io`, `code` or
# `signal` are not among them: TensorFlow and Keras have parts of these names.
_TELLING = {
    **dict.fromkeys(
        ("eval", "exec", "compile", "execfile", "__builtins__", "__subclasses__", "__globals__", "os",
         "posix", "subprocess", "system", "popen", "Popen", "check_output", "execv", "execve", "fork", "pty",
         "runpy", "pickle", "marshal", "dill", "cloudpickle", "py_function", "py_func", "numpy_function",
         "load_model"),
        "executes",
    ),
    **dict.fromkeys(("__import__", "importlib", "import_module"), "imports"),
    **dict.fromkeys(("ctypes", "CDLL", "load_op_library", "load_library"), "loads-native"),
    **dict.fromkeys(
        ("socket", "urllib", "urllib2", "requests", "httpx", "urlopen", "urlretrieve", "get_file", "ftplib",
         "smtplib"),
        "network",
    ),
    **dict.fromkeys(("open", "gfile", "write_file", "read_file", "shutil", "tempfile"), "touches-files"),
    "enable_unsafe_deserialization": "mutates-interpreter",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """What a piece of byte code names."""

    names: tuple[str, ...]
    dangerous: tuple[tuple[str, str], ...]
    """Name and what it does."""
    digest: str
    readable: bool


def judge_code(data: bytes) -> Judged:
    """Which names a function's byte code uses, and which of them reach further."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    try:
        found = names_in(data)
    except FormatError:
        return Judged((), (), digest, readable=False)
    names = tuple(dict.fromkeys(json.shown(name, _SHOWN) for name in found))
    dangerous = tuple((name, _TELLING[name]) for name in sorted(names) if name in _TELLING)
    return Judged(names, dangerous, digest, readable=True)
