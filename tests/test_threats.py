"""Published ways past scanners, and ours: each payload is inert, is never loaded, and is never passed.

What is demanded is a refusal: a finding at or above *high*. Where nothing can be told, a gap will do.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from scanner.model import FileResult, Severity
from tests.support import examined

CALL = b"cposix\nsystem\n(S'true'\ntR."


def refused(result: FileResult) -> bool:
    return any(finding.rule.severity.rank >= Severity.HIGH.rank for finding in result.findings)


def u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def text(value: str) -> bytes:
    return b"X" + u32(len(value)) + value.encode()


def name(dotted: str) -> bytes:
    module, _, last = dotted.rpartition(".")
    return f"c{module}\n{last}\n".encode()


def made(dotted: str, **attributes: bytes) -> bytes:
    """An instance of a class, with a state, each value as opcodes."""
    state = b"".join(text(key) + value + b"s" for key, value in attributes.items())
    return name(dotted) + b")\x81" + (b"}" + state + b"b" if attributes else b"")


# CVE-2025-10155 and GHSA-9gvj-pp9x-gcfr: what a scanner does not know as a pickle it does not read. Before
# protocol 2 there is no magic; any opcode that needs no stack can come first, and the payload can come late.
LEADS = {
    "int": b"K\x010",
    "printable-int": b"K00",
    "long-int": b"M\x01\x010",
    "signed-int": b"J\x01\x01\x01\x010",
    "printable-float": b"GAAAAAAAA0",
    "true": b"\x880",
    "set": b"\x8f0",
    "bytes": b"C\x01a0",
    "long-bytes": b"B" + u32(1) + b"a0",
    "string": b"T" + u32(1) + b"a0",
    "wide-text": b"\x8d" + u32(1) + u32(0) + b"a0",
    "bytearray": b"\x96" + u32(1) + u32(0) + b"a0",
    "long": b"\x8a\x01\x010",
    "frame": b"\x95" + u32(len(CALL)) + u32(0),
    "buffer": b"\x970",
    "persistent-id": b"Pa\n0",
    "extension": b"\x82\x010",
    "mark": b"(1",
    "text-longer-than-the-head": b"V" + b"a" * 5000 + b"\n0",
    "text-longer-than-a-window": b"V" + b"a" * 80_000 + b"\n0",
    "text-of-megabytes": b"V" + b"a" * 3_000_000 + b"\n0",
    "string-longer-than-the-head": b"S'" + b"a" * 5000 + b"'\n0",
    "numbers-longer-than-the-head": b"I1\n0" * 2000,
    "constants-longer-than-the-head": b"N0" * 4000,
    "texts-in-a-mark": b"(" + b"S'a b'\n0" * 2000,
    "several-pickles": b"F1.0\n." * 2000,
}


@pytest.mark.parametrize("lead", LEADS)
def test_a_pickle_is_known_whatever_it_begins_with(lead: str) -> None:
    assert refused(examined(LEADS[lead] + CALL, "model.bin"))


@pytest.mark.parametrize("lead", LEADS)
def test_unknown_names_behind_such_a_beginning_are_reported_too(lead: str) -> None:
    assert refused(examined(LEADS[lead] + b"cmypackage\nrestore\n(tR.", "model.bin"))


@pytest.mark.parametrize(
    "text",
    [
        "Verily " * 1000 + "\nin the\ncase\n",
        "Voila\n" + "count of\nand so\n" * 900,
        "Period " * 1000,
        "1,2,3\n" * 900,
        "I think\n" * 900,
        "F. A. Q.\n" * 900,
        "N. America\n" * 900,
        "Nothing " * 900,
    ],
)
def test_texts_that_begin_with_the_letter_of_an_opcode_stay_texts(text: str) -> None:
    result = examined(text.encode(), "notes.txt")
    assert result.formats == ("text",)
    assert not result.findings
    assert not result.gaps


HOLDER = "argparse.Namespace"
RELU = "torch.nn.modules.activation.ReLU"
TYPE = name("numpy.dtype") + text("O8") + b"\x89\x88\x87R"

# arXiv 2508.19774 (gadgets), arXiv 2607.17503 (overwriting what is trusted, CWE-1395), GHSA-6ggj-6f2q-f7mx
# (BUILD hides what it does): nothing here names a dangerous callable. Each does what no pickler writes.
COMPOSED = {
    "a-state-that-becomes-the-next-setstate": made(HOLDER, __setstate__=made(RELU)) + b"Nb.",
    "a-class-changed-through-what-returns-it": name("torch.jit._pickle.restore_type_tag")
    + name("torch.nn.modules.module.Module")
    + text("x")
    + b"\x86RN}"
    + text("__setattr__")
    + b"Ns\x86b.",
    "the-same-through-an-old-numpy": name("numpy.core.multiarray.scalar")
    + TYPE
    + name("torch.nn.modules.module.Module")
    + b"\x86R}b.",
    "an-array-over-any-address": name("scipy._lib.array_api_compat.numpy._aliases.asarray")
    + made(HOLDER, __array_interface__=b"}")
    + b"\x85RK\x00K\x01s.",
    "an-allocator-at-any-address": name("torch.storage.UntypedStorage")
    + b")}"
    + text("allocator")
    + b"J\x01\x01\x01\x01s\x92.",
    "a-default-that-is-called-by-another-mapping": name("builtins.dict")
    + name("collections.ChainMap")
    + b")\x81}"
    + text("maps")
    + b"]"
    + name("collections.defaultdict")
    + made(RELU)
    + b"\x85Rasb\x85R.",
    "an-instance-in-the-place-of-a-class": name("copyreg.__newobj__")
    + made(HOLDER, __new__=made(RELU))
    + b"\x85R.",
    "a-base-whose-constructor-runs": name("copyreg._reconstructor")
    + name("xgboost.core.Booster")
    + name("xgboost.core.Booster")
    + text("/etc/passwd")
    + b"\x87R.",
    "a-call-through-a-rebuilder": name("torch._tensor._rebuild_from_type_v2")
    + b"("
    + made(RELU)
    + name("torch.Tensor")
    + b")}tR.",
    "a-constructor-through-a-rebuilder": name("torch._tensor._rebuild_from_type_v2")
    + b"("
    + name("collections.OrderedDict")
    + name("collections.OrderedDict")
    + made(HOLDER, keys=made(RELU))
    + b"\x85}tR.",
    "a-class-for-masked-arrays-that-is-none": name("numpy.ma.core._mareconstruct")
    + b"("
    + made(HOLDER, __new__=made(RELU))
    + name("numpy.ndarray")
    + b"K\x00\x85C\x01btR.",
    "an-attribute-that-append-finds": made(HOLDER, append=made(RELU)) + b"Na.",
    "an-attribute-that-add-finds": made(HOLDER, add=made(RELU)) + b"(N\x90.",
    "a-state-that-is-an-object": name("torch.optim.sgd.SGD")
    + b")\x81"
    + made(HOLDER, items=made(RELU))
    + b"b.",
    "keys-that-an-object-makes-up": name("collections.OrderedDict")
    + made(HOLDER, keys=made(RELU))
    + b"\x85R.",
    # CVE-2026-24747: SETITEMS on what is no dictionary.
    "items-of-a-tensor": name("torch._utils._rebuild_tensor_v2") + b"(NtR(K\x01K\x02u.",
    "a-function-that-is-only-ever-named": name("numpy.mean") + made(HOLDER, mean=made(RELU)) + b"\x85R.",
    # The memo has no more room, and what comes back from it could be anything.
    "a-forgotten-target": name("collections.OrderedDict")
    + b"\x94("
    + b"h\x00)R\x94h\x00)R\x94}b" * 110_000
    + b"0"
    + made(HOLDER)
    + b"\x94j"
    + u32(220_001)
    + b"}b.",
    "a-name-after-the-memo-is-full": b"("
    + b"K\x01\x94" * 200_050
    + b"Vposix\n\x940Vsystem\n\x940"
    + b"j"
    + u32(200_050)
    + b"j"
    + u32(200_051)
    + b"\x93.",
}


@pytest.mark.parametrize("composed", COMPOSED)
def test_harmless_names_put_together_as_no_pickler_does_are_refused(composed: str) -> None:
    result = examined(b"\x80\x04" + COMPOSED[composed], "model.pkl")
    assert refused(result)
    assert not any(finding.rule.id == "pickle/malformed" for finding in result.findings)


@pytest.mark.parametrize(
    "dotted",
    [
        "sklearn.metrics._scorer._Scorer",
        "scipy._lib._util._FunctionWrapper",
        "scipy.optimize._basinhopping.MinimizerWrapper",
        "numpy.vectorize",
        "numpy.lib._datasource._FileOpeners",
        "lightgbm.basic._TempFile",
        "scipy.stats._distn_infrastructure.rv_continuous",
    ],
)
def test_classes_from_which_anything_can_be_composed_are_not_safe(dotted: str) -> None:
    assert refused(examined(b"\x80\x04" + made(dotted) + b".", "model.pkl"))


def joblib_array(code: str, count: int, data: bytes, state: bytes = b"", extra: bytes = b"") -> bytes:
    """An array as joblib writes it: a wrapper with its state, then the bytes."""
    dtype = name("numpy.dtype") + text(code) + b"\x89\x88\x87R" + state
    items = text("dtype") + dtype + text("shape") + b"J" + u32(count) + b"\x85" + extra
    return name("joblib.numpy_pickle.NumpyArrayWrapper") + b")\x81}(" + items + b"ub" + data


NESTED = b"\x80\x02" + CALL + b" " * (-(len(CALL) + 2) % 8)
WORDS = len(NESTED) // 8
FIELD = text("f") + TYPE + b"K\x00\x86"
WITH_OBJECTS = b"(K\x03" + text("|") + b"N" + text("f") + b"\x85}" + FIELD + b"sK\x08K\x01K\x1btb"

# CVE-2024-34997, CVE-2020-13092: what joblib takes for numbers and what for opcodes.
JOBLIB = {
    "objects-spelt-with-a-byte-order": joblib_array("|O8", WORDS, NESTED),
    "objects-in-a-field": joblib_array("V8", WORDS, NESTED, WITH_OBJECTS),
    "objects-by-a-flag": joblib_array(
        "V8", WORDS, NESTED, b"(K\x03" + text("|") + b"NNNJ" + b"\xff" * 4 + b"K\x01K\x3ftb"
    ),
    "another-width-than-the-code-says": joblib_array(
        "V8", 10, b"a" * 10 + b"0" + CALL + b" " * 60, b"(K\x03" + text("|") + b"NNNK\x01K\x01K\x00tb"
    ),
    "numbers-that-pickle.load-runs": joblib_array("u1", len(CALL) + 1, b"0" + CALL),
    "a-padding-that-is-a-float": joblib_array(
        "u1", 40, b"0" + CALL + b" " * 40, extra=text("numpy_array_alignment_bytes") + b"G" + bytes(8)
    ),
    "a-padding-behind-many-attributes": joblib_array(
        "u1",
        40,
        b"\x01" + b" " * 41 + b"0" + CALL,
        extra=b"".join(text(f"a{n}") + b"N" for n in range(70))
        + text("numpy_array_alignment_bytes")
        + b"K\x10",
    ),
    "an-array-inside-of-a-frame": b"\x95"
    + u32(300)
    + u32(0)
    + joblib_array("u1", 40, b"0" + CALL + b" " * 200),
    "a-state-in-two-parts": name("joblib.numpy_pickle.NumpyArrayWrapper") + b")\x81N}\x86b" + b"0" + CALL,
    "a-wrapper-made-by-its-constructor": name("joblib.numpy_pickle.NumpyArrayWrapper")
    + b"(NK\x00\x85NNtR}b"
    + b"B"
    + u32(len(CALL) + 1)
    + b"0"
    + CALL,
}


@pytest.mark.parametrize("trick", JOBLIB)
def test_no_array_of_joblib_hides_opcodes(trick: str) -> None:
    assert refused(examined(b"\x80\x04" + JOBLIB[trick] + b".", "model.joblib"))


def test_where_a_frame_goes_on_behind_stop_loaders_part() -> None:
    # The Python unpickler has read the frame and goes on behind it; the C one goes on behind STOP.
    decoy = b"B" + u32(len(CALL))
    first = b"\x80\x04\x95" + u32(2 + len(decoy)) + u32(0) + b"N." + decoy
    assert refused(examined(first + CALL + b".", "stream.pkl"))


def test_the_classes_of_torchscript_exist_only_in_its_archives() -> None:
    assert refused(examined(b"\x80\x02c__torch__\nNet\n)\x81.", "model.pkl"))


PICKLED = b"\x80\x02" + CALL
DAMAGED = {
    "gzip-sum": gzip.compress(PICKLED)[:-8] + bytes(8),
    "zlib-sum": zlib.compress(PICKLED)[:-4] + bytes(4),
    "xz-sum": lzma.compress(PICKLED)[:-20] + bytes(20),
    "behind-a-good-stream": gzip.compress(b"\x80\x02N0") + gzip.compress(CALL)[:-8] + bytes(8),
}


# CVE-2025-10156 (a wrong sum ends the scan), for compressed streams: what comes out in front of the damage is
# unpickled before the sum is looked at.
@pytest.mark.parametrize("damaged", DAMAGED)
def test_what_comes_out_before_a_wrong_sum_is_judged(damaged: str) -> None:
    result = examined(DAMAGED[damaged], "model.joblib")
    assert refused(result)
    assert result.gaps


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_a_stream_that_is_cut_is_judged_as_far_as_it_goes(pack) -> None:
    packed = pack(PICKLED + b"N" * 5000)
    for cut in range(len(packed) - 12, len(packed)):
        assert examined(packed[:cut], "model.joblib").gaps, cut


# CVE-2025-23304 and its kin: a `_target_` is imported and called. An allow-list of packages lets in their
# helpers.
@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "transformers.dynamic_module_utils.get_class_from_dynamic_module",
        "transformers.AutoModel.from_pretrained",
        "transformers.pipeline",
        "speechbrain.utils.importutils.import_from_path",
        "lightning.fabric.utilities.cloud_io._load",
        "monai.apps.utils.download_url",
        "nemo.utils.exp_manager.subprocess.Popen",
        "torch.utils.data.os.system",
    ],
)
@pytest.mark.parametrize(
    ("file", "before"), [("config.json", b'{"_target_": "%b"}'), ("model_config.yaml", b"_target_: %b\n")]
)
def test_a_target_is_judged_by_what_it_does_and_not_by_its_package(
    target: str, file: str, before: bytes
) -> None:
    assert refused(examined(before % target.encode(), file))


def zipped(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytearray:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for member, data in members:
            archive.writestr(zipfile.ZipInfo(member), data, method)
    return bytearray(out.getvalue())


def patched(data: bytearray, offset: int, value: bytes) -> bytes:
    data[offset : offset + len(value)] = value
    return bytes(data)


def tarred(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for member, data in members:
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def npy(descr: str, data: bytes) -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (1,), }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def gguf(key: str, value: str) -> bytes:
    wide = (8).to_bytes(4, "little")
    pair = (
        len(key).to_bytes(8, "little")
        + key.encode()
        + wide
        + len(value).to_bytes(8, "little")
        + value.encode()
    )
    return b"GGUF" + u32(3) + bytes(8) + (1).to_bytes(8, "little") + pair


DATA = b"\x80\x02}."
MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
PROTOCOL = b"\x80\x02M\xe9\x03."
KEYS = b"\x80\x02]."
MEMBER = zipped([("a/weights", PICKLED)])
CENTRAL = MEMBER.find(b"PK\x01\x02")
ESCAPE = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
REACHES = b"import os\nos.system('true')\n"
CHECKPOINT = ("archive/version", b"3\n")

# File name to bytes, each with what it goes back to.
FILES: dict[str, bytes] = {
    # CVE-2025-1889 (extension), CVE-2025-10155 (renamed), modelscan 338
    "odd.weights": PICKLED,
    "model.safetensors": PICKLED,
    "zip/odd-member.pt": bytes(
        zipped([("archive/data.pkl", DATA), CHECKPOINT, ("archive/notes.txt", PICKLED)])
    ),
    # CVE-2025-1944 (names differ), CVE-2025-1945 (encrypted flag), CVE-2025-10156 (CRC)
    "zip/local-name.zip": patched(MEMBER[:], 30, b"b"),
    "zip/flag.zip": patched(bytearray(patched(MEMBER[:], 6, b"\x01")), CENTRAL + 8, b"\x01"),
    "zip/local-flag.zip": patched(MEMBER[:], 6, b"\x01"),
    "zip/crc.zip": patched(MEMBER[:], CENTRAL + 16, b"\0\0\0\0"),
    "zip/method.zip": patched(MEMBER[:], 8, b"\x08"),
    "zip/unknown-method.zip": patched(MEMBER[:], CENTRAL + 10, b"\x63"),
    "zip/no-end.zip": bytes(MEMBER[:CENTRAL]),
    "zip/cut.zip": bytes(MEMBER[:-5]),
    "zip/prefixed.gif": b"GIF89a" + bytes(90) + MEMBER,
    "zip/behind-a-pickle.pkl": DATA + MEMBER,
    "zip/in-front-of-a-pickle.zip": bytes(MEMBER) + PICKLED,
    "zip/in-a-comment.zip": bytes(MEMBER[:-2]) + len(MEMBER).to_bytes(2, "little") + MEMBER,
    # torch: CVE-2025-32434, CVE-2026-24747; constants and tensors that are pickles; both directories
    "torch/data.pt": bytes(zipped([("archive/data.pkl", PICKLED), CHECKPOINT])),
    "torch/upper.pt": bytes(zipped([("Archive/DATA.PKL", PICKLED), CHECKPOINT])),
    "torch/second.pt": bytes(zipped([("a/data.pkl", DATA), CHECKPOINT, ("b/data.pkl", PICKLED)])),
    "torch/constants.pt": bytes(
        zipped([("archive/data.pkl", DATA), CHECKPOINT, ("archive/constants.pkl", PICKLED)])
    ),
    "torch/unused.pt": bytes(zipped([("archive/data.pkl", DATA), CHECKPOINT, ("archive/data/0", PICKLED)])),
    "torch/legacy.pt": MAGIC + PROTOCOL + DATA + PICKLED + KEYS,
    "torch/legacy-system.pt": MAGIC + PROTOCOL + PICKLED + DATA + KEYS,
    "torch/legacy-keys.pt": MAGIC + PROTOCOL + DATA + DATA + PICKLED,
    "torch/legacy-behind.pt": MAGIC + PROTOCOL + DATA + DATA + KEYS + PICKLED,
    # GHSA-97f8-7cmv-76j2: the magic number by __reduce__
    "torch/legacy-magic.pt": PICKLED + PROTOCOL + DATA + DATA + KEYS,
    "torch/tar.pt": tarred([("sys_info", DATA), ("pickle", DATA), ("storages", PICKLED), ("tensors", DATA)]),
    # CVE-2019-6446
    "numpy/objects.npy": npy("'|O'", PICKLED),
    "numpy/field.npy": npy("[('a', [('b', '<O8')])]", PICKLED),
    "numpy/subarray.npy": npy("('|O', (2,))", PICKLED),
    "numpy/packed.npz": bytes(zipped([("a.npy", npy("'|O'", PICKLED))], zipfile.ZIP_DEFLATED)),
    "numpy/behind.npy": npy("'<i4'", b"abcd" + PICKLED),
    # nullifAI: containers that a scanner does not open
    "packed/nested.tar.gz": gzip.compress(tarred([("m/x", bytes(zipped([("y", bz2.compress(PICKLED))])))])),
    "packed/behind.xz": lzma.compress(b"text") + PICKLED,
    "packed/two.gz": gzip.compress(b"\x80\x02N0") + gzip.compress(CALL),
    "packed/nullifai.7z": b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(24) + PICKLED,
    # CVE-2024-34359: templates that reach outside
    "llama.gguf": gguf("tokenizer.chat_template", ESCAPE),
    "named.gguf": gguf("tokenizer.chat_template.tool_use", ESCAPE),
    "hub/tokenizer_config.json": json.dumps({"chat_template": [{"name": "x", "template": ESCAPE}]}).encode(),
    "hub/chat_template.jinja": ESCAPE.encode(),
    # CVE-2025-66448, CVE-2026-27893: code by configuration
    "hub/config.json": b'{"auto_map": {"AutoModel": "evil/repo--modeling.X"}}',
    "hub/generation_config.json": b'{"trust_remote_code": true}',
    "hub/model_index.json": b'{"_class_name": "P", "unet": ["planted", "Unet"]}',
    "hub/adapter_config.json": b'{"auto_mapping": {"parent_library": "planted", "base_model_class": "X"}}',
    "hub/modeling_x.py": REACHES,
    "hub/utf16.py": REACHES.decode().encode("utf-16"),
    # CVE-2025-23304: Hydra in .nemo; CVE-2025-1550: Keras; CVE-2025-54412: skops
    "x.nemo": tarred([("model_config.yaml", b"_target_: os.system\n")]),
    "hub/recipe.yaml": b"a: !!python/object/apply:os.system [true]\n",
    "x.keras": bytes(
        zipped(
            [
                ("config.json", b'{"module": "os", "class_name": "system", "config": {}}'),
                ("metadata.json", b"{}"),
            ]
        )
    ),
    "x.skops": bytes(
        zipped([("schema.json", b'{"__class__": "system", "__module__": "os", "__loader__": "TypeNode"}')])
    ),
}
# Nobody can say what is in these: not looked at is not clean.
UNREAD = {"packed/nullifai.7z", "zip/unknown-method.zip"}


def test_the_command_refuses_every_file_of_the_published_kinds(tmp_path: Path) -> None:
    for file, data in FILES.items():
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    ended = subprocess.run(
        [sys.executable, "-m", "scanner", "scan", str(tmp_path), "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    report = json.loads(ended.stdout)
    found = {f["location"]["path"] for f in report["findings"] if f["rule_severity"] in {"high", "critical"}}
    unread = {gap["location"]["path"] for gap in report["gaps"]}
    assert set(FILES) - UNREAD - found == set()
    assert UNREAD - found - unread == set()
