from __future__ import annotations

import json
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.keras_config import HARMLESS, function, layer, model, python_lambda
from scanner.data.keras_names import judge_object, judge_tensorflow
from tests.support import assert_survives, examined, fixture, inspect_bytes, names_of, rules_of

CLEAN = fixture("keras-config/clean/config.json")


def found_in(*layers: object) -> set[str]:
    return rules_of(inspect_bytes("keras-config", model(*layers)))


def callables_in(data: bytes) -> set[str]:
    found = inspect_bytes("keras-config", data).findings
    return {dict(f.evidence)["callable"] for f in found if f.rule.id == "keras-config/dangerous-callable"}


def test_a_clean_model_has_facts_and_no_finding() -> None:
    found = inspect_bytes("keras-config", CLEAN)
    assert not found.findings
    assert not found.gaps
    assert dict(found.facts[0].metadata)["keras.layers.Dense"] == "1"


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("module", "dangerous-callable"),  # CVE-2025-1550
        ("get-file", "dangerous-callable"),  # CVE-2025-8747, CVE-2025-12060
        ("tensorflow", "dangerous-callable"),
        ("unknown", "unknown-callable"),
        ("custom", "custom-object"),
        ("lambda", "lambda"),  # CVE-2025-9905, CVE-2024-3660
        ("lambda-legacy", "lambda"),
        ("torch", "torch-module"),  # CVE-2025-49655
        ("saved-model", "saved-model"),  # CVE-2026-1462
        ("reads-file", "reads-file"),  # CVE-2025-12058
        ("needs-file", "needs-file"),
    ],
)
def test_unsafe_models_are_found(name: str, rule: str) -> None:
    found = inspect_bytes("keras-config", fixture(f"keras-config/unsafe/{name}.json"))
    assert rules_of(found) == {f"keras-config/{rule}"}
    assert not found.gaps


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keras.config", "enable_unsafe_deserialization"),  # CVE-2025-9906
        ("keras.src.saving.serialization_lib", "enable_unsafe_deserialization"),
        ("keras.src.utils.file_utils", "get_file"),
        ("keras.src.utils.python_utils", "func_load"),
        ("keras.models", "load_model"),
        ("keras.saving", "load_model"),
        ("tf_keras.utils", "get_file"),
        ("tensorflow.keras.utils", "get_file"),
        ("builtins.os", "system"),
        ("subprocess", "Popen"),
        ("keras.src.layers.core.lambda_layer.os", "system"),
        ("keras_hub.src.utils.os", "system"),
        ("__main__.os", "system"),
    ],
)
def test_names_that_reach_further_are_dangerous(module: str, name: str) -> None:
    assert judge_object(module, name, function=True) not in {"known", "custom", "unknown"}
    assert callables_in(model(layer("Lambda", function=function(module, name))))


@pytest.mark.parametrize(
    ("module", "name", "verdict"),
    [
        ("keras.layers", "Dense", "known"),
        ("keras", "Sequential", "known"),
        ("keras.src.models.functional", "Functional", "known"),
        ("keras.src.ops.numpy", "Add", "known"),
        ("keras.layers", "TorchModuleWrapper", "known"),
        ("", "Dense", "known"),
        ("", "Convolution2D", "known"),
        ("", "Gate", "custom"),
        ("__main__", "Gate", "custom"),
        ("keras_hub.src.models.bert", "BertBackbone", "custom"),
        ("keras.layers", "NoSuchLayer", "unknown"),
        ("mypackage", "Gate", "unknown"),
    ],
)
def test_classes_are_known_by_their_exact_name(module: str, name: str, verdict: str) -> None:
    assert judge_object(module, name, function=False) == verdict


@pytest.mark.parametrize(
    ("symbol", "verdict"),
    [
        ("math.multiply", "known"),
        ("tf.nn.relu", "known"),
        ("__operators__.add", "known"),
        ("compat.v1.transpose", "known"),
        ("RaggedTensor.from_row_splits", "known"),
        ("raw_ops.AddV2", "known"),
        ("io.write_file", "touches-files"),
        ("io.gfile.rmtree", "touches-files"),
        ("raw_ops.WriteFile", "touches-files"),
        ("numpy_function", "executes"),
        ("compat.v1.py_func", "executes"),
        ("load_op_library", "loads-native"),
        ("keras.utils.get_file", "touches-files"),
        ("something.new", "unknown"),
    ],
)
def test_functions_of_tensorflow(symbol: str, verdict: str) -> None:
    assert judge_tensorflow(symbol) == verdict


def test_the_operation_of_an_old_layer_is_judged() -> None:
    node = json.dumps({"name": "w", "op": "WriteFile"})
    assert found_in({"class_name": "TensorFlowOpLayer", "config": {"node_def": node}}) == {
        "keras-config/dangerous-callable"
    }


def test_every_reading_of_a_repeated_key_is_judged() -> None:
    for first, second in (("keras", "os"), ("os", "keras")):
        raw = model(layer("Lambda", function=function("MODULE", "system")))
        twice = f'"module": "{first}", "module": "{second}"'.encode()
        assert "os.system" in callables_in(raw.replace(b'"module": "MODULE"', twice))


def test_a_function_is_found_wherever_it_stands() -> None:
    hidden = function("os", "system")
    for place in (
        layer("Dense", kernel_initializer=hidden),
        layer("Dense", build_config={"deep": [[{"x": hidden}]]}),
        {**layer("Dense"), "compile_config": {"loss": hidden}},
        {**layer("Dense"), "inbound_nodes": [{"args": [], "kwargs": {"training": hidden}}]},
        layer("Bidirectional", layer=layer("RNN", cell=layer("Gate", "os"))),
    ):
        assert "keras-config/dangerous-callable" in found_in(place)


