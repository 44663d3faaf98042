"""What the console commands of the node have in common: --help, logging, SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

if TYPE_CHECKING:
    from pydantic_settings import BaseSettings

    Settings = TypeVar("Settings", bound=BaseSettings)


def settings_help(model: type[BaseSettings]) -> str:
    """One paragraph per setting: environment variable, default, meaning."""
    prefix = model.model_config.get("env_prefix", "")
    paragraphs = ["environment variables:"]
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else f"default {field.default}"
        paragraphs.append(f"  {prefix}{name.upper()}  ({default})\n      {field.description}")
    return "\n".join(paragraphs)


def parser(prog: str, description: str, model: type[BaseSettings]) -> argparse.ArgumentParser:
    """An argument parser whose --help documents `model`."""
    return argparse.ArgumentParser(
        prog=prog,
        description=description,
        epilog=settings_help(model),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def load_settings(model: type[Settings]) -> Settings:
    """The settings from the environment; ends the process with status 2 when they are wrong."""
    try:
        return model()
    except ValidationError as error:
        prefix = model.model_config.get("env_prefix", "")
        for problem in error.errors():
            name = prefix + "_".join(str(part) for part in problem["loc"]).upper()
            sys.stderr.write(f"{name}: {problem['msg']}\n")
        sys.exit(2)


def configure_logging(level: str) -> None:
    """Log lines on stderr, UTC-free: the container runtime stamps them."""
    logging.basicConfig(
        stream=sys.stderr, level=level.upper(), format="%(levelname)s %(name)s: %(message)s", force=True
    )


def stop_on_signals() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets. To be called inside the running loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop
