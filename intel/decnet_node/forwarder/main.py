"""`decnet-forwarder`: send every line of every decky on this node to the listener, once."""

from __future__ import annotations

import asyncio
import logging
import resource
import sys
from collections.abc import Sequence

from decnet_node.command import configure_logging, load_settings, parser, stop_on_signals
from decnet_node.forwarder.service import Forwarder
from decnet_node.forwarder.settings import ForwarderSettings

_DESCRIPTION = (
    "Reads the container logs of every decky on this node and sends each line to the listener.\n"
    "A line's place is stored only once the listener has acknowledged it."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM. Exit status 0 then, 1 after a failure, 2 for wrong settings."""
    parser("decnet-forwarder", _DESCRIPTION, ForwarderSettings).parse_args(arguments)
    settings = load_settings(ForwarderSettings)
    configure_logging(settings.log_level)
    _allow_many_files()
    try:
        asyncio.run(_run(settings))
    except Exception:
        logging.getLogger(__name__).exception("the forwarder failed")
        return 1
    return 0


async def _run(settings: ForwarderSettings) -> None:
    await Forwarder(settings).run(stop_on_signals())


def _allow_many_files() -> None:
    """One descriptor a log file: raise the soft limit as far as we may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
