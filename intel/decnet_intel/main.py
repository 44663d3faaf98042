"""`decnet-intel`: one command for each process of the intel plane."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import textwrap
from collections.abc import Callable, Sequence

from pydantic import AliasChoices, ValidationError
from pydantic_core import PydanticUndefined

from decnet_intel.settings import (
    ApiSettings,
    CommonSettings,
    ListenerSettings,
    MigrateSettings,
    WorkerSettings,
)


# Each command imports only what it needs.
def _listener() -> None:
    from decnet_intel.listener.run import run

    run(ListenerSettings())


def _worker() -> None:
    from decnet_intel.worker.run import run

    run(WorkerSettings())


def _api() -> None:
    from decnet_intel.api.run import run

    run(ApiSettings())


def _migrate() -> None:
    from decnet_intel.migrate import migrate

    migrate(MigrateSettings())


def _openapi() -> None:
    from decnet_intel.api.app import make_routes

    sys.stdout.write(json.dumps(make_routes().openapi(), indent=2, sort_keys=True) + "\n")


_COMMANDS: dict[str, tuple[Callable[[], None], type[CommonSettings] | None, str]] = {
    "listener": (_listener, ListenerSettings, "take lines from the nodes over mutual TLS and store them"),
    "worker": (_worker, WorkerSettings, "mirror Kubernetes objects, make and drop partitions"),
    "api": (_api, ApiSettings, "serve the HTTP API and the dashboard"),
    "migrate": (_migrate, MigrateSettings, "bring the database schema to this release, waiting for Postgres"),
    "openapi": (_openapi, None, "print the OpenAPI document of the API"),
}


def variable_names(settings: type[CommonSettings]) -> dict[str, str]:
    """The environment variable of each field."""
    prefix = settings.model_config.get("env_prefix", "")
    names = {}
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        assert not isinstance(alias, AliasChoices)  # ours have one name
        names[name] = str(alias) if alias else f"{prefix}{name}".upper()
    return names


def _environment(settings: type[CommonSettings]) -> str:
    """The environment variables as a list for --help."""
    lines = ["environment variables:"]
    names = variable_names(settings)
    for name, field in settings.model_fields.items():
        if field.is_required():
            note = "required"
        elif field.default is PydanticUndefined or field.default in (None, ""):
            note = "default: none" if field.default_factory is None else "default: the host's name"
        else:
            note = f"default: {field.default}"
        lines.append(f"  {names[name]}")
        lines += textwrap.wrap(
            f"{field.description} ({note})", 96, initial_indent=" " * 6, subsequent_indent=" " * 6
        )
    return "\n".join(lines)


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="decnet-intel",
        description="The intel plane: takes events in, keeps them in Postgres, shows them.",
        epilog="Settings come from the environment; `decnet-intel COMMAND --help` lists them.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, settings, summary) in _COMMANDS.items():
        commands.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=_environment(settings) if settings else None,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit status 2 for bad settings, 1 when it failed."""
    command = make_parser().parse_args(arguments).command
    run, settings, _ = _COMMANDS[command]
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, stream=sys.stderr)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        run()
    except ValidationError as error:
        names = variable_names(settings) if settings else {}
        for problem in error.errors(include_input=False, include_url=False):
            field = str(problem["loc"][0]) if problem["loc"] else ""
            print(f"decnet-intel {command}: {names.get(field, field)}: {problem['msg']}", file=sys.stderr)
        return 2
    except TimeoutError as error:
        print(f"decnet-intel {command}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
