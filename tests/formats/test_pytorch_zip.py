from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.recipes.pytorch_legacy import state, tensor
from fixtures.recipes.pytorch_zip import CODE, Writer, archive, checkpoint, script, short
from scanner.data import load
from scanner.formats import by_name
from scanner.formats.pytorch_zip.script import effect_of
from scanner.inspection import run
from scanner.model import Location
from scanner.reader import Budget, BytesReader
from scanner.wire.torchscript import references
from tests.support import FIXTURES, assert_survives, examined, fixture, head_of, inspect_bytes

CLEAN = fixture("pytorch-zip/clean/state.pt")
SHAPES = st.lists(st.integers(0, 4), max_size=3).map(tuple)
UNSAFE = {path.stem: path for path in sorted((FIXTURES / "pytorch-zip" / "unsafe").iterdir())}


def rules(data: bytes) -> set[str]:
    return {f.rule.id for f in examined(data, "m.pt").findings}


@pytest.mark.parametrize("name", ["state", "packed"])
def test_a_state_dict_is_only_noted(name: str) -> None:
    data = fixture(f"pytorch-zip/clean/{name}.pt")
    result = examined(data, "m.pt")
    assert result.formats == ("pytorch-zip", "zip")
    assert {f.rule.id for f in result.findings} == {"pickle/present"}
    assert not result.gaps
    (facts,) = [facts for _, facts in result.facts if facts.format == "pytorch-zip"]
    assert facts.version == "3"
    assert dict(facts.metadata)["byteorder"] == "little"
    weight, bias = facts.tensors
    assert (weight.name, weight.dtype, weight.shape, weight.length) == ("weight", "f32", (2, 3), 24)
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        info = zipped.getinfo("m/data/0")
    names = struct.unpack_from("<2H", data, info.header_offset + 26)
    assert weight.offset == info.header_offset + 30 + sum(names)
    assert bias.length == 8


@pytest.mark.parametrize("name", [name for name in UNSAFE if name.startswith(("payload", "cons", "sec"))])
def test_a_payload_in_any_pickle_is_found(name: str) -> None:
    # PyTorch finds `DATA.PKL` and `constants.pkl` as well, and expands what is compressed.
    assert "pickle/dangerous-callable" in rules(UNSAFE[name].read_bytes())


def test_a_storage_that_nothing_uses_is_opened() -> None:
    assert {"pytorch-zip/unused-storage", "pickle/dangerous-callable"} <= rules(UNSAFE["unused"].read_bytes())


@pytest.mark.parametrize("name", ["missing", "length", "compressed"])
def test_storages_that_are_not_as_declared_are_found(name: str) -> None:
    assert "pytorch-zip/storage" in rules(UNSAFE[name].read_bytes())


def test_a_tensor_past_the_end_of_its_storage_is_found() -> None:
    data = archive(checkpoint(state({"w": tensor(short("0", 6), (2, 3), 1)}), {"0": bytes(24)}))
    assert "pytorch-zip/storage" in rules(data)


def test_a_storage_in_front_of_a_computed_key_is_a_gap() -> None:
    keys = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nc__builtin__\nstr\n)RX\x03\x00\x00\x00cpuK\x06tQ"
    assert inspect_bytes("pytorch-zip", archive(checkpoint(b"\x80\x02" + keys + b".", {"0": bytes(24)}))).gaps


def test_plain_pickles_are_not_handed_on_unless_their_sum_is_wrong() -> None:
    data = archive([*checkpoint(b"\x80\x02).", {}), ("m/constants.pkl", b"\x80\x02).")])
    assert not inspect_bytes("pytorch-zip", data).children
    broken = bytearray(data)
    broken[broken.index(b"PK\x01\x02") + 16] ^= 1
    assert [child.name for child in inspect_bytes("pytorch-zip", bytes(broken)).children] == ["m/data.pkl"]


def test_torchscript_is_surfaced_and_noted() -> None:
    data = fixture("pytorch-zip/script/clean.pt")
    found = inspect_bytes("pytorch-zip", data)
    assert [(t.text, t.kind, t.location.members) for t in found.texts] == [
        (CODE, "code", ("m/code/__torch__.py",))
    ]
    assert {f.rule.id for f in found.findings} == {"pytorch-zip/ships-code"}
    assert not found.gaps


@pytest.mark.parametrize(
    ("name", "rule", "line"),
    [
        ("save", "pytorch-zip/effect", 12),
        ("alias", "pytorch-zip/outside-operator", 12),
        ("outside", "pytorch-zip/outside-operator", 12),
        ("native", "pytorch-zip/outside-operator", None),
    ],
)
def test_code_that_reaches_outside_is_found(name: str, rule: str, line: int | None) -> None:
    found = inspect_bytes("pytorch-zip", fixture(f"pytorch-zip/script/{name}.pt"))
    (finding,) = [f for f in found.findings if f.rule.severity == "high"]
    assert finding.rule.id == rule
    assert finding.location.line == line


@pytest.mark.parametrize(
    ("source", "uses"),
    [
        # Each of these was tried with torch 2.13: it loads and runs what is named here.
        ("y = ops . aten . relu(x)", ["operator aten::relu"]),
        ("y = ops.\\\n  aten.relu(x)", ["operator aten::relu"]),
        ("y = (ops.aten. # why\n relu)(x)", ["operator aten::relu"]),
        ("o = torch.save", ["operator aten::save"]),
        ("o = ops\no.aten.relu(x)", ["indirect ops"]),
        ("o = ops.aten\no.relu(x)", ["indirect ops.aten"]),
        ("y = (ops).aten.relu(x)", ["indirect ops"]),
        ('y = getattr(torch, "relu")(x)', ["indirect torch"]),
        # And these name nothing.
        ('"""torch.save"""; a = "ops.x.y" # torch.load', []),
        ("def f(torch: int, ops=3) -> int:\n  return f(ops=2, torch=1)", []),
        ("a = self.torch.weight + self.ops", []),
        ("x : __torch__.torch.nn.modules.linear.Linear", []),
        ("x : __torch__.torch.classes.quantized.Packed", ["class quantized.Packed"]),
        ("c = __torch__.torch.classes", ["indirect __torch__.torch.classes"]),
        ("torch.", ["indirect torch"]),
    ],
)
def test_references_are_found_as_torch_resolves_them(source: str, uses: list[str]) -> None:
    assert [f"{use.kind} {use.name}" for use in references(source)] == uses


