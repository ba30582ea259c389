"""Sigstore bundles and DSSE envelopes: what a changed byte, a missing artefact and a stranger do."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.errors import TrustError
from scanner.model import Digest, FileResult, Origin
from scanner.result import Outcome
from scanner.trust import bundle, sigstore
from scanner.trust.anchors import Signer, Trust, read_anchor
from tests.support import mutate
from tests.trust.made import check, envelope, public_pem, trusting, vectors

pytestmark = pytest.mark.usefixtures("socket_disabled")

BEACON = Signer(
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/"
    "extremely-dangerous-oidc-beacon.yml@refs/heads/main",
    "https://token.actions.githubusercontent.com",
)
KEYS = [ed25519.Ed25519PrivateKey.generate() for _ in range(3)]
STATEMENT = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "model.bin", "digest": {"sha256": hashlib.sha256(b"weights").hexdigest()}}],
    "predicateType": "https://slsa.dev/provenance/v1",
    "predicate": {},
}


def shared(case: str, name: str = "bundle.sigstore.json") -> bytes:
    return (vectors() / case / name).read_bytes()


def test_a_bundle_beside_its_file_is_found_and_named_for_it() -> None:
    data, signature = shared("sc-happy-path-v0.3", "artifact"), shared("sc-happy-path-v0.3")
    for name in ("m.bin.sigstore", "m.bin.sigstore.json", "m.bin.bundle", "anything.sigstore.json"):
        checked = check({"m.bin": data, name: signature}, Trust(signers=(BEACON,)))
        assert checked.only.outcome is Outcome.VERIFIED, checked.only.reason
        assert (checked.only.subject, checked.rules) == (("m.bin",), [])
        assert (checked.only.signer, checked.only.issuer) == (BEACON.identity, BEACON.issuer)
        assert checked.only.signed_at == "2024-03-19T17:26:26Z"
    assert checked.only.root == sigstore.load_root(None).digest
    beside = check({"m.bin": data + b"!", "m.bin.sigstore": signature}, Trust(signers=(BEACON,)))
    assert beside.only.outcome is Outcome.INVALID
    assert "message digest" in beside.only.reason


def test_the_default_root_is_the_one_in_the_sigstore_package_whatever_a_cache_says(
    monkeypatch, tmp_path
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    digest = sigstore.load_root(None).digest
    assert (
        digest == hashlib.sha256((vectors() / "trust/production.trusted_root.json").read_bytes()).hexdigest()
    )
    files = {"a": shared("sc-happy-path-v0.3", "artifact"), "a.sigstore": shared("sc-happy-path-v0.3")}
    assert check(files, Trust(signers=(BEACON,))).only.root == digest
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("signers", "outcome"),
    [
        ((), Outcome.UNSUPPORTED),
        ((BEACON,), Outcome.VERIFIED),
        ((Signer("*", BEACON.issuer),), Outcome.VERIFIED),
        ((Signer(BEACON.identity, "*"),), Outcome.VERIFIED),
        ((Signer("*", "*"),), Outcome.VERIFIED),
        ((Signer("a@b.c", "*"), BEACON), Outcome.VERIFIED),
        ((Signer("*", BEACON.issuer + "/"),), Outcome.UNTRUSTED_SIGNER),
        ((Signer(BEACON.identity[:-1], BEACON.issuer),), Outcome.UNTRUSTED_SIGNER),
        ((Signer(BEACON.identity.upper(), BEACON.issuer),), Outcome.UNTRUSTED_SIGNER),
    ],
)
def test_identities_are_compared_exactly(signers, outcome) -> None:
    files = {"a": shared("sc-happy-path-v0.3", "artifact"), "a.sigstore": shared("sc-happy-path-v0.3")}
    checked = check(files, Trust(signers=signers))
    assert checked.only.outcome is outcome
    if not signers:
        assert "genuine, but no signer was named" in checked.only.reason
        assert checked.rules == ["signatures/cannot-verify"]


def without_logs() -> bytes:
    document = json.loads((vectors() / "trust/production.trusted_root.json").read_text())
    return json.dumps({**document, "tlogs": []}).encode()


def test_a_trusted_root_that_cannot_be_used_is_an_error(tmp_path) -> None:
    files = {"a": shared("sc-happy-path-v0.3", "artifact"), "a.sigstore": shared("sc-happy-path-v0.3")}
    for content in (b"", b"{}", b'{"certificateAuthorities": []}', b"\xff", without_logs()):
        (tmp_path / "root.json").write_bytes(content)
        with pytest.raises(TrustError, match=r"root\.json: cannot be used as a Sigstore trusted root"):
            check(files, Trust(trusted_root=str(tmp_path / "root.json"), signers=(BEACON,)))
    with pytest.raises(TrustError, match="No such file"):
        check(files, Trust(trusted_root=str(tmp_path / "none.json"), signers=(BEACON,)))


@pytest.mark.parametrize(("later", "outcome"), [(0, Outcome.VERIFIED), (-1, Outcome.INVALID)])
def test_the_end_of_a_time_stamp_authority_is_inclusive(tmp_path, later: int, outcome) -> None:
    """As ``sigstore_common.proto`` says and sigstore-python 4.5 does not."""
    case = "sc-rekor2-happy-path"
    root = json.loads(shared(case, "trusted_root.json"))
    stamped = datetime(2025, 6, 12, 12, 2, 20, tzinfo=UTC) + timedelta(seconds=later)
    for authority in root["timestampAuthorities"]:
        authority["validFor"]["end"] = stamped.isoformat().replace("+00:00", "Z")
    (tmp_path / "root.json").write_text(json.dumps(root))
    files = {"a": shared(case, "artifact"), "a.sigstore": shared(case)}
    checked = check(files, Trust(signers=(BEACON,), trusted_root=str(tmp_path / "root.json")))
    assert checked.only.outcome is outcome, checked.only.reason
    assert checked.only.root == hashlib.sha256((tmp_path / "root.json").read_bytes()).hexdigest()


def test_the_library_says_nothing_by_itself(capfd) -> None:
    check({"a": b"1", "a.sigstore": shared("slsa-bundle-no-proof")}, Trust(signers=(BEACON,)))
    check({"a": b"1", "a.sigstore": shared("sc-bundle-with-root-cert_fail")}, Trust(signers=(BEACON,)))
    assert capfd.readouterr() == ("", "")


MESSAGE = ("sc-happy-path-v0.3", "sc-rekor2-happy-path")
ROOTS = {"sc-rekor2-happy-path": "trusted_root.json"}


@given(st.data())
@settings(max_examples=120, deadline=None)
def test_no_changed_byte_of_a_sigstore_bundle_verifies_anything_else(data) -> None:
    case = data.draw(st.sampled_from(MESSAGE))
    original = shared(case)
    changed = bytearray(original)
    changed[data.draw(st.integers(0, len(original) - 1))] ^= data.draw(st.integers(1, 255))
    root = str(vectors() / case / ROOTS[case]) if case in ROOTS else None
    files = {"a": shared(case, "artifact"), "a.sigstore": bytes(changed)}
    checked = check(files, Trust(signers=(BEACON,), trusted_root=root))
    if checked.verified():  # a space, or a part that proves nothing
        (ours,), (theirs,) = bundle.read(bytes(changed)), bundle.read(original)
        assert (ours.certificates, ours.message.signature) == (theirs.certificates, theirs.message.signature)
        assert ours.entries[0].body == theirs.entries[0].body
    file = bytearray(files["a"])
    file[data.draw(st.integers(0, len(file) - 1))] ^= data.draw(st.integers(1, 255))
    files = {"a": bytes(file), "a.sigstore": original}
    assert check(files, Trust(signers=(BEACON,), trusted_root=root)).only.outcome is Outcome.INVALID


@given(st.integers(0, 100_000))
@settings(max_examples=80, deadline=None)
def test_broken_bundles_are_survived(seed: int) -> None:
    for case in ("js-bundleV03-dsse", "sc-intoto-with-custom-trust-root", "slsa-npm-provenance-invalidsig"):
        version = mutate(shared(case), seed)
        checked = check({"a.sigstore.json": version, "b": b"x"}, Trust(signers=(BEACON,)))
        assert not checked.verified()


def test_a_statement_about_something_else_says_so() -> None:
    checked = check({"x": b"1", "y": b"2", "z.sigstore.json": shared("cosign-sign-v1-kubewarden")})
    assert checked.only.outcome is Outcome.UNSUPPORTED
    # The file that the bundle is named for is not what it is about: that is no accident.
    named = check({"x": b"1", "x.sigstore.json": shared("cosign-sign-v1-kubewarden")})
    assert (named.only.outcome, named.rules) == (Outcome.INVALID, ["signatures/invalid"])
    assert "x is not a subject of the signed statement" in named.only.reason


def test_only_the_signed_file_is_covered() -> None:
    files = {"a": shared("sc-happy-path-v0.3", "artifact"), "a.sigstore": shared("sc-happy-path-v0.3")}
    checked = check(files | {"evil.py": b"import os"}, Trust(signers=(BEACON,)))
    assert checked.only.outcome is Outcome.VERIFIED
    assert checked.rules == ["signatures/unsigned-files"]
    assert "evil.py" in checked.findings[0].message


def test_what_was_asked_for_and_is_not_there_is_a_finding() -> None:
    for files in ({"a": b"1"}, {"a": b"1", "a.sig": b"\x89PGP"}):
        checked = check(files, Trust(signers=(BEACON,)))
        assert "signatures/demanded" in checked.rules
        assert not any(v.outcome is Outcome.INVALID for v in checked.signatures)
    assert check({"a": b"1"}).rules == []
    assert check({"a": b"1"}).only.outcome is Outcome.ABSENT


@pytest.mark.parametrize(
    ("data", "outcome", "words"),
    [
        (b"", Outcome.INVALID, "empty"),
        (b"\x89\x50\x47\x50", Outcome.UNSUPPORTED, "neither"),
        (b'{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"', Outcome.INVALID, "malformed"),
        (b'{"a": 1, "a": 2}', Outcome.INVALID, "a key is repeated"),
        (b'{"a": ' + b"[" * 100_000, Outcome.INVALID, "nested too deeply"),
        (b'{"a": NaN}', Outcome.INVALID, "no JSON number"),
        (b'{"a": ' + b"9" * 5000 + b"}", Outcome.INVALID, "malformed"),
        (b'{"a": 1}', Outcome.UNSUPPORTED, "neither"),
    ],
)
def test_files_with_the_name_of_a_signature(data: bytes, outcome, words: str) -> None:
    checked = check({"m": b"1", "m.sig": data})
    assert (checked.only.outcome, words in checked.only.reason) == (outcome, True), checked.only


def test_files_that_only_look_like_signatures_by_name_are_left_alone() -> None:
    assert check({"a.bundle": b"# v2 git bundle", "b.att": b"x"}).only.outcome is Outcome.ABSENT


def test_every_line_of_a_list_of_bundles_is_a_bundle() -> None:
    lines = [
        json.dumps(json.loads(shared(case))).encode() for case in ("sc-happy-path-v0.3", "js-bundleV03-dsse")
    ]
    files = {"a": shared("sc-happy-path-v0.3", "artifact"), "x.intoto.jsonl": b"\n".join(lines) + b"\n"}
    first, second = check(files, Trust(signers=(BEACON,))).signatures
    assert (first.outcome, second.outcome) == (Outcome.VERIFIED, Outcome.UNTRUSTED_SIGNER)


def signed_statement(*keys, **changes) -> bytes:
    return json.dumps(envelope(json.dumps(STATEMENT | changes).encode(), *keys)).encode()


@pytest.mark.parametrize(
    ("signing", "threshold", "outcome"),
    [
        ((0,), 1, Outcome.VERIFIED),
        ((0, 2), 2, Outcome.VERIFIED),
        ((0, 1, 2), 3, Outcome.VERIFIED),
        ((0,), 2, Outcome.UNTRUSTED_SIGNER),
        ((1, 1), 2, Outcome.UNTRUSTED_SIGNER),
    ],
)
def test_k_of_n_different_keys(signing, threshold: int, outcome) -> None:
    files = {"model.bin": b"weights", "model.bin.dsse": signed_statement(*(KEYS[i] for i in signing))}
    checked = check(files, trusting(*KEYS, threshold=threshold))
    assert checked.only.outcome is outcome, checked.only.reason
    assert check(files | {"model.bin": b"other"}, trusting(*KEYS)).only.outcome is Outcome.INVALID


def test_more_keys_may_not_be_asked_for_than_are_given() -> None:
    with pytest.raises(TrustError, match="2 keys have to sign, but 1 were given"):
        check({"a": b""}, trusting(KEYS[0], threshold=2))


def test_envelopes_need_keys_and_statements() -> None:
    files = {"model.bin": b"weights", "model.bin.dsse": signed_statement(KEYS[0])}
    assert check(files).only.outcome is Outcome.UNSUPPORTED
    stranger = ec.generate_private_key(ec.SECP256R1())
    assert check(files, trusting(stranger)).only.outcome is Outcome.UNTRUSTED_SIGNER
    other = json.dumps(envelope(b"anything", KEYS[0], kind="text/plain")).encode()
    checked = check({"model.bin": b"weights", "model.bin.dsse": other}, trusting(KEYS[0]))
    assert checked.only.outcome is Outcome.INVALID
    assert "not an in-toto statement" in checked.only.reason


def test_a_subject_is_found_by_a_rarer_digest_where_a_name_asks_for_it() -> None:
    subject = [{"name": "model.bin", "digest": {"sha512": hashlib.sha512(b"weights").hexdigest()}}]
    files = {
        "model.bin": b"weights",
        "b": b"",
        "c": b"",
        "d.dsse": signed_statement(KEYS[0], subject=subject),
    }
    checked = check(files, trusting(KEYS[0]))
    assert (checked.only.outcome, checked.only.subject) == (Outcome.VERIFIED, ("model.bin",))
    weak = [{"name": "model.bin", "digest": {"md5": "0" * 32}}]
    files["d.dsse"] = signed_statement(KEYS[0], subject=weak)
    assert not check(files, trusting(KEYS[0])).verified()


def test_a_named_signature_has_to_be_about_the_artefact(tmp_path) -> None:
    (tmp_path / "s.json").write_bytes(signed_statement(KEYS[0]))
    signature = (read_anchor(str(tmp_path / "s.json")),)
    trust = Trust(public_keys=trusting(KEYS[0]).public_keys, signatures=signature)
    assert check({"renamed": b"weights"}, trust).only.outcome is Outcome.VERIFIED
    for files in ({"other": b"1"}, {"other": b"1", "more": b"2"}):
        checked = check(files, trust)
        assert (checked.only.outcome, checked.rules) == (Outcome.INVALID, ["signatures/invalid"])


def test_a_pep_740_attestation_is_read_as_the_bundle_it_was_made_from() -> None:
    sha256 = "c1ca9b0d85df1606451098233018534497bf584362e10e4a8c21dfaea92c02a8"
    package = FileResult("p.tar.gz", 1, digests=(Digest("sha256", sha256, Origin.COMPUTED),))
    attestation = shared("pypi-gitlab-0.0.3", "attestation.json")
    checked = check(
        {"p.tar.gz.publish.attestation": attestation},
        Trust(signers=(Signer("*", "https://gitlab.com"),)),
        results=(package,),
    )
    assert checked.only.outcome is Outcome.VERIFIED, checked.only.reason
    document = json.loads(attestation)
    document["envelope"]["statement"] = base64.b64encode(b"{}").decode()
    with_other = {"p.tar.gz.publish.attestation": json.dumps(document).encode()}
    assert check(with_other, Trust(), results=(package,)).only.outcome is Outcome.INVALID


def test_a_managed_key_may_sign_a_statement() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    document = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": ""}, "tlogEntries": []},
        "dsseEnvelope": envelope(json.dumps(STATEMENT).encode(), key),
    }
    files = {"model.bin": b"weights", "model.bin.sigstore": json.dumps(document).encode()}
    checked = check(files, trusting(key))
    assert (checked.only.claim, checked.only.outcome) == ("sigstore-bundle", Outcome.VERIFIED)
    assert checked.only.root == hashlib.sha256(public_pem(key)).hexdigest()


def test_one_signature_does_not_stand_for_two_keys() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    document = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": ""}},
        "dsseEnvelope": envelope(json.dumps(STATEMENT).encode(), key),
    }
    files = {"model.bin": b"weights", "model.bin.sigstore": json.dumps(document).encode()}
    assert check(files, trusting(key, KEYS[0])).only.outcome is Outcome.VERIFIED
    checked = check(files, trusting(key, KEYS[0], threshold=2))
    assert (checked.only.outcome, checked.rules) == (
        Outcome.UNTRUSTED_SIGNER,
        ["signatures/untrusted-signer"],
    )


def test_a_statement_with_weak_digests_only_says_nothing() -> None:
    for digests in ({"md5": "0" * 32}, {"gitCommit": "0" * 40}):
        subject = [{"name": "model.bin", "digest": digests}]
        files = {"model.bin": b"weights", "model.bin.dsse": signed_statement(KEYS[0], subject=subject)}
        checked = check(files, trusting(KEYS[0]))
        assert (checked.only.outcome, "weak" in checked.only.reason) == (Outcome.UNSUPPORTED, True)


def test_what_was_not_read_is_not_covered() -> None:
    files = {"a": shared("sc-happy-path-v0.3", "artifact"), "a.sigstore": shared("sc-happy-path-v0.3")}
    checked = check(files, Trust(signers=(BEACON,)), unread=frozenset({"device"}))
    assert checked.only.outcome is Outcome.VERIFIED
    assert checked.rules == ["signatures/unsigned-files"]


def test_what_would_cost_too_much_is_refused() -> None:
    many = json.loads(signed_statement(KEYS[0]))
    many["signatures"] *= 65
    long = json.loads(shared("slsa-bundle-no-proof"))
    long["verificationMaterial"]["x509CertificateChain"]["certificates"] *= 4
    wide = b'{"x": [' + b"1," * 2_000_001 + b"1]}"
    for data, words in (
        (json.dumps(many).encode(), "more than 64 signatures"),
        (json.dumps(long).encode(), "more than 10 certificates"),
        (wide, "more than 2000000 items"),
    ):
        checked = check({"m": b"1", "m.sig": data}, trusting(*KEYS))
        assert (checked.only.outcome, words in checked.only.reason) == (Outcome.INVALID, True)
