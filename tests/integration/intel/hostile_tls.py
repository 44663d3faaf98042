"""Clients that must not be let in, by what they show in the TLS handshake."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hostile_lab import Target
from intel_lab import Authority, Pair, client_context

CLIENT = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])


@dataclass(frozen=True)
class Stranger:
    """`context` makes the client's TLS for a node name, given a folder to write to."""

    name: str
    context: Callable[[Target, str, Path], ssl.SSLContext]


def odd_certificate(
    folder: Path,
    names: list[str],
    signer: Pair | None,
    *,
    usage: x509.ExtendedKeyUsage = CLIENT,
    starts: int = -1,
    ends: int = 10,
    is_ca: bool = False,
) -> Pair:
    """A certificate with these common names and days of validity; without `signer` it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name) for name in names])
    issuer, signing_key, chain = subject, key, b""
    if signer is not None:
        chain = signer.cert.read_bytes()
        issuer = x509.load_pem_x509_certificate(chain).subject
        loaded = serialization.load_pem_private_key(signer.key.read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signing_key = loaded
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=starts))
        .not_valid_after(now + dt.timedelta(days=ends))
        .add_extension(usage, critical=False)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .sign(signing_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    pair = Pair(folder / "odd.crt", folder / "odd.key", certificate.fingerprint(hashes.SHA256()).hex())
    pair.cert.write_bytes(certificate.public_bytes(pem) + chain)
    pair.key.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pair


def _shown(target: Target, node: str, pair: Pair | None, *, pinned: bool = True) -> ssl.SSLContext:
    if pinned and pair is not None:
        target.lab.pin(node, pair.sha256, notify=False)
    return client_context(target.lab.ca.file, pair)


def _signed_by_our_ca(name: str, *, names: tuple[str, ...] | None = None, **changes: Any) -> Stranger:
    """Everything is right, pin included, but for the change. `names` are the common names."""

    def context(target: Target, node: str, folder: Path) -> ssl.SSLContext:
        ca = target.lab.ca.pair(folder)
        shown = [node] if names is None else [each.format(node=node) for each in names]
        return _shown(target, node, odd_certificate(folder, shown, ca, **changes))

    return Stranger(name, context)


def _no_certificate(target: Target, node: str, folder: Path) -> ssl.SSLContext:  # noqa: ARG001
    return _shown(target, node, None)


def _self_signed(target: Target, node: str, folder: Path) -> ssl.SSLContext:
    return _shown(target, node, odd_certificate(folder, [node], None))


def _other_ca(target: Target, node: str, folder: Path) -> ssl.SSLContext:
    return _shown(target, node, Authority(folder, "ca").issue(node))  # another CA of the same name


def _signed_by_a_node(target: Target, node: str, folder: Path) -> ssl.SSLContext:
    return _shown(target, node, odd_certificate(folder, [node], target.enrol(f"{node}-signer")))


def _not_the_pinned_one(target: Target, node: str, folder: Path) -> ssl.SSLContext:  # noqa: ARG001
    target.enrol(node)
    return _shown(target, node, target.lab.ca.issue(node), pinned=False)


def _unknown_node(target: Target, node: str, folder: Path) -> ssl.SSLContext:  # noqa: ARG001
    return _shown(target, node, target.lab.ca.issue(node), pinned=False)


def _another_nodes_certificate(target: Target, node: str, folder: Path) -> ssl.SSLContext:  # noqa: ARG001
    """Pinned for `node`, but its common name is another's."""
    return _shown(target, node, target.lab.ca.issue(f"{node}-2"))


def _tls_1_2(target: Target, node: str, folder: Path) -> ssl.SSLContext:  # noqa: ARG001
    context = _shown(target, node, target.lab.ca.issue(node))
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


STRANGERS = (
    Stranger("no-certificate", _no_certificate),
    Stranger("self-signed", _self_signed),
    Stranger("another-ca-of-the-same-name", _other_ca),
    Stranger("signed-by-a-nodes-certificate", _signed_by_a_node),
    Stranger("not-the-pinned-certificate", _not_the_pinned_one),
    Stranger("a-node-that-nobody-knows", _unknown_node),
    Stranger("pinned-under-another-name", _another_nodes_certificate),
    Stranger("tls-1.2", _tls_1_2),
    _signed_by_our_ca("expired", starts=-10, ends=-1),
    _signed_by_our_ca("not-yet-valid", starts=1),
    _signed_by_our_ca("for-servers-only", usage=x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])),
    _signed_by_our_ca("for-e-mail", usage=x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])),
    _signed_by_our_ca("no-common-name", names=()),
    _signed_by_our_ca("two-common-names", names=("{node}", "bystander")),
    _signed_by_our_ca("two-common-names-the-other-way", names=("bystander", "{node}")),
    _signed_by_our_ca("a-name-with-a-space", names=("{node} ",)),
)
