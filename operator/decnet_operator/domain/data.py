"""The tables that come with the package: archetypes, distributions, OS families, network card vendors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field

Prefix = str


class Entry(BaseModel):
    """A row; unknown columns are an error, so that a misspelt one is found at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slug: str
    title: str


class Vendor(Entry):
    """A maker of network cards and the first three bytes of its MAC addresses."""

    prefixes: tuple[Prefix, ...] = Field(min_length=1)


class Family(Entry):
    """An operating system family: what its network stack says of itself."""

    ttl: int = Field(ge=1, le=255)
    sysctls: Mapping[str, str]
    vendors: tuple[str, ...] = Field(min_length=1)

    def all_sysctls(self) -> dict[str, str]:
        """What is set in the network namespace, in a stable order."""
        return dict(sorted({"net.ipv4.ip_default_ttl": str(self.ttl), **self.sysctls}.items()))


class Distro(Entry):
    """A Linux distribution as a shell and the banners tell it."""

    kernel: str
    os_release: Mapping[str, str]
    ssh: str
    hostnames: tuple[str, ...] = Field(min_length=1)


class Archetype(Entry):
    """A kind of machine."""

    os: Literal["linux", "windows", "bsd", "embedded", "cisco"]
    services: tuple[str, ...] = Field(min_length=1)
    distro: str | None = None
    vendors: tuple[str, ...] = ()
    hostnames: tuple[str, ...] = Field(min_length=1)


E = TypeVar("E", bound=Entry)


def _load(name: str, model: type[E]) -> dict[str, E]:
    text = resources.files("decnet_operator").joinpath("data", f"{name}.yaml").read_text("utf-8")
    return {slug: model.model_validate({"slug": slug, **row}) for slug, row in yaml.safe_load(text).items()}


@cache
def vendors() -> dict[str, Vendor]:
    """Makers of network cards by slug."""
    return _load("vendors", Vendor)


@cache
def families() -> dict[str, Family]:
    """OS families by slug."""
    return _load("os_families", Family)


@cache
def distros() -> dict[str, Distro]:
    """Linux distributions by slug."""
    return _load("distros", Distro)


@cache
def archetypes() -> dict[str, Archetype]:
    """Kinds of machines by slug."""
    return _load("archetypes", Archetype)