@pytest.mark.parametrize(
    "code",
    [
        python_lambda(HARMLESS),
        {"class_name": "__lambda__", "config": {"value": HARMLESS}},
        {"class_name": "__lambda__", "config": [HARMLESS, None, None]},
    ],
)
def test_byte_code_is_found_outside_of_lambda_layers_too(code: object) -> None:
    assert found_in(layer("Dense", activation=code)) == {"keras-config/lambda"}


def test_the_tuple_of_older_versions_is_byte_code() -> None:
    packed = {"class_name": "__tuple__", "items": [HARMLESS, None, None]}
    legacy = {"class_name": "Lambda", "config": {"function": packed, "function_type": "lambda"}}
    assert found_in(legacy) == {"keras-config/lambda"}


def test_byte_code_that_names_the_shell_is_dangerous() -> None:
    data = fixture("keras-config/unsafe/lambda-reaches.json")
    assert callables_in(data) == {"__import__", "os"}
    assert "keras-config/lambda" in rules_of(inspect_bytes("keras-config", data))


def test_a_function_by_name_is_not_byte_code() -> None:
    legacy = {"class_name": "Lambda", "config": {"function": "relu", "function_type": "function"}}
    assert found_in(legacy) == set()


def test_a_registered_name_goes_before_the_class_name() -> None:
    swapped = {**layer("Dense", units=1), "registered_name": "mine>Other"}
    assert found_in(swapped) == {"keras-config/custom-object"}


def test_a_module_of_torch_is_handed_to_the_pickle_format() -> None:
    result = examined(fixture("keras-config/unsafe/torch.json"), "torch.json")
    assert "pickle/dangerous-callable" in {finding.rule.id for finding in result.findings}


@pytest.mark.parametrize("path", ["../../secret", "C:\\secret", "https://host/vocab", "gs://bucket/vocab"])
def test_vocabularies_from_elsewhere(path: str) -> None:
    assert found_in(layer("IntegerLookup", vocabulary=path)) == {"keras-config/reads-file"}


def test_a_vocabulary_in_the_file_is_ordinary() -> None:
    assert found_in(layer("StringLookup", vocabulary=["a", "/etc/passwd"])) == set()


def test_keys_behind_the_first_four_kibibytes_are_found() -> None:
    reaching = model(layer("Lambda", function=function("posix", "system")))
    for pad in (b'"note": "', b'"class_name": 1, "note": "class_name'):
        late = reaching.replace(b"{", b"{" + pad + b"x" * 5000 + b'", ', 1)
        assert "keras-config" not in names_of(late, "config.json")
        for name in ("config.json", "configuration"):
            result = examined(late, name)
            assert "keras-config/dangerous-callable" in {finding.rule.id for finding in result.findings}, name
            assert not result.gaps


def test_truncated_at_every_byte_is_a_gap_and_never_clean() -> None:
    for cut in range(len(CLEAN) - 1):
        assert inspect_bytes("keras-config", CLEAN[:cut]).gaps, cut


KEYS = st.sampled_from(["class_name", "config", "module", "function", "items", "vocabulary"])
LEAVES = (
    st.none() | st.text(max_size=6) | st.integers() | st.sampled_from(["Lambda", "function", "__lambda__"])
)


@given(
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner),
        max_leaves=12,
    )
)
def test_any_json_is_read(value: object) -> None:
    data = json.dumps(["class_name", value]).encode()
    assert not inspect_bytes("keras-config", data).gaps


def test_it_survives_mutation() -> None:
    for name in ("lambda-reaches", "torch", "tensorflow"):
        assert_survives("keras-config", fixture(f"keras-config/unsafe/{name}.json"), 60)


def test_the_names_of_a_real_model_are_all_known() -> None:
    packed = fixture("../tests/oracles/hdf5/keras-sequence.keras.xz")
    result = examined(lzma.decompress(packed), "model.keras")
    assert not result.findings


def test_a_thousand_strangers_are_told_in_seconds_and_not_by_the_thousand() -> None:
    data = model(*(layer(f"C{index}", f"m{index}", vocabulary=f"/x{index}") for index in range(2000)))
    found = inspect_bytes("keras-config", data).findings
    assert len(found) == 400
    assert found[0].location.line == json_line(data, b'"C0"')


def json_line(data: bytes, value: bytes) -> int:
    return data[: data.index(value)].count(b"\n") + 1


def test_the_yaml_of_older_versions_is_the_same_configuration() -> None:
    clean = examined(fixture("keras-config/clean/architecture.yaml"), "model.yaml")
    assert "keras-config" in clean.formats
    assert not clean.findings
    assert not clean.gaps
    assert {facts.format for _, facts in clean.facts} >= {"keras-config", "yaml"}
    unsafe = fixture("keras-config/unsafe/architecture.yaml")
    assert callables_in(unsafe) == {"tf.io.write_file"}
    for first, second in (("TFOpLambda", "Dense"), ("Dense", "TFOpLambda")):
        twice = f"class_name: {first}\n    class_name: {second}".encode()
        assert callables_in(unsafe.replace(b"class_name: TFOpLambda", twice)) == {"tf.io.write_file"}


def test_ordinary_yaml_is_no_configuration() -> None:
    for text in (b"config:\n  a: 1\n", b"class_name: x\n", b"a:\n  class_name: x\n  config: y\n"):
        assert "keras-config" not in names_of(text, "a.yaml")


def test_a_key_that_stands_too_often_to_judge_every_reading_is_a_gap() -> None:
    modules = ", ".join(f'"module": "m{index}"' for index in range(2000))
    data = f'{{"class_name": "Gate", "config": {{}}, {modules}, "module": "os"}}'.encode()
    found = inspect_bytes("keras-config", data)
    assert callables_in(data) == {"os.Gate"}
    assert found.gaps
