"""All shared signature cases: the outcome that the specification demands, for the reason it states."""

from __future__ import annotations

import base64
import json

import pytest

from scanner.errors import FormatError, TrustError
from scanner.model import Digest, FileResult, Origin
from scanner.result import Outcome
from scanner.trust import bundle, manifest, statement
from scanner.trust.anchors import IGNORED, Anchor, Signer, Trust, read_anchor
from tests.trust.made import NOW, Checked, cases, check, tree, vectors

pytestmark = pytest.mark.usefixtures("socket_disabled")

INVALID, STRANGER, UNSUPPORTED = Outcome.INVALID, Outcome.UNTRUSTED_SIGNER, Outcome.UNSUPPORTED

# Every case that must not verify: what comes out, and words of the reason.
EXPECTED = {
    "sc-bundle-malformed-json_fail": (INVALID, "malformed JSON"),
    "sc-bundle-negative-log-index_fail": (INVALID, "logIndex"),
    "sc-bundle-with-root-cert_fail": (INVALID, "brings a root certificate"),
    "sc-checkpoint-wrong-roothash_fail": (INVALID, "invalid root hash"),
    "sc-dsse-mismatch-sig_fail": (INVALID, "signatures do not match"),
    "sc-incorrect-public-key_fail": (INVALID, "names another key"),
    "sc-integrated-time-in-future_fail": (INVALID, "outside the certificate's validity"),
    "sc-intoto-log-entry-mismatch_fail": (INVALID, "log entry is about another signature"),
    "sc-intoto-set-outside-signing-cert-validity_fail": (INVALID, "outside the certificate's validity"),
    "sc-invalid-ct-key_fail": (INVALID, "SCT"),
    "sc-message-digest-mismatch_fail": (INVALID, "message digest"),
    "sc-rekor2-checkpoint-missing-log-signature_fail": (INVALID, "must contain at least one signature"),
    "sc-rekor2-checkpoint-missing-size_fail": (INVALID, "malformed LogCheckpoint"),
    "sc-rekor2-dsse-mismatch-envelope_fail": (INVALID, "signatures do not match"),
    "sc-rekor2-timestamp-outside-trust-root-tsa-validity_fail": (
        INVALID,
        "not enough sources of verified time",
    ),
    "sc-rekor2-timestamp-untrusted-tsa-without-embedded-cert_fail": (
        INVALID,
        "not enough sources of verified time",
    ),
    "sc-rekor2-timestamp-with-incorrect-time_fail": (INVALID, "time-stamped at"),
    "sc-set-invalid-signature_fail": (INVALID, "SET: invalid inclusion promise"),
    "sc-signature-mismatch_fail": (INVALID, "signature over the file was not made by the key"),
    "sc-wrong-hashedrekord-artifact_fail": (INVALID, "log entry is about another"),
    "sc-wrong-hashedrekord-entry_fail": (INVALID, "log entry is about another"),
    "sc-wrong-material_fail": (INVALID, "message digest in the bundle is not the file's"),
    "sp-v3-staging-wrong-issuer": (STRANGER, "(https://accounts.google.com)"),
    "sp-v3-staging-under-production": (STRANGER, "authority that the trusted root does not name"),
    "sp-tsa-duplicate": (INVALID, "duplicate timestamp"),
    "sp-tsa-late": (INVALID, "time-stamped at"),
    "sp-rekor2-dsse-subject-mismatch": (INVALID, "is not a subject of the signed statement"),
    "sp-bundle-cve-2022-36056": (INVALID, "log entry is about another"),
    "sp-bundle-no-cert-v1": (INVALID, "certificate chain is empty"),
    "sp-bundle-v3-no-signed-time": (INVALID, "no signed time"),
    "js-bundleV01-intoto-with-proof": (UNSUPPORTED, "intoto/0.0.2"),
    "js-bundleV02-intoto": (UNSUPPORTED, "intoto/0.0.2"),
    "go-sigstore-js-2.0.0-provenance": (UNSUPPORTED, "intoto/0.0.2"),
    "gh-custom-issuer-default-issuer-policy": (STRANGER, "hammer-time"),
    "gh-missing-material": (INVALID, "verificationMaterial is missing"),
    "gh-private-repo-tsa-only": (UNSUPPORTED, "no transparency log entry"),
    "pypi-models-0.0.4a2-wrong-artifact": (INVALID, "is not a subject of the signed statement"),
    "slsa-bcr-module-wrong-signer": (STRANGER, "malicious_attestation.yaml"),
    "slsa-bundle-no-proof": (UNSUPPORTED, "no inclusion proof"),
    "slsa-bundle-mismatch-tlog": (INVALID, "log entry is about another"),
    "oms-v0.3.1-certificate-tampered": (INVALID, "not the signed ones: signme-1"),
    "oms-v0.3.1-elliptic-key-tampered": (INVALID, "not the signed ones: signme-1"),
    "oms-v1.0.0-sigstore-tampered": (INVALID, "not the signed ones: signme-1"),
    "oms-v1.0.1-sigstore-tampered": (INVALID, "not the signed ones: signme-1"),
    "oms-v1.1.0-certificate-extra-file": (INVALID, "files are not signed"),
    "oms-v1.1.0-certificate-missing-file": (INVALID, "signed files are missing: signme-1"),
    "oms-v1.1.0-elliptic-key-tampered": (INVALID, "not the signed ones: signme-1"),
    "oms-v1.1.0-elliptic-key-extra-file": (INVALID, "files are not signed"),
    "oms-v1.1.0-elliptic-key-missing-file": (INVALID, "signed files are missing: signme-1"),
    "oms-v1.1.0-sigstore-wrong-identity": (STRANGER, "not by someone@us.ibm.com"),
    "nv-mcore-linting-and-formatting-tampered": (INVALID, "not the signed ones: SKILL.md"),
    "nv-mcore-split-pr-tampered": (INVALID, "not the signed ones: SKILL.md"),
    "nv-mcore-create-issue-tampered": (INVALID, "not the signed ones: SKILL.md"),
    # Signed by another authority, as the vector says, and its SKILL.md was changed since.
    "nv-amc-setup-calibration-stack": (INVALID, "does not lead to a root that you gave"),
    "own-key-p256-wrong-key": (STRANGER, "another key"),
    "own-key-p521-wrong-key": (STRANGER, "another key"),
    "own-hash-blake3-tampered": (INVALID, "not the signed ones: config.json"),
    "own-root-digest-wrong": (INVALID, "root digest"),
    "own-two-subjects": (INVALID, "2 subjects"),
    "own-duplicate-name": (INVALID, "config.json is listed twice"),
    "own-traversal-unsigned-mode": (INVALID, "'../key.pub' is not canonical or leaves the model"),
    "own-ignore-all": (INVALID, "leave out the whole model"),
    "own-method-unknown": (INVALID, "method 'tensors' is unknown"),
    "own-empty-resources": (INVALID, "no file is signed"),
    "own-dsse-1of3": (STRANGER, "1 of the 3 keys that you gave signed it, 2 have to"),
    "own-dsse-same-key-twice": (STRANGER, "1 of the 3 keys that you gave signed it, 2 have to"),
    "own-dsse-one-bad": (INVALID, "key1.pub was not made by that key"),
}
# Material of the user's that cannot be used: nothing is decided, and that is said (exit code 2).
UNUSABLE = {
    "sc-managed-key-wrong-key_fail": "key.pub: is no PEM public key",
    "sc-trust-root-tlog-missing-validity-start_fail": "validFor.start",
}
RULES = {
    INVALID: "signatures/invalid",
    STRANGER: "signatures/untrusted-signer",
    UNSUPPORTED: "signatures/cannot-verify",
}
SCHEMA = {
    "spec-invalid-empty": "the file is empty",
    "spec-invalid-missing-envelope": "either a dsseEnvelope or a messageSignature",
    "spec-invalid-payload-wrong-predicate": "is not that of a model signature",
}
SIGNATURES = ("model.sig", "bundle.sigstore.json", "attestation.json", "envelope.json")
SPECIAL = {"slsa-npm-provenance-invalidsig"}


