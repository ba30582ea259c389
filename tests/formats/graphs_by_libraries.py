"""Write small graphs with the real libraries, and what those libraries say is in them.

Run it in an environment of its own (onnx, skl2onnx, onnxruntime, tensorflow-cpu, coremltools), with the names
of the families to write; what they write is kept in ``tests/formats/graphs``: the tests need none of them.
"""

# ruff: noqa: PLC0415 - each library may stand in an environment of its own
from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

OUT = Path(__file__).parent / "graphs"
EXPECTED = OUT / "expected.json"


def onnx_models() -> dict[str, list]:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    x = rng.random((50, 4), dtype=np.float32)
    y = (x[:, 0] > 0.5).astype(int)
    models = {
        "sklearn-linear.onnx": to_onnx(LogisticRegression().fit(x, y), x[:1]),
        "sklearn-forest.onnx": to_onnx(RandomForestClassifier(3, random_state=0).fit(x, y), x[:1]),
    }
    out = helper.make_tensor_value_info("o", TensorProto.FLOAT, [3])
    branches = [
        helper.make_graph(
            [helper.make_node("Add", ["a", f"w{i}"], ["o"])],
            f"branch{i}",
            [],
            [out],
            initializer=[numpy_helper.from_array(np.full(3, i, np.float32), f"w{i}")],
        )
        for i in range(2)
    ]
    graph = helper.make_graph(
        [helper.make_node("If", ["c"], ["o"], then_branch=branches[0], else_branch=branches[1])],
        "main",
        [
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("a", TensorProto.FLOAT, [3]),
        ],
        [out],
        initializer=[
            numpy_helper.from_array(rng.random((2, 3)).astype(np.float16), "half"),
            numpy_helper.from_array(np.arange(4), "long"),
            helper.make_tensor("typed", TensorProto.FLOAT, [2], [1.0, 2.0]),
        ],
    )
    models["branches.onnx"] = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    )
    expected = {}
    for name, model in models.items():
        onnx.checker.check_model(model)
        (OUT / name).write_bytes(model.SerializeToString())
        expected[name] = [[t.name, list(t.dims)] for t in _initialisers(model.graph)]
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(OUT / "forest.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(str(OUT / "sklearn-forest.onnx"), options)
    return expected | {"forest.ort": []}


def _initialisers(graph):
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _initialisers(attribute.g)
    yield from graph.initializer


def tensorflow_models() -> dict[str, list]:
    import keras
    import numpy as np
    import tensorflow as tf

    model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(4), keras.layers.Dense(2)])
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    (OUT / "keras.tflite").write_bytes(converter.convert())
    interpreter = tf.lite.Interpreter(str(OUT / "keras.tflite"))
    held = [
        [detail["name"], list(map(int, detail["shape"]))]
        for detail in interpreter.get_tensor_details()
        if _has_numbers(interpreter, detail)
    ]
    table = tf.lookup.TextFileInitializer(
        _vocabulary(),
        tf.string,
        tf.lookup.TextFileIndex.WHOLE_LINE,
        tf.int64,
        tf.lookup.TextFileIndex.LINE_NUMBER,
    )

    class Lookup(tf.Module):
        def __init__(self) -> None:
            self.table = tf.lookup.StaticVocabularyTable(table, 1)
            self.weights = tf.Variable(np.ones((3, 4), np.float32))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def __call__(self, words):
            return tf.gather(self.weights, self.table.lookup(words) % 3)

    class Reads(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
        def __call__(self, path):
            return tf.io.read_file(path)

    for name, module in (("lookup", Lookup()), ("reads", Reads())):
        tf.saved_model.save(module, str(OUT / name))
        (OUT / f"{name}.pb").write_bytes((OUT / name / "saved_model.pb").read_bytes())
    for ending in ("index", "data-00000-of-00001"):
        (OUT / f"variables.{ending}").write_bytes((OUT / f"lookup/variables/variables.{ending}").read_bytes())
    (OUT / "fingerprint.pb").write_bytes((OUT / "lookup/fingerprint.pb").read_bytes())
    variables = tf.train.list_variables(str(OUT / "lookup/variables/variables"))
    shapes = [[name, list(shape)] for name, shape in variables if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([Reads().__call__.get_concrete_function()])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
    (OUT / "reads.tflite").write_bytes(converter.convert())
    return {
        "keras.tflite": held,
        "variables.index": shapes,
        "lookup.pb": [],
        "reads.pb": [],
        "fingerprint.pb": [],
    }


def _has_numbers(interpreter, detail) -> bool:
    try:
        interpreter.get_tensor(detail["index"])
    except ValueError:
        return False
    return not any(detail["index"] == d["index"] for d in interpreter.get_input_details())


def _vocabulary() -> str:
    os.chdir(OUT)  # so that no path of this machine stands in the graph
    Path("vocabulary.txt").write_text("a\nb\nc\n")
    return "vocabulary.txt"


def coreml_models() -> dict[str, list]:
    import coremltools as ct
    import numpy as np
    from coremltools.converters.mil import Builder

    @Builder.program(input_specs=[Builder.TensorSpec(shape=(1, 64))])
    def program(x):
        weights = Builder.const(val=np.ones((32, 64), np.float32))
        return Builder.relu(x=Builder.linear(x=x, weight=weights))

    model = ct.convert(program, convert_to="mlprogram", minimum_deployment_target=ct.target.iOS16)
    model.license = "MIT"
    model.save(str(OUT / "linear.mlpackage"))
    inner = OUT / "linear.mlpackage/Data/com.apple.CoreML"
    (OUT / "linear.mlmodel").write_bytes((inner / "model.mlmodel").read_bytes())
    (OUT / "linear-weight.bin").write_bytes((inner / "weights/weight.bin").read_bytes())
    block = next(iter(model.get_spec().mlProgram.functions["main"].block_specializations.values()))
    held = [
        [op.outputs[0].name, [d.constant.size for d in op.attributes["val"].type.tensorType.dimensions]]
        for op in block.operations
        if op.type == "const" and op.attributes["val"].HasField("blobFileValue")
    ]
    return {"linear.mlmodel": held, "linear-weight.bin": []}


def main() -> None:
    OUT.mkdir(exist_ok=True)
    expected = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    for name in sys.argv[1:]:
        expected |= {"onnx": onnx_models, "tensorflow": tensorflow_models, "coreml": coreml_models}[name]()
    for folder in ("lookup", "reads", "linear.mlpackage"):
        shutil.rmtree(OUT / folder, ignore_errors=True)
    (OUT / "vocabulary.txt").unlink(missing_ok=True)
    EXPECTED.write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
