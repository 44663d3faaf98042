"""`decnet-intel worker`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

from kubernetes.aio import client, config
from sqlalchemy.ext.asyncio import AsyncEngine

from decnet_intel.database import make_engine
from decnet_intel.process import background, keep_beating, stop_event, until_stopped
from decnet_intel.settings import WorkerSettings
from decnet_intel.status import serve_status
from decnet_intel.worker.inventory import DeckyMirror, SwarmHostMirror
from decnet_intel.worker.upkeep import Upkeep
from decnet_intel.worker.watch import Watcher

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def kubernetes_api() -> AsyncIterator[client.CustomObjectsApi]:
    """The API of the cluster that the process runs in, or else of the current kubectl context."""
    try:
        config.load_incluster_config()  # type: ignore[no-untyped-call]
    except config.ConfigException:
        await config.load_kube_config()  # type: ignore[no-untyped-call]
    async with client.ApiClient() as api_client:
        yield client.CustomObjectsApi(api_client)


@contextlib.asynccontextmanager
async def _inventory(settings: WorkerSettings, engine: AsyncEngine) -> AsyncIterator[list[Watcher]]:
    if "inventory" not in settings.task_names:
        yield []
        return
    async with kubernetes_api() as api:
        yield [
            Watcher(api, mirror, settings.resync_seconds)
            for mirror in (DeckyMirror(engine), SwarmHostMirror(engine))
        ]


async def work(settings: WorkerSettings, stop: asyncio.Event) -> None:
    """Run the tasks until `stop` is set."""
    engine = make_engine(settings, "decnet-worker", pool_size=4)
    try:
        async with _inventory(settings, engine) as watchers:
            tasks: list[Watcher | Upkeep] = [*watchers]
            if "upkeep" in settings.task_names:
                tasks.append(Upkeep(settings, engine))

            def problems() -> list[str]:
                return [task.trouble for task in tasks if task.trouble]

            def detail() -> dict[str, Any]:
                return {"tasks": sorted(settings.task_names), "trouble": problems()}

            beat = keep_beating(engine, "worker", settings.instance, detail)
            async with (
                serve_status(settings.status_host, settings.status_port, problems) as port,
                background(beat, *(task.run() for task in tasks)) as failed,
            ):
                log.info("working on %s, status on port %d", ", ".join(sorted(settings.task_names)), port)
                await until_stopped(stop, failed)
    finally:
        await engine.dispose()


def run(settings: WorkerSettings) -> None:
    """Work until SIGTERM or SIGINT."""
    logging.getLogger().setLevel(settings.log_level)

    async def serve() -> None:
        await work(settings, stop_event())

    asyncio.run(serve())
