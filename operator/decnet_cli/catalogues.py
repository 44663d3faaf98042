"""`decnet services|archetypes|distros`: from the files of this release, without a cluster."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TypeVar

from decnet_cli.output import Table, plain
from decnet_operator.domain import data
from decnet_operator.domain.catalogue import PersonaKey, ServiceDefinition, load_catalogue

T = TypeVar("T")


class UnknownError(Exception):
    """There is nothing of that name; the message lists what there is."""


def _one(table: Mapping[str, T], name: str, what: str) -> T:
    if name not in table:
        raise UnknownError(f"no {what} {name}; there are {', '.join(table)}")
    return table[name]


def services(options: argparse.Namespace) -> Table:
    """All services, or one with its persona keys."""
    catalogue = load_catalogue()
    if options.name:
        return _service(_one(catalogue, options.name, "service"))
    return Table(
        data=[item.model_dump(mode="json", exclude_none=True) for item in catalogue.values()],
        columns=("name", "ports", "persona keys", "what it is"),
        rows=[
            (item.slug, _ports(item), ",".join(key.name for key in item.persona), item.title)
            for item in catalogue.values()
        ],
    )


def _ports(item: ServiceDefinition) -> str:
    return ",".join(f"{port.port}/{port.protocol}" for port in item.ports)


def _service(item: ServiceDefinition) -> Table:
    return Table(
        data=item.model_dump(mode="json", exclude_none=True),
        columns=("persona key", "type", "default", "meaning"),
        rows=[
            (key.name, key.type, str(key.default) if key.default not in ("", {}, []) else "-", _meaning(key))
            for key in item.persona
        ],
        before=f"{item.slug}: {item.title}, {_ports(item)}\n{item.summary}\nCaptures {', '.join(item.captures)}.",
    )


def _meaning(key: PersonaKey) -> str:
    limited = key.enum or key.pattern or key.minimum is not None or key.maximum is not None
    return f"{key.help} Must be {key.expectation()}." if limited else key.help


def archetypes(options: argparse.Namespace) -> Table:
    """All archetypes, or one; an archetype is usable when this release has all of its services."""
    catalogue, table = load_catalogue(), data.archetypes()
    chosen = {options.name: _one(table, options.name, "archetype")} if options.name else table
    rows, values = [], []
    for slug, item in chosen.items():
        missing = catalogue.missing(item.services)
        usable = f"no: lacks {','.join(missing)}" if missing else "yes"
        rows.append((slug, item.os, ",".join(item.services), usable, item.title))
        values.append({**item.model_dump(mode="json", exclude_none=True), "missingServices": list(missing)})
    columns = ("name", "os", "services", "usable", "what it is")
    return Table(values[0] if options.name else values, columns, rows)


def distros(options: argparse.Namespace) -> Table:
    """All Linux distributions, or one with its os-release."""
    table = data.distros()
    chosen = {options.name: _one(table, options.name, "distro")} if options.name else table
    values = [item.model_dump(mode="json") for item in chosen.values()]
    if options.name:
        [item] = chosen.values()
        rows = [("kernel", item.kernel), ("ssh", item.ssh), ("os-release", plain(item.os_release))]
        return Table(values[0], ("what", "value"), rows, before=f"{item.slug}: {item.title}")
    rows3 = [(slug, item.kernel, item.title) for slug, item in chosen.items()]
    return Table(values, ("name", "kernel", "what it is"), rows3)
