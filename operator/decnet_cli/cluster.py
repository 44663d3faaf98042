"""`decnet deckies`: what is on the LAN, as the API server tells it."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping
from typing import Any

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from decnet_cli.output import Table
from decnet_operator.api import GROUP, VERSION

_SECONDS = 20.0


class ClusterError(Exception):
    """The cluster cannot be asked; the message says why and what to do."""


def deckies(options: argparse.Namespace) -> Table:
    """All deckies with how they do. Raises ClusterError."""
    items = asyncio.run(_list(options.namespace, options.kubeconfig))
    return Table(
        data=items,
        columns=("namespace", "name", "ready", "ip", "os", "services", "host", "state"),
        rows=[_row(item) for item in items],
    )


async def _list(namespace: str | None, kubeconfig: str) -> list[dict[str, Any]]:
    try:
        await config.load_kube_config(config_file=kubeconfig or None)  # type: ignore[no-untyped-call]
        async with client.ApiClient() as api:
            objects = client.CustomObjectsApi(api)
            found: Any
            if namespace:
                found = await objects.list_namespaced_custom_object(
                    GROUP, VERSION, namespace, "deckies", _request_timeout=_SECONDS
                )
            else:
                found = await objects.list_cluster_custom_object(
                    GROUP, VERSION, "deckies", _request_timeout=_SECONDS
                )
    except config.ConfigException as error:
        raise ClusterError(f"no kubeconfig: {error}; set KUBECONFIG or --kubeconfig") from error
    except ApiException as error:
        hint = "; is DECNET installed there?" if error.status == 404 else ""
        raise ClusterError(f"API server: {error.status} {error.reason}{hint}") from error
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        raise ClusterError(f"the API server does not answer: {error}") from error
    items: list[dict[str, Any]] = found["items"]
    return items


def _row(item: Mapping[str, Any]) -> tuple[str, ...]:
    metadata, status = item["metadata"], item.get("status") or {}
    ready: Mapping[str, Any] = next(
        (it for it in status.get("conditions") or [] if it["type"] == "Ready"), {}
    )
    state = "" if ready.get("status") == "True" else str(ready.get("message", "not looked at yet"))
    cells = (status.get(key, "-") for key in ("ip", "os", "serviceNames", "node"))
    return (metadata["namespace"], metadata["name"], ready.get("status", "Unknown"), *cells, state)
