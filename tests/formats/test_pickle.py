from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.formats.pickle.callables import classify
from scanner.wire.pickle_values import Global
from tests.support import FIXTURES, assert_survives, fixture, inspect_bytes, names_of, rules_of

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@pytest.mark.parametrize("protocol", range(6))
def test_data_is_only_noted(protocol: int) -> None:
    data = fixture(f"pickle/clean/p{protocol}.pkl")
    found = inspect_bytes("pickle", data)
    assert "pickle" in names_of(data)
    assert rules_of(found) == {"pickle/present"}
    assert not found.gaps


@pytest.mark.parametrize("path", sorted((FIXTURES / "pickle" / "unsafe").iterdir()), ids=lambda p: p.stem)
def test_every_shape_of_a_payload_is_found(path: Path) -> None:
    # GHSA-mxhj-88fx-4pcv (OBJ that is popped), GHSA-9m3x-qqw2-h32h (memo), nullifAI (broken behind).
    data = path.read_bytes()
    assert "pickle" in names_of(data)
    dangerous = [
        dict(f.evidence) for f in inspect_bytes("pickle", data).findings if f.rule.severity == "critical"
    ]
    assert {f["callable"] for f in dangerous} == {"posix.system"}
    assert {f["use"] for f in dangerous} in ({"import", "call"}, {"import", "new"})


def test_a_payload_before_a_fault_is_reported_together_with_the_fault() -> None:
    found = inspect_bytes("pickle", fixture("pickle/unsafe/then-broken.pkl"))
    assert {"pickle/dangerous-callable", "pickle/malformed"} <= rules_of(found)
    assert found.gaps


def test_a_cut_pickle_is_never_clean() -> None:
    data = fixture("pickle/clean/p4.pkl")
    for cut in range(2, len(data)):
        assert inspect_bytes("pickle", data[:cut]).gaps, cut


def test_bytes_handed_to_an_unpickler_are_followed() -> None:
    found = inspect_bytes("pickle", fixture("pickle/unsafe-other/nested.pkl"))
    (child,) = found.children
    assert child.read_as == "pickle"
    assert b"posix" in child.reader.read_at(0, child.reader.size)


def test_a_dotted_name_is_walked() -> None:
    # GHSA-5j3x-jp52-966f: STACK_GLOBAL walks attributes.
    assert "pickle/dangerous-callable" in rules_of(
        inspect_bytes("pickle", fixture("pickle/unsafe-other/dotted.pkl"))
    )


def test_extension_codes_are_never_silent() -> None:
    found = inspect_bytes("pickle", fixture("pickle/unsafe-other/extension.pkl"))
    assert "pickle/unknown-callable" in rules_of(found)


def test_rewriting_an_imported_object_is_dangerous() -> None:
    # modelscan issue 330: numpy's __builtins__ reached by name and changed by BUILD.
    found = inspect_bytes("pickle", fixture("pickle/unsafe-other/build-on-global.pkl"))
    assert any(dict(f.evidence)["use"] == "state" for f in found.findings if f.rule.severity == "critical")


def test_what_lies_behind_is_handed_on() -> None:
    found = inspect_bytes("pickle", fixture("pickle/broken/trailing.pkl"))
    assert "pickle/trailing-data" in rules_of(found)
    assert [c.reader.read_at(0, 3) for c in found.children] == [b"\x00\x01\x02"]


@pytest.mark.parametrize(
    ("module", "name", "verdict"),
    [
        ("collections", "OrderedDict", "safe"),
        ("__builtin__", "set", "safe"),
        ("__builtin__", "eval", "executes"),
        ("asyncio.unix_events", "_UnixSubprocessTransport._start", "executes"),  # CVE-2025-10157
        ("pip", "main", "executes"),  # CVE-2025-1716
        ("pkgutil", "resolve_name", "resolves-names"),  # GHSA-vvpj-8cmc-gx39
        ("_interpreters", "run_string", "executes"),  # GHSA-6ggj-6f2q-f7mx
        ("commands", "getoutput", "executes"),
        ("torch.storage", "_load_from_bytes", "executes"),
        ("torch", "os.system", "resolves-names"),
        ("collections", "OrderedDict.__class__", "resolves-names"),
        ("mypackage", "restore", "unknown"),
    ],
)
def test_three_classes_and_never_silence(module: str, name: str, verdict: str) -> None:
    assert classify(Global(module, name)) == verdict


@given(PLAIN, st.integers(0, 5))
def test_plain_data_is_never_slandered(value, protocol: int) -> None:
    found = inspect_bytes("pickle", pickle.dumps(value, protocol=protocol))
    assert {f.rule.id for f in found.findings if f.rule.severity.rank >= 3} == set()
    assert not found.gaps


class Mine:
    """An object of a class that nobody vouches for."""

    def __init__(self) -> None:
        self.value = Fraction(1, 3)


