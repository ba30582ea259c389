"""A policy that names its signers needs no options beside it."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.support import weighbridge
from tests.trust.made import vectors

CASE = "oms-v1.0.1-sigstore"
POLICY = """version: 1
name: signed
gate: {{fail_on: critical}}
gaps: {{allow: true}}
signatures:
  required: true
  cover_all: false
  identities:
    - signer: "{signer}"
      issuer: "{issuer}"
"""
ISSUER = "https://sigstore.verify.ibm.com/oauth2"


@pytest.mark.parametrize(
    ("signer", "issuer", "code"),
    [
        ("stefanb@us.ibm.com", ISSUER, 0),
        ("*@us.ibm.com", ISSUER, 0),
        ("somebody@us.ibm.com", ISSUER, 1),
        ("*@example.com", ISSUER, 1),
        ("stefanb@us.ibm.com", "https://accounts.google.com", 1),
    ],
)
def test_the_signers_of_a_policy_are_those_who_are_looked_for(tmp_path, signer, issuer, code) -> None:
    shutil.copytree(vectors() / CASE / "model", tmp_path / "model")
    shutil.copy(vectors() / CASE / "model.sig", tmp_path / "model")
    (tmp_path / "model" / "ignore-me").unlink()  # which is not signed
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY.format(signer=signer, issuer=issuer))
    result = weighbridge("scan", str(tmp_path / "model"), "--policy", str(policy), "--format", "json")
    report = json.loads(result.stdout)
    outcomes = {entry["outcome"] for entry in report["verifications"] if entry["claim"] == "oms"}
    assert result.returncode == code, (report["verdict"], outcomes)
    assert outcomes
