"""A certificate authority for one run."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SERVER = "decnet-listener"
_LONG = dt.timedelta(days=30)


class Authority:
    """Signs what it is asked for. Certificates hold for a month around now: clocks are stepped."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("torture CA")
        self._certificate = self._sign(self._name, self._key.public_key(), None)

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, dns: str | None) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(now - _LONG).not_valid_after(now + _LONG)
            .add_extension(x509.BasicConstraints(ca=dns is None, path_length=None), critical=True)
        )  # fmt: skip
        if dns is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def issue(self, folder: Path, name: str) -> str:
        """Write tls.crt, tls.key and ca.crt for `name`; gives the certificate's SHA-256 in hex."""
        folder.mkdir()
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(_name(name), key.public_key(), name)
        pem = serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / "tls.crt").write_bytes(certificate.public_bytes(pem))
        (folder / "tls.key").write_bytes(private)
        (folder / "ca.crt").write_bytes(self._certificate.public_bytes(pem))
        return certificate.fingerprint(hashes.SHA256()).hex()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
