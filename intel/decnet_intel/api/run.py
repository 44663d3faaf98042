"""`decnet-intel api`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator

import uvicorn

from decnet_intel.api.app import create_app
from decnet_intel.api.state import State
from decnet_intel.settings import ApiSettings

DRAIN_SECONDS = 10


class _Server(uvicorn.Server):
    """Ends the event streams at the first signal, as they would never end by themselves, and then
    the process with status 0 (uvicorn would raise the signal again)."""

    def __init__(self, config: uvicorn.Config, state: State) -> None:
        super().__init__(config)
        self._state = state

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end, number)
        yield

    def _end(self, number: int) -> None:
        self._state.wake.close()
        self.handle_exit(number, None)


def run(settings: ApiSettings) -> None:
    """Serve until SIGTERM or SIGINT."""
    logging.getLogger().setLevel(settings.log_level)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # a stream's URL may carry a token
        server_header=False,
        proxy_headers=False,  # client_address decides whom to believe
        timeout_graceful_shutdown=DRAIN_SECONDS,
        h11_max_incomplete_event_size=32 * 1024,
    )
    _Server(config, app.state.decnet).run()