def options(case: dict) -> Trust:
    folder = vectors() / case["id"]
    signature = next(name for name in SIGNATURES if name in case["files"])
    named = (case["trust"] or "").split(",")
    roots = [name for name in named if name.endswith("trusted_root.json")]
    shipped = vectors() / "trust" / f"{case['trust']}.trusted_root.json"
    root = shipped if shipped.exists() else folder / roots[0] if roots else None
    return Trust(
        public_keys=tuple(read_anchor(str(folder / name)) for name in named if name.endswith(".pub")),
        threshold=case.get("threshold", 1),
        certificate_roots=tuple(read_anchor(str(folder / name)) for name in named if name.endswith(".pem")),
        trusted_root=str(root) if root else None,
        signers=(Signer(case["identity"], case["issuer"]),) if case.get("identity") else (),
        now=NOW,
        ignore=(*IGNORED, *case.get("ignore_paths", ())),
        signatures=(read_anchor(str(folder / signature)),),
    )


def absent_artefact(case: dict) -> FileResult:
    """Stands for a package whose bytes are not kept: its digests, as if we had computed them."""
    if "artifact_sha256" in case or case["id"] == "gh-missing-material":
        digests = {"sha256": case.get("artifact_sha256", "0" * 64)}
    else:
        (entry, *_) = bundle.read((vectors() / case["id"] / "bundle.sigstore.json").read_bytes())
        subject = json.loads(entry.envelope.payload)["subject"][0]
        digests = {"sha256": "0" * 64, **subject["digest"]}
    computed = tuple(Digest(name, value, Origin.COMPUTED) for name, value in digests.items())
    return FileResult(case.get("artifact_name", "package"), 1, digests=computed)


