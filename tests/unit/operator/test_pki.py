"""The certificate authority, and which requests it answers."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from decnet_operator.domain import pki, requests

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
NAMES = ("decnet-listener", "decnet-listener.decnet.svc", "localhost")
AUTHORITY = pki.make_authority(NOW)
DAY = datetime.timedelta(days=1)


def request(
    name: str = "node-a", *, key: Any = None, extensions: tuple[Any, ...] = (), more: bool = False
) -> bytes:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if more:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:masters"))
    builder = x509.CertificateSigningRequestBuilder(subject_name=x509.Name(attributes))
    for extension in extensions or (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]),):
        builder = builder.add_extension(extension, critical=False)
    signed = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def test_a_node_gets_a_client_certificate() -> None:
    issued = pki.sign_node(AUTHORITY, request(), 86400, NOW)
    certificate = x509.load_pem_x509_certificate(issued.pem)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(AUTHORITY.certificate))
    assert certificate.subject.rfc4514_string() == "CN=node-a"
    assert certificate.not_valid_after_utc == NOW + DAY
    assert certificate.fingerprint(hashes.SHA256()).hex() == issued.sha256
    assert issued.not_after == "2026-01-02T00:00:00Z"
    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_no_certificate_outlives_its_limits() -> None:
    long = x509.load_pem_x509_certificate(pki.sign_node(AUTHORITY, request(), 10**9, NOW).pem)
    assert long.not_valid_after_utc == NOW + pki.MAX_NODE_LIFETIME
    late = NOW + pki.CA_LIFETIME - DAY
    last = x509.load_pem_x509_certificate(pki.sign_node(AUTHORITY, request(), None, late).pem)
    assert last.not_valid_after_utc == NOW + pki.CA_LIFETIME


@pytest.mark.parametrize(
    "bad",
    [
        b"nonsense",
        request(more=True),
        request(key=rsa.generate_private_key(65537, 1024)),  # noqa: S505 - that is the point
        request(extensions=(x509.SubjectAlternativeName([x509.DNSName("decnet-listener")]),)),
        request(extensions=(x509.BasicConstraints(ca=True, path_length=None),)),
        request(extensions=(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),)),
    ],
    ids=["nonsense", "organization", "weak", "names", "authority", "server"],
)
def test_bad_requests(bad: bytes) -> None:
    with pytest.raises(pki.PkiError):
        pki.sign_node(AUTHORITY, bad, None, NOW)


def test_the_listeners_certificate_and_when_it_is_due() -> None:
    pair = pki.make_listener(AUTHORITY, NAMES, NOW)
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == list(NAMES)
    assert pki.listener_due(pair, AUTHORITY, NAMES, NOW) == ""
    assert pki.listener_due(pair, AUTHORITY, NAMES, NOW + 59 * DAY) == ""
    assert pki.listener_due(pair, AUTHORITY, NAMES, NOW + 61 * DAY)
    assert pki.listener_due(pair, AUTHORITY, (*NAMES, "more"), NOW)
    assert pki.listener_due(pair, pki.make_authority(NOW), NAMES, NOW)
    assert pki.listener_due(pki.KeyPair(b"", b""), AUTHORITY, NAMES, NOW)
    other = pki.make_listener(AUTHORITY, NAMES, NOW)
    assert pki.listener_due(pki.KeyPair(pair.certificate, other.key), AUTHORITY, NAMES, NOW)


def test_an_authority_that_cannot_be_used_is_refused() -> None:
    pki.require_authority(AUTHORITY, NOW)
    with pytest.raises(pki.PkiError):
        pki.require_authority(AUTHORITY, NOW + pki.CA_LIFETIME)
    with pytest.raises(pki.PkiError):
        pki.require_authority(pki.KeyPair(AUTHORITY.certificate, pki.make_authority(NOW).key), NOW)
    with pytest.raises(pki.PkiError):
        pki.require_authority(pki.KeyPair(b"", b""), NOW)


def csr(pem: bytes | None = None, **changes: Any) -> dict[str, Any]:
    spec = {
        "signerName": "decnet.io/swarmhost",
        "request": base64.b64encode(pem or request()).decode(),
        "username": "system:serviceaccount:decnet:decnet-node",
        "usages": ["digital signature", "client auth"],
        "extra": {"authentication.kubernetes.io/node-name": ["node-a"]},
    }
    return {"metadata": {"name": "r"}, "spec": {**spec, **changes}}


def test_a_node_that_asks_for_itself() -> None:
    assert requests.why_deny(csr(), "decnet") is None
    assert requests.may_sign(csr(), {"node-a"})
    assert not requests.may_sign(csr(), {"node-b"})


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (csr(username="system:serviceaccount:default:decnet-node"), "WrongRequester"),
        (csr(username="kubernetes-admin"), "WrongRequester"),
        (csr(extra={}), "WrongNode"),
        (csr(extra={"authentication.kubernetes.io/node-name": ["node-b"]}), "WrongNode"),
        (csr(extra={"authentication.kubernetes.io/node-name": ["node-a", "node-b"]}), "WrongNode"),
        (csr(request(name="node-b")), "WrongNode"),
        (csr(usages=["client auth", "cert sign"]), "WrongUsages"),
        (csr(request(more=True)), "BadRequest"),
        (csr(request="%%%"), "BadRequest"),
    ],
)
def test_who_is_denied(made: dict[str, Any], reason: str) -> None:
    problem = requests.why_deny(made, "decnet")
    assert problem is not None
    assert problem.reason == reason


@pytest.mark.parametrize(
    ("change", "is_open"),
    [
        ({}, True),
        ({"status": {"certificate": "x"}}, False),
        ({"status": {"conditions": [{"type": "Denied"}]}}, False),
        ({"status": {"conditions": [{"type": "Failed"}]}}, False),
        ({"status": {"conditions": [{"type": "Approved"}]}}, True),
    ],
)
def test_open_requests(change: dict[str, Any], is_open: bool) -> None:
    assert requests.is_open({**csr(), **change}) is is_open
    assert not requests.is_open(csr(signerName="kubernetes.io/kube-apiserver-client"))
