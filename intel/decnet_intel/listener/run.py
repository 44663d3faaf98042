"""`decnet-intel listener`."""

from __future__ import annotations

import asyncio
import gc
import logging

from decnet_intel.database import make_engine
from decnet_intel.listener.artifacts import Artifacts
from decnet_intel.listener.pins import Pins
from decnet_intel.listener.server import Server
from decnet_intel.listener.tls import Certificate, TlsFiles
from decnet_intel.listener.writer import Writer
from decnet_intel.notify import Wake
from decnet_intel.process import background, keep_beating, stop_event, until_stopped
from decnet_intel.repository.inventory import PINS_CHANNEL
from decnet_intel.settings import ListenerSettings
from decnet_intel.status import serve_status

STALE_PINS_SECONDS = 15.0

_GC_THRESHOLD = (50_000, 20, 50)
"""Rows are many, short-lived and free of cycles: at the usual 700 the collector looks at them again and again."""

log = logging.getLogger(__name__)


async def listen(settings: ListenerSettings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then commit what was read."""
    engine = make_engine(settings, "decnet-listener-pins")
    certificate = Certificate(TlsFiles(settings.tls_cert, settings.tls_key, settings.tls_ca))
    wake = Wake(settings, PINS_CHANNEL, "decnet-listener-wake")
    pins = Pins(engine, wake, settings.pin_seconds)
    store = Writer(settings)
    artifacts = Artifacts(settings)
    server = Server(settings, certificate, pins, store, artifacts)

    def problems() -> list[str]:
        found = [store.trouble] if store.trouble else []
        if certificate.context is None:
            found.append("no server certificate yet")
        if pins.age > STALE_PINS_SECONDS:
            found.append("the pinned certificates could not be read lately")
        return found

    def detail() -> dict[str, object]:
        return {"connections": server.connections, "trouble": store.trouble}

    work = (
        certificate.run(),
        wake.run(),
        pins.run(server.check_pins),
        store.run(),
        artifacts.run(),
        keep_beating(engine, "listener", settings.instance, detail),
    )
    try:
        async with (
            serve_status(settings.status_host, settings.status_port, problems) as status_port,
            background(*work) as failed,
        ):
            async with background(server.run()) as accepting:
                log.info("listening on port %d, status on port %d", server.port, status_port)
                failed.add_done_callback(lambda _: stop.set())
                await until_stopped(stop, accepting)
            log.info("ending: committing what was read")
            await server.drain()
            if failed.done():
                failed.result()
    finally:
        await engine.dispose()


def run(settings: ListenerSettings) -> None:
    """Serve until SIGTERM or SIGINT."""
    logging.getLogger().setLevel(settings.log_level)
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLD)

    async def serve() -> None:
        await listen(settings, stop_event())

    asyncio.run(serve())
