"""Ordinary files, written by the real libraries: run in an environment that has them.

``python ordinary.py FOLDER`` writes each file into a folder of its own. Imports nothing of ours.
"""

from __future__ import annotations

import datetime as dt
import pickle
import sys
import warnings
from collections import Counter, OrderedDict
from pathlib import Path

import cloudpickle
import gguf
import h5py
import joblib
import numpy as np
import onnx
import pandas as pd
import scipy.sparse
import torch
from safetensors.numpy import save_file
from sklearn.utils import all_estimators


def place(folder: Path, name: str) -> str:
    where = folder / name.replace("/", "-")
    where.mkdir(parents=True, exist_ok=True)
    return str(where / name.rpartition("/")[2])


def estimators(folder: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.random((40, 4))
    for number, (name, kind) in enumerate(all_estimators()):
        try:
            made = kind()
            made.fit(x, (x[:, 0] > 0.5).astype(int))
        except (TypeError, ValueError, AttributeError):
            continue
        if number % 2:
            joblib.dump(made, place(folder, f"sklearn-{name}.joblib"), compress=3 * (number % 4 == 1))
        else:
            Path(place(folder, f"sklearn-{name}.pkl")).write_bytes(pickle.dumps(made))


def torch_files(folder: Path) -> None:
    net = torch.nn.Sequential(
        torch.nn.Linear(8, 4), torch.nn.ReLU(), torch.nn.LSTM(4, 4), torch.nn.LayerNorm(4)
    )
    torch.save(net.state_dict(), place(folder, "torch-state.pt"))
    torch.save(net.state_dict(), place(folder, "torch-legacy.pth"), _use_new_zipfile_serialization=False)
    torch.save(net, place(folder, "torch-module.pt"))
    optimiser = torch.optim.AdamW(net.parameters())
    torch.save(
        {"model": net.state_dict(), "optim": optimiser.state_dict(), "epoch": 3},
        place(folder, "checkpoint.ckpt"),
    )
    halves = {name: tensor.to(torch.bfloat16) for name, tensor in net.state_dict().items()}
    torch.save(halves, place(folder, "pytorch_model.bin"))
    torch.save(torch.eye(4).to_sparse(), place(folder, "sparse.pt"))
    torch.save([torch.arange(5), {"a": torch.ones(2, 2)}], place(folder, "list.pt"))
    torch.jit.save(torch.jit.script(torch.nn.Linear(3, 3)), place(folder, "scripted.pt"))


def data_files(folder: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": pd.to_datetime(["2020-01-01", "2020-01-02"])})
    frame.to_pickle(place(folder, "frame.pkl"))
    frame["c"].to_pickle(place(folder, "series.pickle"))
    values = [
        {"a": [1, 2.5, None, True], "b": {"c": b"x", "d": (1, 2)}},
        OrderedDict(a=1), Counter("abc"), dt.datetime(2020, 1, 1, tzinfo=dt.UTC), {1, 2}, np.arange(5), np.float32(1.5),
        scipy.sparse.random(5, 5, 0.5, format="csr"), np.random.default_rng(1), [np.ones((2, 2)), "text"], Path("a/b"),
    ]  # fmt: skip
    for number, value in enumerate(values):
        for protocol in (0, 2, 4, 5):
            Path(place(folder, f"value-{number}-{protocol}.pkl")).write_bytes(
                pickle.dumps(value, protocol=protocol)
            )
    Path(place(folder, "cloudpickled.pkl")).write_bytes(cloudpickle.dumps(values[:4]))
    np.save(place(folder, "array.npy"), np.arange(12).reshape(3, 4))
    np.savez(place(folder, "arrays.npz"), a=np.ones(3), b=np.zeros(2))
    np.savez_compressed(place(folder, "compressed.npz"), a=np.ones(300))
    joblib.dump({"a": np.arange(100.0), "b": [1, 2]}, place(folder, "arrays.joblib"))
    joblib.dump(np.arange(100.0), place(folder, "array.joblib.gz"), compress=("gzip", 3))
    save_file({"w": np.ones((2, 2), np.float32)}, place(folder, "model.safetensors"))
    with h5py.File(place(folder, "weights.h5"), "w") as file:
        file["dense/kernel"] = np.ones((2, 3), np.float32)
    tensor = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [tensor], [tensor])
    onnx.save(onnx.helper.make_model(graph), place(folder, "model.onnx"))
    writer = gguf.GGUFWriter(place(folder, "model.gguf"), "llama")
    writer.add_context_length(128)
    writer.add_tensor("w", np.ones((2, 2), np.float32))
    for step in (
        writer.write_header_to_file,
        writer.write_kv_data_to_file,
        writer.write_tensors_to_file,
        writer.close,
    ):
        step()


def main() -> None:
    warnings.simplefilter("ignore")
    folder = Path(sys.argv[1])
    for write in (estimators, torch_files, data_files):
        write(folder)


if __name__ == "__main__":
    main()
