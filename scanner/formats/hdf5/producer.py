"""What the attributes of the root group say about who wrote the file."""

from __future__ import annotations

from scanner.model import Claim, Claimed, Tensor
from scanner.wire import json

_LIBRARIES = {"keras_version": "keras", "pandas_version": "pandas", "h5py_version": "h5py"}
_PRODUCERS = {"PYTABLES_FORMAT_VERSION": "PyTables", "_NCProperties": "netCDF", "creator": "", "Creator": ""}
# Groups of a Keras file (legacy_h5_format.py; saving_lib.py, _save_state).
_WEIGHTS = ("/model_weights/", "/layers/", "/_layer_checkpoint_dependencies/")
_OPTIMISER = ("/optimizer_weights/", "/optimizer/", "/metrics/")


def claims(attributes: dict[str, str]) -> tuple[Claim, ...]:
    """Claims that the root's texts make; the pointer is the attribute's name."""
    found = []
    for name, library in _LIBRARIES.items():
        if attributes.get(name):
            found.append(Claim(Claimed.LIBRARY, f"{library} {json.shown(attributes[name], 80)}", name))
    for name, producer in _PRODUCERS.items():
        if attributes.get(name):
            found.append(
                Claim(Claimed.PRODUCER, f"{producer} {json.shown(attributes[name], 80)}".strip(), name)
            )
    if attributes.get("encoding-type") == "anndata":
        version = json.shown(attributes.get("encoding-version", ""), 80)
        found.append(Claim(Claimed.PRODUCER, f"anndata {version}".strip(), "encoding-type"))
    return tuple(found)


def parameters(tensors: list[Tensor]) -> tuple[tuple[Tensor, ...], int]:
    """The tensors without what an optimiser keeps beside a Keras model's weights, and how many those are."""
    if not any(tensor.name.startswith(_WEIGHTS) for tensor in tensors):
        return tuple(tensors), 0
    kept = tuple(tensor for tensor in tensors if not tensor.name.startswith(_OPTIMISER))
    return kept, len(tensors) - len(kept)
