"""What the agent says to the API server: one call a method, plain values in and out.

Every method raises ApiError when the server refuses or cannot be reached.
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

_APPLY = "application/apply-patch+yaml"
_MANAGER = "decnet-node-agent"
_SECONDS = 15.0

T = TypeVar("T")


class ApiError(RuntimeError):
    """A call failed. `status` is the HTTP status, 0 when there was no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class RequestState:
    """A certificate request as the server has it: pending, refused (why), or with its certificate."""

    refused: str
    certificate: bytes


class Kube:
    """The agent's view of the cluster."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self._namespace = namespace
        self._leases = client.CoordinationV1Api(api)
        self._core = client.CoreV1Api(api)
        self._certificates = client.CertificatesV1Api(api)
        self._custom = client.CustomObjectsApi(api)

    async def apply_lease(self, node: str, seconds: int, annotations: dict[str, str]) -> None:
        """Renew the heartbeat of `node`, making the Lease when it is missing."""
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": f"swarmhost-{node}", "annotations": annotations},
            "spec": {
                "holderIdentity": node,
                "leaseDurationSeconds": seconds,
                "renewTime": datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            },
        }
        await _call(
            self._leases.patch_namespaced_lease(
                f"swarmhost-{node}",
                self._namespace,
                lease,
                field_manager=_MANAGER,
                force=True,
                _content_type=_APPLY,
                _request_timeout=_SECONDS,
            )
        )

    async def config_map(self, name: str, key: str) -> bytes:
        """One value of a ConfigMap, empty when that has no such key."""
        found = await _call(
            self._core.read_namespaced_config_map(name, self._namespace, _request_timeout=_SECONDS)
        )
        return str((found.data or {}).get(key, "")).encode()

    async def request_state(self, name: str) -> RequestState | None:
        """The request `name`, None when there is none."""
        try:
            found = await _call(
                self._certificates.read_certificate_signing_request(name, _request_timeout=_SECONDS)
            )
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        conditions = (found.status.conditions or []) if found.status else []
        refused = [
            f"{it.type}: {it.message or it.reason}" for it in conditions if it.type in ("Denied", "Failed")
        ]
        issued = found.status.certificate if found.status else None
        if isinstance(issued, str):
            issued = base64.b64decode(issued)
        return RequestState("; ".join(refused), issued or b"")

    async def make_request(self, name: str, signer: str, request: bytes, seconds: int) -> None:
        """Ask `signer` for a client certificate."""
        body = client.V1CertificateSigningRequest(
            metadata=client.V1ObjectMeta(name=name),
            spec=client.V1CertificateSigningRequestSpec(
                request=base64.b64encode(request).decode(),
                signer_name=signer,
                expiration_seconds=seconds,
                usages=["digital signature", "client auth"],
            ),
        )
        await _call(
            self._certificates.create_certificate_signing_request(
                body, field_manager=_MANAGER, _request_timeout=_SECONDS
            )
        )

    async def pinned(self, node: str) -> str | None:
        """The fingerprint in the SwarmHost's status; empty when it has none.

        None when there is no SwarmHost.
        """
        try:
            found: Any = await _call(
                self._custom.get_cluster_custom_object(
                    "decnet.io", "v1alpha1", "swarmhosts", node, _request_timeout=_SECONDS
                )
            )
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        return str(found.get("status", {}).get("certificate", {}).get("sha256", ""))


async def _call(answer: Awaitable[T]) -> T:
    try:
        return await answer
    except ApiException as error:
        raise ApiError(f"API server: {error.status} {_explain(error)}", error.status or 0) from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise ApiError(f"API server: {type(error).__name__} {error}".strip()) from error


def _explain(error: ApiException) -> str:
    """The server's own sentence, or the HTTP reason when it sent none."""
    try:
        return str(json.loads(error.body or "")["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)


@contextlib.asynccontextmanager
async def connected(kubeconfig: str, namespace: str) -> AsyncIterator[Kube]:
    """A Kube with the pod's service account, or the kubeconfig file when one is given."""
    if kubeconfig:
        await config.load_kube_config(config_file=kubeconfig)  # type: ignore[no-untyped-call]
    else:
        config.load_incluster_config()  # type: ignore[no-untyped-call]
    async with client.ApiClient() as api:
        yield Kube(api, namespace)
