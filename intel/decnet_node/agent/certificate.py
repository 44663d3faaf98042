"""Keys, requests and certificates as values. Pure but for randomness."""

from __future__ import annotations

import datetime
import hashlib
from typing import cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_PEM = serialization.Encoding.PEM


class UnfitCertificateError(ValueError):
    """A certificate, key or authority that is not to be used; the message says why."""


def new_key() -> bytes:
    """A fresh P-256 key as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        return cast("ec.EllipticCurvePrivateKey", serialization.load_pem_private_key(pem, None))
    except (ValueError, TypeError) as error:
        raise UnfitCertificateError("the key cannot be read") from error


def key_id(key_pem: bytes) -> str:
    """Ten hex digits that name the key. Raises UnfitCertificateError."""
    return hashlib.sha256(_public(_load_key(key_pem).public_key())).hexdigest()[:10]


def _public(key: object) -> bytes:
    return cast("ec.EllipticCurvePublicKey", key).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def signing_request(key_pem: bytes, node: str) -> bytes:
    """A certificate request for `node`, for use as a TLS client. Raises UnfitCertificateError."""
    usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    builder = x509.CertificateSigningRequestBuilder(
        subject_name=x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, node)])
    ).add_extension(usage, critical=False)
    return builder.sign(_load_key(key_pem), hashes.SHA256()).public_bytes(_PEM)


def fingerprint(certificate_pem: bytes) -> str:
    """SHA-256 of the certificate's DER in lower-case hex, as it is pinned. Raises UnfitCertificateError."""
    return _load(certificate_pem).fingerprint(hashes.SHA256()).hex()


def _load(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise UnfitCertificateError("the certificate cannot be read") from error


def check(
    certificate_pem: bytes, key_pem: bytes, authorities_pem: bytes, node: str, now: datetime.datetime
) -> datetime.datetime:
    """When to renew: after two thirds of the lifetime. Raises UnfitCertificateError.

    The certificate must be of `node`, of the key, valid `now`, and come from one of the authorities.
    """
    certificate = _load(certificate_pem)
    if _public(certificate.public_key()) != _public(_load_key(key_pem).public_key()):
        raise UnfitCertificateError("the certificate is of another key")
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if [name.value for name in names] != [node]:
        raise UnfitCertificateError(f"the certificate is not of {node}")
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not start <= now < end:
        raise UnfitCertificateError(f"the certificate is valid from {start} to {end} only")
    try:
        authorities = x509.load_pem_x509_certificates(authorities_pem)
    except ValueError as error:
        raise UnfitCertificateError("the authority's certificate cannot be read") from error
    if not any(_signed_by(certificate, authority) for authority in authorities):
        raise UnfitCertificateError("the certificate comes from another authority")
    return start + (end - start) * 2 / 3


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
