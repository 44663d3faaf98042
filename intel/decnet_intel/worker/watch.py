"""List and watch one kind of custom resource, for ever."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Protocol

import aiohttp
from kubernetes.aio import client, watch
from sqlalchemy.exc import SQLAlchemyError

GROUP, VERSION = "decnet.io", "v1alpha1"
_FIRST_PAUSE = 1.0  # seconds
_LONGEST_PAUSE = 30.0
_BREATH = 0.2  # before listing again, so that a server that ends every watch at once is not flooded
_GRACE_SECONDS = 15  # beyond the server's own end of a watch; then the server is gone

Resource = Mapping[str, Any]

log = logging.getLogger(__name__)


class Mirror(Protocol):
    """Where the objects of one kind go."""

    plural: str

    async def replace(self, objects: list[Resource]) -> None:
        """These are all there are."""

    async def put(self, resource: Resource) -> None:
        """This one is new or changed."""

    async def drop(self, resource: Resource) -> None:
        """This one is gone."""


class Watcher:
    """Keeps one mirror like the API server; after any error it lists everything again."""

    def __init__(self, api: client.CustomObjectsApi, mirror: Mirror, resync_seconds: int) -> None:
        self._api = api
        self._mirror = mirror
        self._resync_seconds = resync_seconds
        self.trouble: str | None = "has not listed yet"
        """Why the mirror may be old; None when all is well."""

    async def run(self) -> None:
        """Mirror until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            try:
                version = await self._list()
                self.trouble = None
                pause = _FIRST_PAUSE
                await self._watch(version)
                await asyncio.sleep(_BREATH)
                continue
            except client.ApiException as error:
                if error.status == 410:  # the version is too old to watch from: list again, that is all
                    await asyncio.sleep(_BREATH)
                    continue
                self.trouble = f"{self._mirror.plural}: {error.status} {error.reason}"
            except (aiohttp.ClientError, SQLAlchemyError, OSError, ValueError) as error:
                self.trouble = f"{self._mirror.plural}: {error}"
            log.warning("%s; trying again in %.0f s", self.trouble, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _list(self) -> str:
        """Mirror everything; the version to watch from."""
        answer: Any = await self._api.list_cluster_custom_object(GROUP, VERSION, self._mirror.plural)
        await self._mirror.replace(answer["items"])
        return str(answer["metadata"]["resourceVersion"])

    async def _watch(self, version: str) -> None:
        """Mirror changes until the server ends the watch, which it does every `resync_seconds`."""
        stream = watch.Watch().stream(  # type: ignore[no-untyped-call]
            self._api.list_cluster_custom_object,
            GROUP,
            VERSION,
            self._mirror.plural,
            resource_version=version,
            timeout_seconds=self._resync_seconds,
            _request_timeout=self._resync_seconds + _GRACE_SECONDS,
        )
        async with stream:
            async for event in stream:
                if event["type"] == "DELETED":
                    await self._mirror.drop(event["raw_object"])
                elif event["type"] in ("ADDED", "MODIFIED"):
                    await self._mirror.put(event["raw_object"])
