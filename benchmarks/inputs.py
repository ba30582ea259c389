"""The benchmark inputs, made once: real writers where one exists, real headers in any case."""

from __future__ import annotations

import json
import pickle
import random
import struct
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

GIB = 1 << 30
LAYERS = 256


def _noise(total: int) -> Iterator[bytes]:
    block = random.Random(1).randbytes(1 << 20)
    for _ in range(total >> 20):
        yield block


def big_safetensors(cache: Path) -> Path:
    """1 GiB in 256 float32 tensors."""
    path = cache / "big.safetensors"
    if not path.exists():
        step = GIB // LAYERS
        header = {
            f"layer.{i}.weight": {
                "dtype": "F32",
                "shape": [1024, step // 4096],
                "data_offsets": [i * step, (i + 1) * step],
            }
            for i in range(LAYERS)
        }
        raw = json.dumps(header).encode()
        raw += b" " * (-len(raw) % 8)
        with path.open("wb") as out:
            out.write(struct.pack("<Q", len(raw)) + raw)
            out.writelines(_noise(GIB))
    return path


def torch_pickle(layers: int, elements: int) -> bytes:
    """A state dict as torch.save writes it: protocol 2, storages by persistent id."""
    out = [b"\x80\x02ccollections\nOrderedDict\n)R("]

    def text(value: str) -> bytes:
        raw = value.encode()
        return b"X" + struct.pack("<I", len(raw)) + raw

    def number(value: int) -> bytes:
        return b"J" + struct.pack("<i", value)

    for index in range(layers):
        out += [
            text(f"layer.{index}.weight"),
            b"ctorch._utils\n_rebuild_tensor_v2\n((",
            text("storage"),
            b"ctorch\nFloatStorage\n",
            text(str(index)) + text("cpu") + number(elements) + b"tQ",
            b"K\x00" + number(elements) + b"\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR",
        ]
    return b"".join([*out, b"u."])


def big_torch_zip(cache: Path) -> Path:
    """1 GiB in 256 storages, laid out as torch.save does."""
    path = cache / "big.pt"
    if not path.exists():
        step = GIB // LAYERS
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("big/data.pkl", torch_pickle(LAYERS, step // 4))
            archive.writestr("big/byteorder", "little")
            for index in range(LAYERS):
                with archive.open(f"big/data/{index}", "w") as member:
                    for block in _noise(step):
                        member.write(block)
            archive.writestr("big/version", "3\n")
    return path


def nested_pickle(cache: Path) -> Path:
    """54 MB of nested lists and dicts, about 23 million opcodes."""
    path = cache / "ops.pkl"
    if not path.exists():

        def rows(count: int) -> bytes:
            made = [
                {f"k{i % 7}": [i % 7, i % 7 + 1, (i, None, True)], "n": {"a": [i, 1.5]}} for i in range(count)
            ]
            return pickle.dumps(made, protocol=4)

        path.write_bytes(rows(54_000_000 * 100_000 // len(rows(100_000))))
    return path


_FOREST = """
import pickle, sys
import numpy as np
from sklearn.ensemble import RandomForestRegressor
rng = np.random.default_rng(0)
x = rng.random((40, 8)); y = rng.random(40)
parts = RandomForestRegressor(n_estimators=int(sys.argv[2]), max_depth=3, random_state=0, n_jobs=1).fit(x, y)
with open(sys.argv[1], "wb") as out:
    pickle.dump(parts, out, protocol=5)
"""


def forest_pickle(cache: Path) -> Path:
    """A pickled random forest of very many small trees, written by scikit-learn."""
    path = cache / "rf_small.pkl"
    if not path.exists():
        folder = cache / "venv-sklearn"
        if not folder.exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
            subprocess.run([str(folder / "bin" / "pip"), "install", "-q", "scikit-learn"], check=True)
        subprocess.run([str(folder / "bin" / "python"), "-c", _FOREST, str(path), "150000"], check=True)
    return path


def _npy(numbers: bytes) -> bytes:
    shape = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%d,), }" % (len(numbers) // 4)
    shape += b" " * (-(len(shape) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(shape)) + shape + numbers


def small_files(cache: Path) -> Path:
    """2,000 files of ten ordinary kinds, 9 MB; picklescan looks at four of the kinds (pkl, pt, npy, npz)."""
    folder = cache / "small-mixed"
    if folder.exists():
        return folder
    partial = cache / "small-mixed.partial"
    rng = random.Random(2)
    for index in range(200):
        group = partial / f"repo{index}"
        group.mkdir(parents=True, exist_ok=True)
        numbers = struct.pack("<1500f", *(rng.random() for _ in range(1500)))
        header = json.dumps({"w": {"dtype": "F32", "shape": [1500], "data_offsets": [0, 6000]}}).encode()
        header += b" " * (-len(header) % 8)
        (group / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + numbers)
        (group / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": index}))
        (group / "README.md").write_text(f"---\nlicense: mit\n---\n# model {index}\n" + "words " * 700)
        rows = [
            {"id": i, "text": f"row {i} of {index}", "score": i / 7, "tags": [i, None]} for i in range(120)
        ]
        (group / "data.pkl").write_bytes(pickle.dumps(rows, protocol=4))
        (group / "train.py").write_text("import math\n\n\ndef f(x):\n    return math.sqrt(x)\n" * 20)
        (group / "notes.txt").write_text("notes\n" * 700)
        (group / "data.csv").write_text("a,b\n" + "".join(f"{i},{i * i}\n" for i in range(500)))
        with zipfile.ZipFile(group / "model.pt", "w") as archive:
            archive.writestr("m/data.pkl", torch_pickle(4, 375))
            archive.writestr("m/version", "3\n")
            for number in range(4):
                archive.writestr(f"m/data/{number}", numbers[number * 1500 : number * 1500 + 1500])
        (group / "w.npy").write_bytes(_npy(numbers))
        with zipfile.ZipFile(group / "arrays.npz", "w") as archive:
            archive.writestr("a.npy", _npy(numbers[:4000]))
            archive.writestr("b.npy", _npy(numbers[4000:]))
    return partial.rename(folder)
