"""An async client of the API server for plain manifests: apply, delete, list, get."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from decnet_operator.kube.errors import GoneError, KubeError

FIELD_MANAGER = "decnet-operator"
_JSON = "application/json"
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
_SECONDS = 20.0
_AT_ONCE = 16

Manifest = dict[str, Any]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kind:
    """Where objects of a kind are in the API."""

    path: str
    plural: str
    namespaced: bool = True


DECKY = Kind("/apis/decnet.io/v1alpha1", "deckies")
SWARM_HOST = Kind("/apis/decnet.io/v1alpha1", "swarmhosts", namespaced=False)
POD = Kind("/api/v1", "pods")
SECRET = Kind("/api/v1", "secrets")
CONFIG_MAP = Kind("/api/v1", "configmaps")
NETWORK = Kind("/apis/k8s.cni.cncf.io/v1", "network-attachment-definitions")
LEASE = Kind("/apis/coordination.k8s.io/v1", "leases")
NODE = Kind("/api/v1", "nodes", namespaced=False)
REQUEST = Kind("/apis/certificates.k8s.io/v1", "certificatesigningrequests", namespaced=False)


class Kube:
    """Every method raises KubeError when the server refuses or cannot be reached."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self.writes = 0

    async def apply(self, kind: Kind, manifest: Manifest, subresource: str = "") -> Manifest:
        """Server-side apply: create the object, or make the fields in `manifest` so. Ours go before others'."""
        self.writes += 1
        metadata = manifest["metadata"]
        path = _path(kind, metadata.get("namespace"), metadata["name"], subresource)
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._call("PATCH", path, query, manifest, _APPLY)

    async def merge(self, kind: Kind, name: str, body: Manifest, subresource: str = "") -> Manifest:
        """JSON merge patch of a cluster-scoped object. A resourceVersion in `body` makes it conditional."""
        self.writes += 1
        return await self._call(
            "PATCH", _path(kind, None, name, subresource), {"fieldManager": FIELD_MANAGER}, body, _MERGE
        )

    async def delete(self, kind: Kind, namespace: str | None, name: str, uid: str | None = None) -> None:
        """Delete the object, only if it is still the one with `uid`. One that is gone already is fine."""
        self.writes += 1
        body: Manifest = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if uid:
            body["preconditions"] = {"uid": uid}
        with contextlib.suppress(GoneError):
            await self._call("DELETE", _path(kind, namespace, name), {}, body)

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Manifest | None:
        """The object, None when there is none."""
        try:
            return await self._call("GET", _path(kind, namespace, name))
        except GoneError:
            return None

    async def items(self, kind: Kind, namespace: str) -> list[Manifest]:
        """All objects of a kind in one namespace."""
        found: list[Manifest] = (await self._call("GET", _path(kind, namespace))).get("items") or []
        return found

    async def uids(self, kind: Kind, selector: str = "") -> set[str]:
        """The uids of all objects of a kind in the whole cluster; only metadata is sent."""
        query = {"labelSelector": selector} if selector else {}
        found = await self._call("GET", f"{kind.path}/{kind.plural}", query, accept=_METADATA_ONLY)
        return {it["metadata"]["uid"] for it in found.get("items") or []}

    async def _call(
        self, method: str, path: str, query: Mapping[str, str] | None = None,
        body: Manifest | None = None, content_type: str = _JSON, accept: str = _JSON,
    ) -> Manifest:  # fmt: skip
        headers = {"Accept": accept, "Content-Type": content_type}
        async with self._slots:
            try:
                request = await self._api.param_serialize(
                    method, path, query_params=list((query or {}).items()), header_params=headers, body=body,
                    auth_settings=["BearerToken"],
                )  # fmt: skip
                answer = await self._api.call_api(*request, _request_timeout=_SECONDS)
                raw: bytes = await answer.read()  # type: ignore[no-untyped-call]
                if not 200 <= answer.status <= 299:
                    raise _refused(method, path, answer.status, raw)
            except ApiException as error:
                raise _refused(method, path, error.status or 0, error.body or error.reason or "") from error
            except (TimeoutError, aiohttp.ClientError, OSError) as error:
                raise KubeError(f"{method} {path}: {type(error).__name__} {error}".strip()) from error
        parsed: Manifest = json.loads(raw)
        return parsed


def _path(kind: Kind, namespace: str | None, name: str = "", subresource: str = "") -> str:
    scope = f"/namespaces/{namespace}" if kind.namespaced else ""
    return "/".join(part for part in (f"{kind.path}{scope}/{kind.plural}", name, subresource) if part)


def _refused(method: str, path: str, status: int, body: str | bytes) -> KubeError:
    try:
        message = str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        message = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    text = f"{method} {path}: {status} {message[:500]}"
    return GoneError(text, status) if status == 404 else KubeError(text, status)


@contextlib.asynccontextmanager
async def connected(kubeconfig: str = "") -> AsyncIterator[Kube]:
    """A client with the pod's service account, else the kubeconfig file that is given or found."""
    try:
        if kubeconfig:
            raise config.ConfigException("a kubeconfig is given")
        config.load_incluster_config()  # type: ignore[no-untyped-call]
    except config.ConfigException:
        await config.load_kube_config(config_file=kubeconfig or None)  # type: ignore[no-untyped-call]
    async with client.ApiClient() as api:
        yield Kube(api)
