"""What h5py and Keras write and see, as small files: `python tests/oracles/make_hdf5.py` where both are.

Run with KERAS_BACKEND=jax; written with h5py 3.16 (HDF5 2.0) and Keras 3.15.1. The results are committed:
the development environment has neither library.
"""

from __future__ import annotations

import json
import lzma
import pickle
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import keras
import numpy as np
from keras import layers

HERE = Path(__file__).parent / "hdf5"
_OPTIONS = {
    "earliest": {},
    "latest": {"libver": "latest"},
    "v108": {"libver": ("v108", "v108")},
    "userblock": {"userblock_size": 512},
    "userblock-latest": {"userblock_size": 1024, "libver": "latest"},
    "ordered": {"track_order": True},
    "paged": {"fs_strategy": "page"},
}


def _everything(path: Path, options: dict) -> None:
    with h5py.File(path, "w", **options) as file:
        group = file.create_group("g")
        for index in range(40):
            group.create_dataset(f"d{index}", data=np.arange(6, dtype="f4").reshape(2, 3))
        for index in range(30):
            group.attrs[f"a{index}"] = f"value {index}"
        file.attrs["fixed"] = np.bytes_(b"fixed text")
        file.attrs["array"] = np.array(["a", "bb"], dtype="S4")
        file.attrs["texts"] = ["x", "yy"]
        file["soft"] = h5py.SoftLink("/g/d1")
        file["external"] = h5py.ExternalLink("../other.h5", "/x")
        file.create_dataset(
            "chunked", data=np.zeros((100, 100)), chunks=(10, 10), compression="gzip", shuffle=True
        )
        file.create_dataset("compound", data=np.zeros(3, dtype=[("a", "i4"), ("b", "f8", (2,)), ("c", "S3")]))
        file.create_dataset("complex", data=np.zeros(3, dtype="c8"))
        file.create_dataset("bool", data=np.zeros(3, dtype=bool))
        file.create_dataset("void", data=np.void(pickle.dumps({"a": 1})))
        file.create_dataset("u8", data=np.frombuffer(pickle.dumps({"a": 1}), dtype="u1"))
        file.create_dataset("strings", data=["abc", "de"], dtype=h5py.string_dtype())
        objects = file.create_dataset(
            "objects", (2,), dtype=h5py.vlen_dtype("u1"), chunks=(2,), maxshape=(None,)
        )
        objects[0] = np.frombuffer(pickle.dumps([1]), dtype="u1")
        file.create_dataset("elsewhere", (10,), dtype="u1", external=[("/etc/hostname", 0, 10)])
        if options.get("libver") != ("v108", "v108"):
            layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
            layout[:2] = h5py.VirtualSource("one.h5", "data", shape=(2,))
            layout[2:] = h5py.VirtualSource("two.h5", "data", shape=(2,))
            file.create_virtual_dataset("virtual", layout)
        file["type"] = np.dtype("f8")
        file.create_dataset("committed", (2,), dtype=file["type"])
        file.create_dataset("enum", data=[0, 1], dtype=h5py.enum_dtype({"A": 0, "B": 1}, basetype="i1"))
        file.create_dataset("reference", data=[file.ref], dtype=h5py.ref_dtype)
        file.attrs.create("shared", 1.5, dtype=file["type"])


def _large(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        for index in range(1500):
            file.create_dataset(f"ds{index}", data=np.float32(index))
        file.attrs["huge"] = np.bytes_(b"x" * 100_000)
        for index in range(300):
            file.attrs[f"long{index}"] = np.bytes_(b"%d" % index * 300)


def _seen(path: Path) -> dict[str, list]:
    seen = {}
    with h5py.File(path) as file:

        def visit(name: str, found) -> None:
            place = None
            if isinstance(found, h5py.Dataset):
                # Where nothing was written, HDF5 adds the user block to the undefined address.
                place = [list(found.shape), found.id.get_offset() if found.id.get_storage_size() else None]
            seen[f"/{name}"] = place, sorted(found.attrs)

        seen[""] = None, sorted(file.attrs)
        file.visititems(visit)
    return seen


@keras.saving.register_keras_serializable(package="mine")
class Mine(layers.Layer):
    def call(self, inputs):
        return inputs


def _models():
    wire = keras.Input((8,))
    hidden = layers.BatchNormalization()(layers.Dense(4, activation="relu", kernel_regularizer="l2")(wire))
    dense = keras.Model(wire, layers.Dense(1, activation=keras.activations.sigmoid)(hidden))
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    dense.compile(keras.optimizers.Adam(schedule), "mse", metrics=["mae", keras.metrics.AUC()])
    dense.fit(np.zeros((4, 8)), np.zeros((4, 1)), verbose=0)
    yield "dense", dense
    image = [keras.Input((8, 8, 1)), layers.Rescaling(1 / 255), layers.RandomFlip(), layers.Conv2D(4, 3)]
    yield "image", keras.Sequential([*image, layers.MaxPooling2D(), layers.Flatten(), layers.Dense(3)])
    wire = keras.Input((5,))
    both = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(layers.Embedding(10, 8)(wire))
    mixed = layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(both, both) + both)
    sums = keras.ops.relu(keras.ops.mean(mixed, axis=1) * 2 + 1)[:, :4]
    yield (
        "sequence",
        keras.Model(wire, layers.TimeDistributed(layers.Dense(2))(keras.ops.expand_dims(sums, 1))),
    )
    small = keras.Input((3,))
    double = eval(compile("lambda x: x * 2", "model.py", "eval"))  # the code remembers the file's name
    yield "lambda", keras.Sequential([small, layers.Lambda(double, output_shape=(3,)), layers.Dense(1)])
    yield "custom", keras.Sequential([keras.Input((3,)), Mine(), layers.Dense(1)])
    bf16 = keras.dtype_policies.DTypePolicy("bfloat16")
    yield (
        "mixed",
        keras.Sequential(
            [keras.Input((3,)), layers.Dense(2, dtype="mixed_bfloat16"), layers.Dense(2, dtype=bf16)]
        ),
    )


def main() -> None:
    HERE.mkdir(exist_ok=True)
    seen = {}
    with TemporaryDirectory() as folder:
        for name, options in _OPTIONS.items():
            _everything(Path(folder, f"{name}.h5"), options)
        _large(Path(folder, "large.h5"))
        for path in sorted(Path(folder).glob("*.h5")):
            seen[path.name] = _seen(path)
        for name, model in _models():
            model.save(Path(folder, f"keras-{name}.keras"))
            model.save(Path(folder, f"keras-{name}-legacy.h5"))
            model.save_weights(Path(folder, f"keras-{name}.weights.h5"))
            seen[f"keras-{name}"] = model.count_params()
        for path in sorted(Path(folder).iterdir()):
            (HERE / f"{path.name}.xz").write_bytes(lzma.compress(path.read_bytes(), preset=9))
    packed = lzma.compress(json.dumps(seen, sort_keys=True).encode(), preset=9)
    (HERE / "seen.json.xz").write_bytes(packed)


if __name__ == "__main__":
    main()
