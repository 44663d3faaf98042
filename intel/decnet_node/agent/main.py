"""`decnet-node-agent`: make this node a carrier of deckies."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from decnet_node.agent.cni import install_plugins
from decnet_node.agent.kube import connected
from decnet_node.agent.lan import NoLanError, detect_lan, offered_drivers
from decnet_node.agent.node_filter import NodeFilter
from decnet_node.agent.service import Agent
from decnet_node.agent.settings import AgentSettings
from decnet_node.command import configure_logging, load_settings, parser, stop_on_signals
from decnet_node.tasks import is_set_within

_DESCRIPTION = (
    "Detects the LAN, renews the node's Lease and certificate, and keeps the packet filter that lets\n"
    "deckies answer but never ask. Needs NET_ADMIN in the node's network namespace."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the agent or one of its parts. Exit status 0, 1 after a failure, 2 for wrong settings."""
    options = _parser().parse_args(arguments)
    settings = load_settings(AgentSettings)
    configure_logging(settings.log_level)
    try:
        if options.command == "install-cni":
            install_plugins(options.source, options.target)
        elif options.command == "lan":
            print(asyncio.run(_lan(settings)))
        elif options.command == "filter":
            asyncio.run(_filter(settings))
        else:
            asyncio.run(_agent(settings))
    except (NoLanError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except Exception:
        logging.getLogger(__name__).exception("the node agent failed")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    result = parser("decnet-node-agent", _DESCRIPTION, AgentSettings)
    commands = result.add_subparsers(dest="command", metavar="COMMAND", help="default: run the agent")
    commands.add_parser("run", help="run the agent until SIGTERM")
    commands.add_parser("lan", help="print the detected LAN as JSON")
    commands.add_parser("filter", help="keep only the packet filter, without Kubernetes, until SIGTERM")
    cni = commands.add_parser("install-cni", help="copy the CNI plugins that the node lacks")
    cni.add_argument(
        "--from", dest="source", type=Path, default=Path("/usr/lib/cni"), help="default: %(default)s"
    )
    cni.add_argument(
        "--to", dest="target", type=Path, default=Path("/host/opt/cni/bin"), help="default: %(default)s"
    )
    return result


async def _agent(settings: AgentSettings) -> None:
    stop = stop_on_signals()
    async with connected(settings.kubeconfig, settings.namespace) as kube:
        await Agent(settings, kube).run(stop)


async def _lan(settings: AgentSettings) -> str:
    return (await detect_lan(settings.interface)).annotation(await offered_drivers())


async def _filter(settings: AgentSettings) -> None:
    stop = stop_on_signals()
    node_filter = NodeFilter(wanted=settings.filter == "on")
    while True:
        await node_filter.sweep(await detect_lan(settings.interface))
        state = {
            "filter": node_filter.state,
            "repairs": node_filter.repairs,
            "refused": dict(node_filter.refused),
        }
        print(json.dumps(state), flush=True)
        if await is_set_within(stop, settings.sweep_seconds):
            return


if __name__ == "__main__":
    sys.exit(main())