def run(case: dict, trust: Trust) -> Checked:
    folder = vectors() / case["id"]
    if (folder / "model").is_dir():
        return check(tree(folder / "model"), trust)
    beside = {"key.pub", "ca.pem", "trusted_root.json", *SIGNATURES, "key0.pub", "key1.pub", "key2.pub"}
    files = {name: data for name, data in tree(folder).items() if name not in beside}
    return check(files, trust, results=() if files else (absent_artefact(case),))


def named(kind: str) -> list:
    chosen = [
        case
        for case in cases()
        if {
            "pass": case["expect"] == "pass",
            "refused": case["id"] in EXPECTED,
            "unusable": case["id"] in UNUSABLE,
            "schema": case["kind"] == "oms-schema",
        }[kind]
    ]
    return [pytest.param(case, id=case["id"]) for case in chosen]


def test_every_case_is_claimed_once() -> None:
    passing = {case["id"] for case in cases() if case["expect"] in {"pass", "schema-valid"}}
    groups = (passing, EXPECTED.keys(), UNUSABLE.keys(), SCHEMA.keys(), SPECIAL)
    assert sorted(case["id"] for case in cases()) == sorted(ident for group in groups for ident in group)
    assert len(cases()) == 115
    assert {c["id"] for c in cases() if c["expect"] == "unsupported"} == {
        ident for ident, (outcome, _) in EXPECTED.items() if outcome is UNSUPPORTED
    }


@pytest.mark.parametrize("case", named("pass"))
def test_genuine(case) -> None:
    checked = run(case, options(case))
    assert checked.only.outcome is Outcome.VERIFIED, checked.only.reason
    assert checked.only.subject
    assert len(checked.only.root) == 64
    assert checked.rules == []


@pytest.mark.parametrize("case", named("refused"))
def test_refused_for_the_stated_reason(case) -> None:
    checked = run(case, options(case))
    outcome, words = EXPECTED[case["id"]]
    assert (checked.only.outcome, words in checked.only.reason) == (outcome, True), checked.only
    rule = "signatures/unsigned-files" if "are not signed" in words else RULES[outcome]
    assert rule in checked.rules
    # What cannot be verified is not what was asked for.
    assert ("signatures/demanded" in checked.rules) == (outcome is UNSUPPORTED)


@pytest.mark.parametrize("case", named("unusable"))
def test_unusable_material_is_an_error(case) -> None:
    with pytest.raises(TrustError, match=UNUSABLE[case["id"]]):
        run(case, options(case))


def test_a_managed_key_is_verified_with_the_key_of_its_log_entry_and_with_no_other() -> None:
    """The key of the case above is not even a key; here are the right one and a wrong one."""
    (case,) = (case for case in cases() if case["id"] == "sc-managed-key-wrong-key_fail")
    folder = vectors() / case["id"]
    (entry,) = bundle.read((folder / "bundle.sigstore.json").read_bytes())
    logged = base64.b64decode(entry.entries[0].body["spec"]["signature"]["publicKey"]["content"])
    other = (vectors() / "own-key-p256" / "key.pub").read_bytes()
    signature = (read_anchor(str(folder / "bundle.sigstore.json")),)
    files = {"artifact": (folder / "artifact").read_bytes()}
    right = check(files, Trust(public_keys=(Anchor("right.pub", logged),), signatures=signature)).only
    wrong = check(files, Trust(public_keys=(Anchor("wrong.pub", other),), signatures=signature)).only
    assert (right.outcome, right.signer) == (Outcome.VERIFIED, "right.pub")
    assert (wrong.outcome, "another key" in wrong.reason) == (Outcome.UNTRUSTED_SIGNER, True)
    assert check(files, Trust(signatures=signature)).only.outcome is UNSUPPORTED
    changed = {"artifact": files["artifact"] + b"!"}
    trust = Trust(public_keys=(Anchor("right.pub", logged),), signatures=signature)
    assert check(changed, trust).only.outcome is Outcome.INVALID


def test_a_document_with_two_attestations_is_two_verifications() -> None:
    (case,) = (case for case in cases() if case["id"] == "slsa-npm-provenance-invalidsig")
    publish, provenance = run(case, options(case)).signatures
    assert (publish.outcome, "no public key was given" in publish.reason) == (UNSUPPORTED, True)
    assert provenance.outcome is INVALID
    assert "not made by the key of the certificate" in provenance.reason


@pytest.mark.parametrize("case", named("schema"))
def test_the_structure_of_model_signatures(case) -> None:
    data = (vectors() / case["id"] / "bundle.json").read_bytes()
    if case["expect"] == "schema-valid":
        (entry,) = bundle.read(data)
        assert manifest.parse(statement.parse(entry.envelope)).resources
        return
    with pytest.raises(FormatError) as refused:
        manifest.parse(statement.parse(bundle.read(data)[0].envelope))
    assert SCHEMA[case["id"]] in refused.value.reason
