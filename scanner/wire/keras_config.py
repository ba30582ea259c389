"""Serialised Keras objects in JSON: what a loader would look up, unmarshal, unpickle or open.

Follows ``deserialize_keras_object`` of keras/src/saving/serialization_lib.py (Keras 3), of
keras/src/legacy/saving/serialization.py (Keras 2 and ``.h5``), and the ``from_config`` of the layers
that go further. An object is a table with ``class_name`` and ``config``; every table of a document is
looked at, wherever it stands, and every value of a repeated key.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from scanner.errors import FormatError
from scanner.wire import json

# Stand for values, not for code (serialization_lib.py; keras/saving/legacy/saved_model/json_utils.py).
_VALUES = frozenset((
    "__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__tuple__",
    "TensorShape", "NDArray",
))  # fmt: skip
_SYMBOLS = {
    "TFOpLambda": "function", "SlicingOpLambda": "function", "ClassMethod": "cls_symbol",
    "TensorFlowOpLayer": "node_def",
}  # fmt: skip
_PLACES = {"TFSMLayer": "filepath", "KerasLayer": "handle"}
_FILES = frozenset(
    ("vocabulary", "vocab_file", "vocabulary_file", "vocabulary_path", "merges", "idf_weights")
)
_OBJECT = re.compile(rb'"class_name"\s*:\s*"')
_PARTS = re.compile(rb'"(?:config|module|registered_name)"\s*:')
_LAMBDA_PARTS = ("function", "output_shape", "mask")
_READINGS = 4
"""How many values of one repeated key are combined with those of another."""


@dataclass(frozen=True, slots=True)
class Mention:
    """One thing that a configuration makes a loader do."""

    kind: str
    """``class``, ``function``, ``type``: looked up by module and name; ``tensorflow``, ``operation``: by
    name; ``code``: marshalled byte code; ``pickle``: bytes for ``torch.load``; ``model``: the place of a
    SavedModel; ``file``: a file that a layer reads; ``repeated``: a key with too many values."""
    name: str
    """Of the object, or the text of a place."""
    table: dict[str, Any]
    """The table in which it stands."""
    key: str
    module: str = ""
    registered: str = ""
    owner: str = ""
    """Class of the object to which it belongs."""
    data: bytes = b""


def shows(data: bytes) -> bool:
    """Whether the beginning of a JSON text has the keys of a serialised object."""
    if b'"class_name"' not in data:
        return False
    return _OBJECT.search(data) is not None and _PARTS.search(data) is not None


def mentions(document: json.Document) -> Iterator[Mention]:
    """Everything that the objects of a document mention, in file order of the tables' ends."""
    for table in document.tables:
        if "class_name" in table and "config" in table:
            for name in json.every(table, "class_name"):
                if isinstance(name, str):
                    yield from _object(table, name)


def _texts(table: dict[str, Any], key: str) -> list[str]:
    return [value for value in json.every(table, key) if isinstance(value, str)]


def _object(table: dict[str, Any], name: str) -> Iterator[Mention]:
    configs = json.every(table, "config")
    if name in _VALUES:
        return
    if name == "__lambda__":
        yield from (mention for config in configs for mention in _marshalled(table, "config", config, name))
        return
    modules, registered = (_texts(table, key) or [""] for key in ("module", "registered_name"))
    names = [name]
    kind = "class"
    if name == "function":
        kind, names = "function", [config for config in configs if isinstance(config, str)]
    elif name in {"__typespec__", "TypeSpec"}:
        kind, names = "type", [*_texts(table, "spec_name"), *_texts(table, "type_spec")]
    if max(map(len, (configs, modules, registered))) > _READINGS:
        yield Mention("repeated", name, table, "class_name")
    # The last of each comes first, then the first: the readings of consistent parsers are among them.
    for found, module, own in product(names[:_READINGS], modules[:_READINGS], registered[:_READINGS]):
        yield Mention(kind, found, table, "class_name" if kind == "class" else "config", module, own)
    last = name.rpartition(">")[2].rpartition(".")[2]
    for config in configs:
        if isinstance(config, dict):
            yield from _arguments(config, last)


def _arguments(config: dict[str, Any], owner: str) -> Iterator[Mention]:
    """Mentions in the arguments of one object, beyond the objects among them."""
    for key in _FILES.intersection(config):
        for text in _texts(config, key):
            yield Mention("file", text, config, key, owner=owner)
    if owner == "Lambda":
        for key in _LAMBDA_PARTS:
            for value in json.every(config, key):
                yield from _function(config, key, value)
    elif owner == "TorchModuleWrapper":
        for text in _texts(config, "module"):
            yield Mention("pickle", owner, config, "module", owner=owner, data=_decoded(text))
    elif owner in _PLACES:
        for text in _texts(config, _PLACES[owner]):
            yield Mention("model", text, config, _PLACES[owner], owner=owner)
    elif owner in _SYMBOLS:
        yield from _symbols(config, owner)


def _symbols(config: dict[str, Any], owner: str) -> Iterator[Mention]:
    """Functions and operations of TensorFlow that a layer calls (keras/src/layers/core/tf_op_layer.py)."""
    key = _SYMBOLS[owner]
    methods = _texts(config, "method_name")
    if owner == "ClassMethod" and max(len(methods), len(_texts(config, key))) > _READINGS:
        yield Mention("repeated", owner, config, key, owner=owner)
    for text in _texts(config, key)[: _READINGS if owner == "ClassMethod" else None]:
        if owner == "ClassMethod":
            for method in methods[:_READINGS]:
                yield Mention("tensorflow", f"{text}.{method}", config, key, owner=owner)
        elif owner == "TensorFlowOpLayer":
            for operation in _operations(text):
                yield Mention("operation", operation, config, key, owner=owner)
        else:
            yield Mention("tensorflow", text, config, key, owner=owner)


def _function(config: dict[str, Any], key: str, value: Any) -> Iterator[Mention]:
    """The function of a ``Lambda`` as Keras 1 and 2 write it; that of Keras 3 is a table of its own.

    Code is ``[code, defaults, closure]``; a function is its name.
    """
    if isinstance(value, dict) and "class_name" in value:
        for items in json.every(value, "items"):
            yield from _function(config, key, items)
    elif isinstance(value, list) and value and isinstance(value[0], str):
        yield from _marshalled(config, key, {"code": value[0]}, "Lambda")
    elif isinstance(value, str):
        if "lambda" in json.every(config, f"{key}_type"):
            yield from _marshalled(config, key, {"code": value}, "Lambda")
        elif key == "function":
            yield Mention("function", value, config, key, owner="Lambda")


def _marshalled(table: dict[str, Any], key: str, config: Any, owner: str) -> Iterator[Mention]:
    codes: list[Any] = [config]
    if isinstance(config, dict):
        codes = [found for name in ("code", "value") for found in json.every(config, name)]
    for code in codes:
        text = code[0] if isinstance(code, list) and code else code
        if isinstance(text, str):
            yield Mention("code", owner, table, key, owner=owner, data=_decoded(text))


def _decoded(text: str) -> bytes:
    """Base64 as ``codecs.decode(…, "base64")`` takes it; the text itself where it is none (``func_load``)."""
    raw = text.encode("latin-1", "replace")
    try:
        return binascii.a2b_base64(raw)
    except binascii.Error:
        return raw


def _operations(text: str) -> list[str]:
    """Operations of a graph's node, written as JSON or, by older versions, as the protocol buffer itself."""
    try:
        document = json.parse(text.encode("utf-8", "replace"))
    except FormatError:
        return ["?"]
    return [op for table in document.tables for op in _texts(table, "op")] or ["?"]
