"""Sources behind TLS: an authority of one's own is believed where it is named, and nothing else is."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.hub import Hub, blob

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test hub")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(True, None), True)
        .add_extension(identifier, False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), False)
        .add_extension(x509.KeyUsage(True, False, False, False, False, True, True, False, False), True)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = tmp_path_factory.mktemp("tls") / "hub.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(serialization.Encoding.PEM, *form)
    )
    return path


@pytest.fixture
def secured(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Hub(cdn=True, tls=context) as hub:
        hub.model("org/name").commit({"a.txt": b"text\n", "b.txt": blob(b"text\n", lfs=True)})
        yield hub


def scan(text: str, hub: Hub, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {n: v for n, v in os.environ.items() if not n.startswith(("HF_", "SSL_", "REQUESTS_", "CURL_"))}
    return subprocess.run(
        [sys.executable, "-m", "scanner", "scan", text, "--endpoint", hub.url],
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=60, env={**clean, **environment},
    )  # fmt: skip


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_an_authority_of_ones_own_is_believed_where_it_is_named(secured: Hub, certificate, variable) -> None:
    done = scan("hf://org/name", secured, **{variable: str(certificate)})
    assert done.returncode == 0, done.stderr
    address = f"{secured.url}/org/name/resolve/main/a.txt"
    assert scan(address, secured, **{variable: str(certificate)}).returncode == 0


@pytest.mark.parametrize("path", ["hf", "web"])
def test_any_other_one_is_not(secured: Hub, path: str) -> None:
    with Hub() as other:
        done = scan("hf://org/name", secured) if path == "hf" else scan(f"{secured.url}/a", other)
    assert done.returncode == 2
    assert "certificate is not trusted" in done.stderr
    assert "SSL_CERT_FILE" in done.stderr


@pytest.mark.parametrize(("where", "code"), [("/tree/", 2), ("GET .*resolve/", 3)])
def test_a_redirect_to_where_nothing_is_protected_is_refused(secured, certificate, where, code) -> None:
    with Hub() as plain:
        plain.model("org/name").commit({"a.txt": b"text\n"})
        location = f"{plain.url}/api/models/org/name/tree/main?recursive=true"
        secured.fault(where, "downgrade", location=location)
        done = scan("hf://org/name", secured, SSL_CERT_FILE=str(certificate))
    assert done.returncode == code
    assert "unprotected address" in done.stdout + done.stderr
