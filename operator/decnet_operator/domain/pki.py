"""Keys and certificates: our authority, the listener's certificate, and what nodes ask for.

Pure but for randomness; `now` is always given.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_LIFETIME = datetime.timedelta(days=3650)
LISTENER_LIFETIME = datetime.timedelta(days=90)
MAX_NODE_LIFETIME = datetime.timedelta(days=90)
DEFAULT_NODE_LIFETIME = datetime.timedelta(days=30)
_CLOCK_SKEW = datetime.timedelta(minutes=5)
_PEM = serialization.Encoding.PEM


class PkiError(ValueError):
    """A key, certificate or request that is not to be used; the message says why."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Issued:
    """A node's certificate, and by what it is known."""

    pem: bytes
    sha256: str
    not_after: str
    serial: str


def make_authority(now: datetime.datetime) -> KeyPair:
    """A new certificate authority: P-256, ten years."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "decnet")])
    certificate = (
        _builder(name, name, key.public_key(), now, now + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(certificate.public_bytes(_PEM), _key_pem(key))


def make_listener(authority: KeyPair, names: Sequence[str], now: datetime.datetime) -> KeyPair:
    """A server certificate for `names` (DNS names or addresses), 90 days. Raises PkiError."""
    ca, ca_key = _load_authority(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    end = min(now + LISTENER_LIFETIME, ca.not_valid_after_utc)
    certificate = (
        _builder(subject, ca.subject, key.public_key(), now, end)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    return KeyPair(certificate.public_bytes(_PEM), _key_pem(key))


def listener_due(pair: KeyPair, authority: KeyPair, names: Sequence[str], now: datetime.datetime) -> str:
    """Why the listener needs another certificate; empty while it does not. Due after two thirds of the lifetime."""
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate)
        key = serialization.load_pem_private_key(pair.key, None)
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate))
    except (ValueError, TypeError, InvalidSignature):
        return "it is missing, unreadable or of another authority"
    if _public(cast(Any, key).public_key()) != _public(certificate.public_key()):
        return "its key is another one"
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now >= start + (end - start) * 2 / 3:
        return f"it ends {end}"
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return "it names nobody"
    return "" if set(found) == {_general_name(name) for name in names} else "its names are others"


def require_authority(pair: KeyPair, now: datetime.datetime) -> None:
    """Raises PkiError unless `pair` can sign now."""
    ca, _ = _load_authority(pair)
    if not ca.not_valid_before_utc <= now < ca.not_valid_after_utc:
        raise PkiError(
            f"the authority's certificate is valid from {ca.not_valid_before_utc} to {ca.not_valid_after_utc} only"
        )


def requested_name(request_pem: bytes) -> str:
    """The one common name that a request asks for. Raises PkiError when it is not a proper client request."""
    request = _load_request(request_pem)
    attributes = list(request.subject)
    if len(attributes) != 1 or attributes[0].oid != NameOID.COMMON_NAME:
        raise PkiError("the subject must be one common name and nothing else")
    for extension in request.extensions:
        if not isinstance(extension.value, x509.ExtendedKeyUsage | x509.KeyUsage):
            raise PkiError(f"extension {extension.oid.dotted_string} is not allowed")
        if isinstance(extension.value, x509.ExtendedKeyUsage) and list(extension.value) != [
            ExtendedKeyUsageOID.CLIENT_AUTH
        ]:
            raise PkiError("the extended key usage must be client authentication only")
    return str(attributes[0].value)


def sign_node(authority: KeyPair, request_pem: bytes, seconds: int | None, now: datetime.datetime) -> Issued:
    """A client certificate for the request's common name. Raises PkiError."""
    ca, ca_key = _load_authority(authority)
    name = requested_name(request_pem)
    lifetime = datetime.timedelta(seconds=seconds) if seconds else DEFAULT_NODE_LIFETIME
    end = min(now + min(lifetime, MAX_NODE_LIFETIME), ca.not_valid_after_utc)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        _builder(subject, ca.subject, _load_request(request_pem).public_key(), now, end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    return Issued(
        pem=certificate.public_bytes(_PEM),
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        not_after=end.replace(microsecond=0).isoformat().replace("+00:00", "Z"),
        serial=f"{certificate.serial_number:x}",
    )


def _load_request(pem: bytes) -> x509.CertificateSigningRequest:
    try:
        request = x509.load_pem_x509_csr(pem)
        valid = request.is_signature_valid
        key = request.public_key()
    except (ValueError, TypeError) as error:
        raise PkiError("the request cannot be read") from error
    strong = isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) or (
        isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048
    )
    if not valid or not strong:
        raise PkiError("the request is not signed by its key, or the key is too weak")
    return request


def _load_authority(pair: KeyPair) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate)
        key = serialization.load_pem_private_key(pair.key, None)
    except (ValueError, TypeError) as error:
        raise PkiError("the authority's key or certificate cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or _public(key.public_key()) != _public(
        certificate.public_key()
    ):
        raise PkiError("the authority's key is not that of its certificate, or not an elliptic curve key")
    return certificate, key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Any, now: datetime.datetime, end: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, ca: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=ca, crl_sign=ca, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _public(key: Any) -> bytes:
    der: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return der
