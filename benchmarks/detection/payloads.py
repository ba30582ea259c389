"""Files that run code when they are loaded, by the class of trick; each entry has its public reference."""

from __future__ import annotations

import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from benchmarks.inputs import torch_pickle

CALL = b"cposix\nsystem\n(S'true'\ntR."
Case = tuple[str, str, bytes]
"""Class, file name, content."""


def text(value: str) -> bytes:
    raw = value.encode()
    return b"\x8c" + bytes([len(raw)]) + raw


def call(module: str, name: str, argument: str = "true", protocol: int = 4) -> bytes:
    """A pickle that calls one thing with one text."""
    if protocol < 4:
        return f"c{module}\n{name}\n(V{argument}\ntR.".encode()
    return b"\x80\x04" + text(module) + text(name) + b"\x93" + text(argument) + b"\x85R."


# By capability, most of them from advisories: GHSA-655q-fx9r-782v, -vvpj-8cmc-gx39, -mhc9-48gj-9gp3,
# -5hwf-rc88-82xm, -6ggj-6f2q-f7mx, CVE-2025-10157, CVE-2026-22608, arXiv 2508.19774.
GADGETS = (Path(__file__).parent / "gadgets.txt").read_text(encoding="utf-8").split()


def gadgets() -> Iterator[Case]:
    for number, name in enumerate(GADGETS):
        module, _, attribute = name.rpartition(".")
        yield "callables of the standard library and of packages", f"{number:03}.pkl", call(module, attribute)


def shapes() -> Iterator[Case]:
    kind = "opcode tricks"
    system = text("posix") + b"\x94" + text("system") + b"\x94"
    done = text("true") + b"\x85R."
    yield kind, "inst.pkl", b"(S'true'\niposix\nsystem\n."  # fickling, modelscan issue 338
    yield kind, "obj-popped.pkl", b"\x80\x02(cposix\nsystem\nX\x04\x00\x00\x00trueo0N."  # GHSA-mxhj-88fx-4pcv
    yield kind, "newobj-ex.pkl", b"\x80\x04cposix\nsystem\n" + text("true") + b"\x85}\x92."
    yield kind, "memo.pkl", b"\x80\x04" + system + b"00h\x00h\x01\x93" + done  # GHSA-9m3x-qqw2-h32h
    yield kind, "popped-between.pkl", b"\x80\x04" + text("posix") + b"N0" + text("system") + b"\x93" + done
    yield (
        kind,
        "overwritten-memo.pkl",
        b"\x80\x04"
        + text("math")
        + b"q\x000"
        + text("posix")
        + b"q\x000h\x00"
        + (text("system") + b"\x93" + done),
    )
    yield kind, "escaped-name.pkl", b"\x80\x04Vposi\\u0078\n" + text("system") + b"\x93" + done
    yield kind, "dotted.pkl", call("linecache", "os.system")  # GHSA-5j3x-jp52-966f
    yield kind, "dotted-torch.pkl", call("torch", "os.system")
    yield kind, "extension.pkl", b"\x80\x02\x82\x07(S'true'\ntR."
    yield kind, "build-on-global.pkl", b"\x80\x02cnumpy\n__builtins__\n}S'x'\nNsb."  # modelscan issue 330
    yield (
        kind,
        "long-string-first.pkl",
        b"\x80\x04\x8d" + struct.pack("<Q", 70_000) + b"a" * 70_000 + b"0" + (call("posix", "system")[2:]),
    )
    yield kind, "second-stream.pkl", pickle.dumps([1]) + CALL
    yield kind, "nested.pkl", b"\x80\x03cpickle\nloads\nC" + bytes([len(CALL)]) + CALL + b"\x85R."
    yield kind, "among-objects.pkl", pickle.dumps([{"a": i} for i in range(999)])[:-1] + b"0" + CALL
    yield kind, "frame-lies.pkl", b"\x80\x04\x95" + struct.pack("<Q", 5) + call("posix", "system")[2:]


def broken() -> Iterator[Case]:
    kind = "broken behind the payload (nullifAI)"
    yield kind, "invalid-opcode.pkl", CALL[:-1] + b"\xff\xff"
    yield kind, "no-stop.pkl", CALL[:-1]
    yield kind, "stack-underflow.pkl", CALL[:-1] + b"00000."
    yield kind, "missing-memo.pkl", CALL[:-1] + b"h\x63."
    yield kind, "cut-opcode.pkl", CALL[:-1] + b"X\xff\xff\x00\x00abc"
    yield kind, "bad-proto.pkl", CALL[:-1] + b"\x80\x63."