class _Spy(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.seen: set[str] = set()

    def find_class(self, module: str, name: str):
        self.seen.add(f"{module}.{name}")
        return super().find_class(module, name)


@pytest.mark.parametrize("protocol", range(6))
def test_it_reports_what_the_unpickler_looks_up(protocol: int) -> None:
    data = pickle.dumps([OrderedDict(a=1), complex(1, 2), {3}, Mine(), Path.cwd], protocol=protocol)
    spy = _Spy(data)
    spy.load()
    reported = {dict(f.evidence).get("callable") for f in inspect_bytes("pickle", data).findings} - {None}
    assert f"{__name__}.Mine" in reported & spy.seen
    assert reported <= spy.seen


@pytest.mark.parametrize("dtype", ["f4", "i8", "U5", "O"])
def test_joblib_arrays_are_skipped_by_their_declared_length(tmp_path: Path, dtype: str) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump({"a": np.zeros((3, 5), dtype), "then": OrderedDict(x=1)}, path)
    found = inspect_bytes("pickle", path.read_bytes())
    assert not found.gaps
    assert rules_of(found) == {"pickle/present"}
    assert found.facts[0].format == "joblib"


@pytest.mark.parametrize("write", [joblib.dump, lambda value, path: path.write_bytes(pickle.dumps(value, 4))])
def test_what_follows_a_large_vocabulary_is_still_known(tmp_path: Path, write) -> None:
    path = tmp_path / "model.bin"
    vocabulary = {f"word{n}": (n,) for n in range(210_000)}
    write([vocabulary, np.arange(3.0), np.arange(4.0), np.float64(1), OrderedDict(a=1), Fraction(1, 3)], path)
    found = inspect_bytes("pickle", path.read_bytes())
    assert rules_of(found) == {"pickle/present"}
    assert not found.gaps


def test_a_payload_behind_a_joblib_array_is_found(tmp_path: Path) -> None:
    # picklescan 1.0.5 stops at the first array.
    path = tmp_path / "model.joblib"
    joblib.dump([np.arange(100.0), Mine()], path)
    assert "pickle/unknown-callable" in rules_of(inspect_bytes("pickle", path.read_bytes()))


def test_it_survives_mutation() -> None:
    for name in ("clean/p0", "clean/p4", "unsafe/global", "unsafe-other/nested"):
        assert_survives("pickle", fixture(f"pickle/{name}.pkl"))


def test_a_million_marks_and_tuples_are_no_trouble() -> None:
    assert inspect_bytes("pickle", b"\x80\x02" + b"(" * 1_000_000).gaps
    assert not inspect_bytes("pickle", b"\x80\x02)" + b"\x85" * 1_000_000 + b".").gaps


@pytest.mark.parametrize("length", [128, 384, 1408, 0x280080, 0x420280])
def test_the_length_of_a_safetensors_header_is_no_pickle(length: int) -> None:
    data = length.to_bytes(8, "little") + b'{"w":' + b" " * 40
    assert names_of(data) == {"safetensors"}


def test_a_pickle_that_looks_like_such_a_length_is_still_one() -> None:
    for opcode in (b"V\0\0\0\0\0{", b"B\x04\0\0\0\0{xy", b"U\x09\0\0\0\0{xyz0"):
        assert "pickle" in names_of(b"\x80\x02" + opcode + b" " * 5000 + b"\ncposix\nsystem\n.")


@pytest.mark.parametrize(
    "text",
    [
        "category,label\nspam,1\n",
        "class Model:\n    pass\n\n",
        "chapter one\nit was a dark night\n",
        "config\nvalue\nxyz\n",
        "ca-certificates (2023) unstable; urgency=medium\n\n  * Rebuild.\n",
        "Format: https://localhost/\nUpstream-Name: R\nSource: here\nRRRR\n\nFiles: *\n",
        "(a) first\n(b) second\n",
        "café\nthé\nvin\n",
        "c'est déjà\nune table\n",
    ],
)
@pytest.mark.parametrize("times", [1, 600])
def test_texts_that_begin_with_the_letter_of_an_opcode_are_no_pickles(text: str, times: int) -> None:
    assert "pickle" not in names_of((text * times).encode())


@pytest.mark.parametrize(
    "stream",
    [
        b"cos\nsystem\n" + b"x" * 5000,
        b"cmypackage\nrestore\n(lp0\n" + b"F1.5\na" * 1000,
        b"(cmypackage\nrestore\nS'" + b"x" * 5000,
        b"cmypackage\nrestore\n(tR(lp0\n" + b"F1.5\na" * 1000,
        b"cmypackage\nrestore\n(tR~" + b"x" * 5000,
        b"(S'true'\nios\nsystem\n~" + b"x" * 5000,
    ],
)
def test_pickles_without_magic_are_known_by_what_they_reach(stream: bytes) -> None:
    assert "pickle" in names_of(stream)
