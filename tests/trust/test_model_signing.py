"""Model signatures made by the reference implementation and by us, whole and broken on purpose."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.errors import TrustError
from scanner.result import Outcome
from scanner.trust import bundle
from scanner.trust.anchors import IGNORED, Anchor, Trust, read_anchor
from tests.support import mutate
from tests.trust.made import MODEL, NOW, check, public_pem, signed, statement_of, trusting
from tests.trust.signed.sign import model_files

pytestmark = pytest.mark.usefixtures("socket_disabled")

SIGNED = Path(__file__).parent / "signed"
CASES = sorted(folder.name for folder in SIGNED.iterdir() if (folder / "model.sig").exists())
KEY = ec.generate_private_key(ec.SECP256R1())
OTHER = ec.generate_private_key(ec.SECP256R1())


def given_trust(case: str, now: datetime | None = NOW) -> Trust:
    folder = SIGNED / case
    return Trust(
        public_keys=tuple(read_anchor(str(path)) for path in folder.glob("key.pub")),
        certificate_roots=tuple(read_anchor(str(path)) for path in folder.glob("ca.pem")),
        now=now,
    )


def files_of(case: str) -> dict[str, bytes]:
    files = model_files()
    if case == "key-one-file":
        files = {"weights.bin": files["weights.bin"]}
    return files | {"model.sig": (SIGNED / case / "model.sig").read_bytes()}


def test_the_reference_made_signatures_of_every_kind() -> None:
    assert len(CASES) == 10


@pytest.mark.parametrize("case", [case for case in CASES if case != "certificate-expired"])
def test_signatures_of_the_reference_implementation_verify(case: str) -> None:
    checked = check(files_of(case), given_trust(case))
    assert checked.only.outcome is Outcome.VERIFIED, checked.only.reason
    assert checked.rules == []
    covered = set(checked.only.subject) | set(checked.only.ignored)
    assert covered == files_of(case).keys()
    # Shards leave out empty files, and so nobody signed them.
    assert set(checked.only.ignored) == {"model.sig"} | ({"empty.txt"} if "shards" in case else set())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", sorted(model_files()))
def test_a_changed_a_missing_and_a_grown_file_are_noticed(case: str, name: str) -> None:
    files = files_of(case)
    if name not in files:
        return
    broken = [files | {name: files[name] + b"!"}, {k: v for k, v in files.items() if k != name}]
    if files[name]:
        broken += [files | {name: b"#" + files[name][1:]}, files | {name: files[name][:-1]}]
    for version in broken:
        checked = check(version, given_trust(case))
        if name == "empty.txt" and "shards" in case and name not in version:
            continue
        assert not checked.verified()
        assert checked.rules


@pytest.mark.parametrize(
    ("now", "outcome", "words"),
    [
        (datetime(2020, 6, 1, tzinfo=UTC), Outcome.VERIFIED, "leads to a root"),
        (NOW, Outcome.EXPIRED, "expired on 2021-01-01"),
        (datetime(2019, 6, 1, tzinfo=UTC), Outcome.EXPIRED, "not valid before 2020-01-01"),
        (None, Outcome.UNSUPPORTED, "no time was given"),
    ],
)
def test_without_a_time_stamp_a_certificate_has_to_be_valid_now(now, outcome, words: str) -> None:
    checked = check(files_of("certificate-expired"), given_trust("certificate-expired", now))
    assert (checked.only.outcome, words in checked.only.reason) == (outcome, True), checked.only
    assert ("signatures/expired" in checked.rules) == (outcome is Outcome.EXPIRED)


def test_the_root_is_the_users_and_no_other() -> None:
    files = files_of("certificate-files")
    assert check(files).only.outcome is Outcome.UNSUPPORTED
    stranger = Trust(certificate_roots=given_trust("certificate-expired").certificate_roots, now=NOW)
    checked = check(files, stranger)
    assert checked.only.outcome is Outcome.UNTRUSTED_SIGNER
    assert checked.only.signer == "CN=Publisher"
    with pytest.raises(TrustError, match=r"x.pem: holds no PEM certificate"):
        check(files, Trust(certificate_roots=(Anchor("x.pem", b"nothing"),), now=NOW))


@pytest.mark.parametrize(
    "key",
    [
        KEY,
        ec.generate_private_key(ec.SECP384R1()),
        ec.generate_private_key(ec.SECP521R1()),
        ed25519.Ed25519PrivateKey.generate(),
        rsa.generate_private_key(65537, 2048),
    ],
    ids=["p256", "p384", "p521", "ed25519", "rsa-pss"],
)
def test_every_kind_of_key_signs(key) -> None:
    files = MODEL | {"model.sig": signed(MODEL, key)}
    assert check(files, trusting(OTHER, key)).only.outcome is Outcome.VERIFIED
    assert check(files, trusting(OTHER)).only.outcome is Outcome.UNTRUSTED_SIGNER
    assert check(files).only.outcome is Outcome.UNSUPPORTED


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP256K1()), rsa.generate_private_key(65537, 1024)],
    ids=["secp256k1", "rsa-1024"],
)
def test_weak_or_unusual_keys_are_refused(key) -> None:
    with pytest.raises(TrustError, match="not accepted"):
        check(MODEL, trusting(key))


def test_a_hint_that_claims_our_key_is_a_forgery() -> None:
    document = json.loads(signed(MODEL, OTHER))
    document["verificationMaterial"]["publicKey"]["hint"] = json.loads(signed(MODEL, KEY))[
        "verificationMaterial"
    ]["publicKey"]["hint"]
    checked = check(MODEL | {"model.sig": json.dumps(document).encode()}, trusting(KEY))
    assert checked.only.outcome is Outcome.INVALID
    assert "that key did not make the signature" in checked.only.reason


def test_a_key_that_the_bundle_brings_is_never_trusted() -> None:
    document = json.loads(signed(MODEL, OTHER))
    document["verificationMaterial"]["publicKey"] = {
        "rawBytes": base64.b64encode(public_pem(OTHER)).decode(),
        "keyDetails": "PKIX_ECDSA_P256_SHA_256",
    }
    files = MODEL | {"model.sig": json.dumps(document).encode()}
    assert check(files, trusting(OTHER)).only.outcome is Outcome.VERIFIED
    assert check(files, trusting(KEY)).only.outcome is Outcome.UNTRUSTED_SIGNER
    assert check(files).only.outcome is Outcome.UNSUPPORTED


def digest_of(name: str) -> dict:
    return next(r for r in statement_of(MODEL)["predicate"]["resources"] if r["name"] == name)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"resources": statement_of(MODEL)["predicate"]["resources"][::-1]}, "not sorted"),
        ({"resources": [digest_of("config.json") | {"name": "/etc/passwd"}]}, "not canonical"),
        ({"resources": [digest_of("config.json") | {"name": "a/../config.json"}]}, "not canonical"),
        ({"resources": [digest_of("config.json") | {"name": "./config.json"}]}, "not canonical"),
        ({"resources": [digest_of("config.json") | {"name": "a//b"}]}, "not canonical"),
        ({"resources": [digest_of("config.json") | {"algorithm": "blake3"}]}, "not by sha256"),
        ({"resources": [digest_of("config.json") | {"digest": "ab" * 31}]}, "no sha256 value"),
        ({"resources": [digest_of("config.json") | {"digest": "AB" * 32}]}, "no sha256 value"),
        ({"serialization": {"hash_type": "md5"}}, "the hash md5 is unknown"),
        ({"serialization": {"shard_size": 100}}, "does not go with the method files"),
        ({"serialization": {"method": "shards"}}, "does not go with the method shards"),
        ({"serialization": {"method": "shards", "shard_size": 0}}, "does not go with the method shards"),
        ({"serialization": {"method": "shards", "shard_size": 100}}, "not of the form path:start:end"),
        ({"serialization": {"allow_symlinks": "no"}}, "allow_symlinks is not true or false"),
        ({"serialization": {"ignore_paths": ["./"]}}, "leave out the whole model"),
        ({"_type": "https://in-toto.io/Statement/v0.1"}, "statement of version 1"),
        ({"_type": "https://example.org/x"}, "unknown type"),
        ({"subject": []}, "about nothing"),
        ({"predicate": None}, "serialization is missing"),
    ],
)
def test_a_list_that_breaks_the_specification_is_refused_although_it_is_signed(changes, words: str) -> None:
    checked = check(MODEL | {"model.sig": signed(MODEL, KEY, **changes)}, trusting(KEY))
    assert (checked.only.outcome, words in checked.only.reason) == (Outcome.INVALID, True), checked.only
    assert "signatures/invalid" in checked.rules


@pytest.mark.parametrize(
    "ranges",
    [
        [(0, 100), (100, 199)],
        [(0, 100)],
        [(0, 100), (150, 200)],
        [(0, 150), (150, 200)],
        [(0, 100), (0, 100)],
    ],
)
def test_shards_have_to_cover_the_whole_file(ranges: list[tuple[int, int]]) -> None:
    data = MODEL["weights.bin"]
    resources = [
        {
            "name": f"weights.bin:{a}:{b}",
            "algorithm": "sha256",
            "digest": hashlib.sha256(data[a:b]).hexdigest(),
        }
        for a, b in ranges
    ]
    shards = {"method": "shards", "shard_size": 100}
    files = {"weights.bin": data}
    files["model.sig"] = signed(files, KEY, resources=resources, serialization=shards)
    assert check(files, trusting(KEY)).only.outcome is Outcome.INVALID


def test_what_is_added_to_a_signed_folder_is_found_wherever_it_lies() -> None:
    signature = signed(MODEL, KEY, serialization={"ignore_paths": ["extra.py", ".github"]})
    for name in ("extra.py", ".github/run.py", "sub/.gitattributes", "deep/er/x"):
        checked = check(MODEL | {name: b"x", "model.sig": signature}, trusting(KEY))
        assert (checked.only.outcome, checked.only.unsigned) == (Outcome.INVALID, (name,))
        assert set(checked.only.subject) == set(MODEL)
        assert "signatures/unsigned-files" in checked.rules
        assert "signatures/invalid" not in checked.rules
    # Git's own text files at the top, and what the user names, need no signature and are listed.
    extra = {".gitattributes": b"", ".gitignore": b"", "notes/a.md": b"x"}
    trust = trusting(KEY, ignore=(*IGNORED, "notes"))
    checked = check(MODEL | extra | {"model.sig": signature}, trust)
    assert checked.only.outcome is Outcome.VERIFIED
    assert set(checked.only.ignored) == {*extra, "model.sig"}
    assert checked.rules == []


def test_what_could_not_be_read_is_neither_signed_nor_forgotten() -> None:
    signature = signed(MODEL, KEY)
    checked = check(MODEL | {"model.sig": signature}, trusting(KEY), unread=frozenset({"link.py"}))
    assert (checked.only.outcome, checked.only.unsigned) == (Outcome.INVALID, ("link.py",))
    part = {name: data for name, data in MODEL.items() if name != "weights.bin"}
    checked = check(part | {"model.sig": signature}, trusting(KEY), unread=frozenset({"weights.bin"}))
    assert checked.only.outcome is Outcome.UNSUPPORTED


def test_a_remote_artefact_is_never_verified() -> None:
    files = MODEL | {"model.sig": signed(MODEL, KEY)}
    checked = check(files, trusting(KEY), whole=False)
    assert checked.only.outcome is Outcome.UNSUPPORTED
    assert "not read whole" in checked.only.reason
    assert checked.rules == ["signatures/cannot-verify", "signatures/demanded"]
    # A signature that is wrong by itself is wrong from afar as well.
    broken = json.loads(files["model.sig"])
    broken["dsseEnvelope"]["payload"] = base64.b64encode(b"{}").decode()
    files["model.sig"] = json.dumps(broken).encode()
    assert check(files, trusting(KEY), whole=False).only.outcome is Outcome.INVALID


def test_a_signature_may_lie_in_the_parent_folder() -> None:
    files = {f"model/{name}": data for name, data in MODEL.items()}
    files["model.sig"] = signed(MODEL, KEY)
    checked = check(files, trusting(KEY))
    assert checked.only.outcome is Outcome.VERIFIED
    checked = check(files | {"model/extra": b""}, trusting(KEY))
    assert checked.only.unsigned == ("model/extra",)
    checked = check(files | {"beside": b""}, trusting(KEY))
    assert checked.only.outcome is Outcome.VERIFIED
    assert checked.rules == ["signatures/unsigned-files"]


def test_two_signers_do_not_have_to_sign_each_others_signature() -> None:
    files = MODEL | {"a.sig": signed(MODEL, KEY), "b.sig": signed(MODEL, OTHER)}
    checked = check(files, trusting(KEY, OTHER))
    assert [v.outcome for v in checked.signatures] == [Outcome.VERIFIED, Outcome.VERIFIED]
    assert checked.rules == []


PLAIN = signed(MODEL, KEY)
(PARSED,) = bundle.read(PLAIN)


@given(st.integers(0, len(PLAIN) - 1), st.integers(1, 255))
@settings(max_examples=150, deadline=None)
def test_no_changed_byte_of_a_bundle_verifies_anything_else(position: int, change: int) -> None:
    changed = bytearray(PLAIN)
    changed[position] ^= change
    checked = check(MODEL | {"model.sig": bytes(changed)}, trusting(KEY))
    if checked.verified():  # what changed is a hint or a space
        (entry,) = bundle.read(bytes(changed))
        assert entry.envelope.payload == PARSED.envelope.payload
        assert entry.envelope.signatures[0][1] == PARSED.envelope.signatures[0][1]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_no_changed_byte_of_signature_statement_or_file_verifies(data) -> None:
    document = json.loads(PLAIN)
    files = dict(MODEL)
    what = data.draw(st.sampled_from(["signature", "statement", *MODEL]))
    original = {
        "signature": PARSED.envelope.signatures[0][1],
        "statement": PARSED.envelope.payload,
    }.get(what) or MODEL[what]
    changed = bytearray(original)
    changed[data.draw(st.integers(0, len(original) - 1))] ^= data.draw(st.integers(1, 255))
    encoded = base64.b64encode(bytes(changed)).decode()
    if what == "signature":
        document["dsseEnvelope"]["signatures"][0]["sig"] = encoded
    elif what == "statement":
        document["dsseEnvelope"]["payload"] = encoded
    else:
        files[what] = bytes(changed)
    checked = check(files | {"model.sig": json.dumps(document).encode()}, trusting(KEY))
    assert not checked.verified()
    assert checked.only.outcome in {Outcome.INVALID, Outcome.UNTRUSTED_SIGNER}


@given(st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_every_truncation_and_mutation_of_real_bundles_is_survived(seed: int) -> None:
    for case in ("certificate-files", "key-shards-sha256", "legacy-p384"):
        original = (SIGNED / case / "model.sig").read_bytes()
        files = files_of(case)
        for version in (mutate(original, seed), original[: seed % len(original)]):
            checked = check(files | {"model.sig": version}, given_trust(case))
            assert (
                not checked.verified()
                or bundle.read(version)[0].envelope == bundle.read(original)[0].envelope
            )