@given(st.text(alphabet="opstrch_. \n\\\"'#=:(ae", max_size=60))
def test_references_never_raise(source: str) -> None:
    assert all(use.line <= source.count("\n") + 1 for use in references(source))


def test_operators_are_classified_and_every_entry_has_its_reason() -> None:
    assert effect_of("aten::relu") is None
    assert effect_of("torchvision::nms") is None
    assert effect_of("aten::save")
    assert effect_of("c10d::send")
    assert effect_of("mylib::run") == ""
    known = load("torchscript.json")
    for table in ("namespaces", "operators", "effects", "effect_namespaces", "classes"):
        assert list(known[table]) == sorted(known[table])
        assert all(reason.strip() for reason in known[table].values())


@given(st.dictionaries(st.text(min_size=1, max_size=5), SHAPES, min_size=1, max_size=40))
def test_places_are_where_the_numbers_are(shapes: dict[str, tuple[int, ...]]) -> None:
    tensors, bodies = {}, {}
    for index, (name, shape) in enumerate(shapes.items()):
        count = 1
        for extent in shape:
            count *= extent
        tensors[name] = tensor(short(str(index), count), shape)
        bodies[str(index)] = struct.pack("<i", index) * count
    data = archive(checkpoint(state(tensors), bodies))
    found = inspect_bytes("pytorch-zip", data)
    assert not found.findings
    assert not found.gaps
    for index, fact in enumerate(found.facts[0].tensors):
        assert data[fact.offset : fact.offset + fact.length] == bodies[str(index)]
    assert {t.name: t.shape for t in found.facts[0].tensors} == shapes


@pytest.mark.parametrize("alignment", [1, 8, 4096])
def test_other_alignments_are_followed(alignment: int) -> None:
    out = io.BytesIO()
    writer = Writer(out, alignment)
    members = checkpoint(state({"w": tensor(short("0", 6), (6,))}), {"0": bytes(24)})
    starts = {
        name: writer.add(name, str(alignment).encode() if name.endswith("alignment") else body)
        for name, body in members
    }
    writer.close()
    (fact,) = inspect_bytes("pytorch-zip", out.getvalue()).facts[0].tensors
    assert fact.offset == starts["m/data/0"]


@pytest.mark.parametrize(
    ("members", "matched"),
    [
        (("m/data.pkl", "m/version"), True),
        (("m/DATA.pkl", "m/data/0"), True),
        (("m/data.pkl", "M/.data/version"), True),
        (("m/data.pkl",), False),
        (("data.pkl", "version"), False),
        (("a/m/data.pkl", "a/m/version"), False),
        ((), False),
    ],
)
def test_it_is_recognised_by_its_members(members: tuple[str, ...], matched: bool) -> None:
    assert by_name()["pytorch-zip"].matches(head_of(CLEAN, members=members)) is matched


def test_truncated_at_every_byte_is_never_clean() -> None:
    for cut in range(4, len(CLEAN), 3):
        assert examined(CLEAN[:cut], "m.pt").gaps, cut


def test_a_broken_pickle_is_reported_and_a_gap() -> None:
    result = examined(fixture("pytorch-zip/broken/pickle.pt"), "m.pt")
    assert "pickle/malformed" in {f.rule.id for f in result.findings}
    assert result.gaps


class Counting:
    """A reader that keeps what it is asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        self.asked: list[tuple[int, int]] = []

    def read_at(self, offset: int, length: int) -> bytes:
        self.asked.append((offset, length))
        with self.path.open("rb") as file:
            file.seek(offset)
            return file.read(length)


def test_numbers_are_never_read(tmp_path: Path) -> None:
    path = tmp_path / "m.pt"
    tensors = {f"w{n}": tensor(short(str(n), 1 << 20), (1 << 10, 1 << 10)) for n in range(300)}
    with path.open("wb") as out:
        writer = Writer(out)
        writer.add("m/data.pkl", state(tensors))
        places = [writer.add(f"m/data/{n}", 4 << 20) for n in range(300)]
        writer.add("m/version", b"3\n")
        writer.close()
    reader = Counting(path)
    found = run(by_name()["pytorch-zip"], reader, Budget(), Location("m.pt"))
    assert not found.findings
    assert [t.offset for t in found.facts[0].tensors] == places
    inside = [at for at, _ in reader.asked if places[0] <= at < places[-1]]
    assert not inside
    assert sum(length for _, length in reader.asked) < 1 << 20


def test_script_members_survive_mutation() -> None:
    assert_survives("pytorch-zip", archive(script(CODE), packed=("m/code/__torch__.py",)))


def test_it_survives_mutation() -> None:
    for name in ("clean/state", "clean/packed", "unsafe/unused"):
        assert_survives("pytorch-zip", fixture(f"pytorch-zip/{name}.pt"))


def test_names_in_broken_utf_8_are_no_trouble() -> None:
    data = CLEAN.replace(b"m/data/1", b"m/data/\xff")
    assert run(by_name()["pytorch-zip"], BytesReader(data), Budget(), Location("m.pt")).findings
