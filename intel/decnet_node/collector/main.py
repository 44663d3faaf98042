"""`decnet-collector`: take recordings and captured files of every decky on this node to the listener."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence

from decnet_node.collector.service import Collector
from decnet_node.collector.settings import CollectorSettings
from decnet_node.command import configure_logging, load_settings, parser, stop_on_signals

_DESCRIPTION = (
    "Takes the finished files out of the spools of every decky on this node and sends them to the listener.\n"
    "A file leaves its spool once a copy is on the node's disk, and the copy once the listener has stored it.\n"
    "What does not fit the quotas is dropped, the oldest first, and reported."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM. Exit status 0 then, 1 after a failure, 2 for wrong settings."""
    parser("decnet-collector", _DESCRIPTION, CollectorSettings).parse_args(arguments)
    settings = load_settings(CollectorSettings)
    configure_logging(settings.log_level)
    try:
        asyncio.run(_run(settings))
    except Exception:
        logging.getLogger(__name__).exception("the collector failed")
        return 1
    return 0


async def _run(settings: CollectorSettings) -> None:
    await Collector(settings).run(stop_on_signals())


if __name__ == "__main__":
    sys.exit(main())
