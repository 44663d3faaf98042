"""`decnet-intel api`."""

from __future__ import annotations

import logging
from types import FrameType

import uvicorn

from decnet_intel.api.app import create_app
from decnet_intel.api.state import State
from decnet_intel.settings import ApiSettings

DRAIN_SECONDS = 10


class _Server(uvicorn.Server):
    """Ends the event streams at the first signal; they would never end by themselves."""

    def __init__(self, config: uvicorn.Config, state: State) -> None:
        super().__init__(config)
        self._state = state

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._state.wake.close()
        super().handle_exit(sig, frame)


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
