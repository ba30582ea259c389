from __future__ import annotations

from dataclasses import replace

from scanner.bom.weights import weight_sets
from scanner.model import Tensor
from tests.bom.made import file, tensors


def test_shards_are_one_set_and_are_summed() -> None:
    shards = [
        file(f"model-0000{n}-of-00002.safetensors", "safetensors", tensors=tensors((4, n))) for n in (1, 2)
    ]
    (found,) = weight_sets(tuple(shards))
    assert (found.total, found.problem, len(found.paths)) == (12, "", 2)


def test_a_missing_shard_is_no_count() -> None:
    (found,) = weight_sets((file("m-00001-of-00002.safetensors", "safetensors", tensors=tensors((4,))),))
    assert found.problem == "1 of 2 parts are here"


def test_a_file_with_a_gap_is_no_count() -> None:
    (found,) = weight_sets((file("m.safetensors", "safetensors", tensors=tensors((4,)), gap="cut"),))
    assert found.problem


def test_the_same_model_in_three_formats_is_three_sets_and_never_a_sum() -> None:
    found = weight_sets(
        (
            file("model.gguf", "gguf", tensors=tensors((8,), dtype="q4_k")),
            file("model.safetensors", "safetensors", tensors=tensors((8,))),
            file("pytorch_model.bin", "pytorch-zip", tensors=tensors((8,))),
        )
    )
    assert [(w.format, w.total) for w in found] == [("safetensors", 8), ("pytorch-zip", 8), ("gguf", 8)]


def test_parts_of_a_pipeline_are_sets_of_their_own() -> None:
    files = tuple(
        file(f"{part}/model.safetensors", "safetensors", tensors=tensors((8,))) for part in ("unet", "vae")
    )
    assert [w.folder for w in weight_sets(files)] == ["unet", "vae"]


def test_arrays_of_one_archive_are_one_set() -> None:
    one = file("w.npz", "npy", tensors=tensors((3,)), members=("a.npy",))
    two = file("w.npz", "npy", tensors=tensors((5,)), members=("b.npy",))
    (found,) = weight_sets((one, two))
    assert found.total == 8
    assert not weight_sets((file("mean.npy", "npy", tensors=tensors((3,))),))


def test_tied_tensors_count_once() -> None:
    tied = (
        Tensor("a", "f32", (2, 3), 8, 24),
        Tensor("b", "f32", (2, 3), 8, 24),
        Tensor("c", "f32", (2,), 32, 8),
    )
    (found,) = weight_sets((file("m.safetensors", "safetensors", tensors=tied),))
    assert (found.total, found.tensors) == (8, 2)


def test_packed_integers_are_no_count_but_gguf_shapes_are() -> None:
    packed = (*tensors((64, 8), dtype="i32"), *tensors((8,), dtype="f16"))
    (found,) = weight_sets((file("m.safetensors", "safetensors", tensors=packed),))
    assert "packs" in found.problem
    (gguf,) = weight_sets((file("m.gguf", "gguf", tensors=tensors((64,), dtype="q4_0")),))
    assert (gguf.total, gguf.problem) == (64, "")


def test_index_buffers_are_counted_as_the_hub_does_and_both_answers_are_known() -> None:
    both = (*tensors((512,), dtype="i64"), *tensors((100, 100)))
    (found,) = weight_sets((file("m.safetensors", "safetensors", tensors=both),))
    assert (found.total, found.counts, found.dtypes) == (10_512, {10_512, 10_000}, ("f32", "i64"))
    assert not found.problem


def test_what_a_training_run_leaves_is_no_weight() -> None:
    assert not weight_sets((file("optimizer.pt", "pytorch-zip", tensors=tensors((9,))),))


def test_a_checkpoint_and_the_pickle_in_it_are_one_set() -> None:
    outer = file("m.bin", "pytorch-zip", tensors=tensors((8,)))
    inner = file("m.bin", "pickle", tensors=tensors((8,)), members=("archive/data.pkl",))
    same = file("m.bin", "pickle", tensors=tensors((8,)))
    for second in (inner, same):
        both = replace(outer, facts=(*outer.facts, *second.facts))
        (found,) = weight_sets((both,))
        assert (found.format, found.total) == ("pytorch-zip", 8)


def test_an_optimiser_s_state_beside_the_weights_is_no_parameter() -> None:
    moments = (*tensors((8,)), Tensor("exp_avg", "f32", (8,)))
    (found,) = weight_sets((file("last.ckpt", "pytorch-zip", tensors=moments),))
    assert "optimiser" in found.problem


def test_many_arrays_cost_time_that_grows_with_them() -> None:
    parts = [file("w.npz", "npy", tensors=tensors((1,)), members=(f"{n}.npy",)) for n in range(20_000)]
    many = replace(parts[0], facts=tuple(fact for part in parts for fact in part.facts))
    (found,) = weight_sets((many,))
    assert found.total == 20_000
