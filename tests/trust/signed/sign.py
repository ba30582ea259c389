"""Make the signatures of this folder with the reference implementation, and throw the keys away.

In an environment of its own: ``pip install model-signing==1.1.1 pyOpenSSL`` and ``python sign.py``;
for the format before 1.0 ``pip install model-signing==0.2.0 'sigstore<4' sigstore-protobuf-specs==0.3.2``
and ``python sign.py legacy``. The model is made by ``model_files()`` of the tests, not kept.
"""

from __future__ import annotations

import datetime as dt
import shutil
import sys
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HERE = Path(__file__).parent
CURVES = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "p521": ec.SECP521R1()}


def model_files() -> dict[str, bytes]:
    """Names on which orders differ, an empty file, and one that makes several shards."""
    return {
        "config.json": b'{"hidden_size": 8}\n',
        "empty.txt": b"",
        "sub-x/a.txt": b"one\n",
        "sub/b.txt": b"two\n",
        "weights.bin": bytes(range(256)) * 5,
    }


def write_model(folder: Path) -> None:
    for name, data in model_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def private(key, path: Path) -> Path:
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


def public(key, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


def certificate(name: str, key, issuer: str, issuer_key, years: tuple[int, int], *, ca: bool):
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
         "decipher_only"), False,
    )  # fmt: skip
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(dt.datetime(years[0], 1, 1, tzinfo=dt.UTC))
        .not_valid_after(dt.datetime(years[1], 1, 1, tzinfo=dt.UTC))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage), critical=True
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    )
    if not ca:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def current(work: Path) -> None:
    import model_signing  # noqa: PLC0415 - one of two environments has it

    model = work / "model"
    write_model(model)

    def hashing():
        return model_signing.hashing.Config()

    def files(algorithm: str):
        return hashing().use_file_serialization(hashing_algorithm=algorithm)

    def shards(algorithm: str):
        return hashing().use_shard_serialization(hashing_algorithm=algorithm, shard_size=100)

    for case, curve, config in (
        ("key-files-sha256", "p256", files("sha256")),
        ("key-files-blake2b", "p384", files("blake2")),
        ("key-files-blake3", "p521", files("blake3")),
        ("key-shards-sha256", "p384", shards("sha256")),
        ("key-shards-blake2b", "p256", shards("blake2")),
    ):
        key = ec.generate_private_key(CURVES[curve])
        public(key, HERE / case / "key.pub")
        signer = model_signing.signing.Config().use_elliptic_key_signer(
            private_key=private(key, work / "key.pem")
        )
        signer.set_hashing_config(config).sign(model, HERE / case / "model.sig")

    key = ec.generate_private_key(CURVES["p256"])
    public(key, HERE / "key-one-file" / "key.pub")
    signer = model_signing.signing.Config().use_elliptic_key_signer(
        private_key=private(key, work / "key.pem")
    )
    signer.sign(model / "weights.bin", HERE / "key-one-file" / "model.sig")

    for case, years in (("certificate-files", (2020, 2120)), ("certificate-expired", (2020, 2021))):
        root, middle, leaf = (ec.generate_private_key(CURVES["p384"]) for _ in range(3))
        forever = (2019, 2130)
        issued = {
            "root": certificate("Root", root, "Root", root, forever, ca=True),
            "middle": certificate("Middle", middle, "Root", root, forever, ca=True),
            "leaf": certificate("Publisher", leaf, "Middle", middle, years, ca=False),
        }
        (HERE / case).mkdir(exist_ok=True)
        for name, cert in issued.items():
            (work / f"{name}.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
        shutil.copy(work / "root.pem", HERE / case / "ca.pem")
        signer = model_signing.signing.Config().use_certificate_signer(
            private_key=private(leaf, work / "key.pem"),
            signing_certificate=work / "leaf.pem",
            certificate_chain=[work / "middle.pem"],
        )
        signer.sign(model, HERE / case / "model.sig")


def legacy(work: Path) -> None:
    from model_signing import api  # noqa: PLC0415
    from model_signing.signature.key import ECKeySigner  # noqa: PLC0415
    from model_signing.signing import in_toto, in_toto_signature  # noqa: PLC0415

    model = work / "model"
    write_model(model)
    for case, curve in (("legacy-p256", "p256"), ("legacy-p384", "p384")):
        key = ec.generate_private_key(CURVES[curve])
        public(key, HERE / case / "key.pub")
        payload = in_toto.DigestsIntotoPayload.from_manifest(api.HashingConfig().hash(model))
        signer = in_toto_signature.IntotoSigner(ECKeySigner.from_path(str(private(key, work / "key.pem"))))
        signer.sign(payload).write(HERE / case / "model.sig")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        (legacy if "legacy" in sys.argv[1:] else current)(Path(temporary))