def compressed() -> Iterator[Case]:
    kind = "compressed and packed"
    yield kind, "model.pkl.gz", gzip.compress(CALL, mtime=0)
    yield kind, "model.pkl.xz", lzma.compress(CALL)
    yield kind, "model.joblib", zlib.compress(CALL)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("weights.bin")
        member.size = len(CALL)
        archive.addfile(member, io.BytesIO(CALL))
    yield kind, "model.tar", out.getvalue()
    yield kind, "model.tar.gz", gzip.compress(out.getvalue(), mtime=0)
    yield kind, "zip-in-zip.zip", packed({"inner.zip": packed({"model.pkl": CALL})})


def packed(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


def torch_archives() -> Iterator[Case]:
    kind = "PyTorch archives"
    good, evil = torch_pickle(2, 4), torch_pickle(2, 4)[:-1] + b"0" + CALL
    whole = packed({"m/data.pkl": evil, "m/version": b"3\n", "m/data/0": bytes(16), "m/data/1": bytes(16)})
    yield kind, "model.pt", whole
    yield kind, "pytorch_model.bin", whole
    yield kind, "renamed.safetensors", whole
    yield kind, "prefixed.pt", b"\x00" * 64 + whole
    yield kind, "crc.pt", whole.replace(zlib.crc32(evil).to_bytes(4, "little"), b"\1\2\3\4")  # CVE-2025-10156
    encrypted = bytearray(whole)
    encrypted[encrypted.find(b"PK\x01\x02") + 8] |= 1  # CVE-2025-1945
    encrypted[6] |= 1
    yield kind, "flag.pt", bytes(encrypted)
    swapped = packed({"m/data.pkl": evil, "m/version": b"3\n"})  # CVE-2025-1944
    yield kind, "local-name.pt", swapped.replace(b"m/data.pkl", b"m/data.txt", 1)
    yield (
        kind,
        "member-name.pt",
        packed({"m/data.pkl": good, "m/config.p": evil, "m/version": b"3\n"}),
    )  # CVE-2025-1889
    yield kind, "constants.pt", packed({"m/data.pkl": good, "m/constants.pkl": evil, "m/version": b"3\n"})
    yield kind, "no-end-record.pt", whole[: whole.rfind(b"PK\x05\x06")]
    yield kind, "duplicate.pt", packed_twice("m/data.pkl", evil, good)
    magic = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
    yield (
        kind,
        "legacy.pt",
        magic + b"\x80\x02M\xe9\x03." + b"\x80\x02}q\x00." + b"\x80\x02" + CALL + b"\x80\x02]q\x00.",
    )
    yield (
        kind,
        "legacy-keys.pt",
        magic + b"\x80\x02M\xe9\x03." + b"\x80\x02}q\x00.\x80\x02}q\x00." + b"\x80\x02" + CALL,
    )


def packed_twice(name: str, first: bytes, second: bytes) -> bytes:
    """Two members that share a name (as data, so that zipfile does not warn)."""
    other = name[:-1] + "m"
    return packed({name: first, other: second}).replace(other.encode(), name.encode())


def arrays() -> Iterator[Case]:
    kind = "NumPy and joblib"
    head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + CALL
    yield kind, "objects.npy", npy  # CVE-2019-6446
    yield kind, "objects.npz", packed({"a.npy": npy})
    wrapper = (
        b"\x80\x03cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}(X\x08\x00\x00\x00subclasscnumpy\nndarray\n"
        b"X\x05\x00\x00\x00shapeK\x04\x85X\x05\x00\x00\x00orderX\x01\x00\x00\x00CX\x05\x00\x00\x00dtypecnumpy\ndtype\n"
        b"X\x02\x00\x00\x00f8\x89\x88\x87RX\n\x00\x00\x00allow_mmap\x88ub" + bytes(32)
    )
    yield kind, "behind-an-array.joblib", wrapper + b"0" + CALL
    yield kind, "plain.joblib", CALL


def disguises() -> Iterator[Case]:
    kind = "renamed"
    for name in (
        "model.safetensors",
        "weights.h5",
        "model.onnx",
        "notes.txt",
        "config.json",
        "tensor.dat",
        "model",
    ):
        yield kind, name, b"\x80\x02" + CALL  # CVE-2025-10155


def everything() -> Iterator[Case]:
    """The whole corpus of files that run code."""
    for group in (gadgets, shapes, broken, compressed, torch_archives, arrays, disguises):
        yield from group()
