"""Secrets and the ConfigMap of our certificate authority."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from decnet_operator.domain.pki import KeyPair
from decnet_operator.specs.names import MANAGED_BY_LABEL, MANAGER

AUTHORITY = "decnet-ca"
LISTENER = "decnet-listener-tls"
SEED = "decnet-seed"


def authority_secret(namespace: str, pair: KeyPair) -> dict[str, Any]:
    """The authority's key: read by the operator only."""
    return _secret(
        namespace, AUTHORITY, {"tls.crt": pair.certificate, "tls.key": pair.key}, "kubernetes.io/tls"
    )


def authority_config_map(namespace: str, pair: KeyPair) -> dict[str, Any]:
    """The authority's certificate, for node agents."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(namespace, AUTHORITY),
        "data": {"ca.crt": pair.certificate.decode()},
    }


def listener_secret(namespace: str, pair: KeyPair, authority: KeyPair) -> dict[str, Any]:
    """What the listener serves with, and whose clients it takes."""
    data = {"tls.crt": pair.certificate, "tls.key": pair.key, "ca.crt": authority.certificate}
    return _secret(namespace, LISTENER, data, "kubernetes.io/tls")


def seed_secret(namespace: str, seed: bytes) -> dict[str, Any]:
    """What all deckies' seeds are made from. Losing it changes every decky's host keys."""
    return _secret(namespace, SEED, {"seed": seed}, "Opaque")


def listener_names(namespace: str) -> tuple[str, ...]:
    """Names under which the listener is reached."""
    return ("decnet-listener", f"decnet-listener.{namespace}.svc", "localhost")


def pair_of(secret: Mapping[str, Any]) -> KeyPair:
    """Certificate and key of a Secret; empty where it has none."""
    return KeyPair(value_of(secret, "tls.crt"), value_of(secret, "tls.key"))


def value_of(secret: Mapping[str, Any], key: str) -> bytes:
    """One value of a Secret, empty when it has none."""
    return base64.b64decode((secret.get("data") or {}).get(key, ""))


def _secret(namespace: str, name: str, data: Mapping[str, bytes], kind: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _metadata(namespace, name),
        "type": kind,
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


def _metadata(namespace: str, name: str) -> dict[str, Any]:
    return {"name": name, "namespace": namespace, "labels": {MANAGED_BY_LABEL: MANAGER}}
