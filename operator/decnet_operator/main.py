"""The console command `decnet-operator`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from decnet_operator.domain.catalogue import CatalogueError, load_catalogue
from decnet_operator.domain.selector import SelectorError
from decnet_operator.generate import write_definitions
from decnet_operator.handlers.watches import run
from decnet_operator.kube.client import connected
from decnet_operator.reconcile.engine import Engine
from decnet_operator.reconcile.queue import Queue
from decnet_operator.reconcile.state import State
from decnet_operator.server import serve
from decnet_operator.settings import OperatorSettings
from decnet_operator.specs.pod import Deployment

log = logging.getLogger("decnet_operator")


class StartError(Exception):
    """A setting or file keeps the operator from starting; the message says which."""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status 2 when a setting or file is wrong."""
    options = _parser().parse_args(argv)
    try:
        if options.command == "crds":
            write_definitions(options.out)
            return 0
        asyncio.run(_operate(_settings()))
    except SelectorError as error:
        print(f"decnet-operator: DECNET_OPERATOR_NODE_SELECTOR: {error}", file=sys.stderr)
        return 2
    except (StartError, CatalogueError) as error:
        print(f"decnet-operator: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    settings = "\n".join(
        f"  DECNET_OPERATOR_{name.upper()}\n      {field.description} Default: {field.default or 'empty'}"
        for name, field in OperatorSettings.model_fields.items()
    )
    parser = argparse.ArgumentParser(
        prog="decnet-operator",
        description="Turns Decky and SwarmHost objects into machines on the LAN, and keeps them so.",
        epilog=f"settings, from the environment:\n{settings}\n  DECNET_CATALOGUE_DIR\n"
        "      Folder of the service definitions. Default: images/ of the repository.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="run the operator (what it does without a command)")
    crds = commands.add_parser(
        "crds", help="write the custom resource definitions and their admission policy"
    )
    crds.add_argument("--out", type=Path, default=Path("crds"), help="folder to write to (crds)")
    return parser


def _settings() -> OperatorSettings:
    try:
        return OperatorSettings()
    except ValidationError as error:
        wrong = "; ".join(
            f"DECNET_OPERATOR_{'_'.join(map(str, it['loc'])).upper()}: {it['msg']}" for it in error.errors()
        )
        raise StartError(wrong) from error


def _deployment(settings: OperatorSettings) -> Deployment:
    try:
        images = yaml.safe_load(settings.images.read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise StartError(f"DECNET_OPERATOR_IMAGES: {error}") from error
    if not isinstance(images, dict) or not all(isinstance(it, str) for pair in images.items() for it in pair):
        raise StartError(f"DECNET_OPERATOR_IMAGES: {settings.images} must map names to images")
    return Deployment(
        namespace=settings.namespace,
        images=images,
        pull_policy=settings.image_pull_policy,
        pull_secrets=tuple(filter(None, (name.strip() for name in settings.image_pull_secrets.split(",")))),
        egress=settings.egress,
    )


def _log_to_stderr(level: str) -> None:
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%SZ",
    )
    if level != "debug":
        for noisy in ("kopf", "kubernetes", "aiohttp", "asyncio"):
            logging.getLogger(noisy).setLevel(logging.WARNING)


async def _operate(settings: OperatorSettings) -> None:
    _log_to_stderr(settings.log_level)
    deployment = _deployment(settings)
    catalogue = load_catalogue()
    if settings.kubeconfig:
        os.environ["KUBECONFIG"] = settings.kubeconfig  # where kopf looks
    async with connected(settings.kubeconfig) as kube:
        engine = Engine(State(settings, deployment, catalogue, kube, Queue()))
        runner = await serve(settings.http_host, settings.http_port, engine.not_alive, engine.not_ready)
        log.info("services: %s", ", ".join(catalogue))
        try:
            await run(engine)
        finally:
            await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main())
