"""Decky: one fake machine on the LAN."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from decnet_operator.api.base import CONDITIONS, ApiModel, Condition, rule

DNS_LABEL = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
Driver = Literal["macvlan", "ipvlan"]
Protocol = Literal["TCP", "UDP"]

IP_RULE = rule(
    "isIP(self) && ip(self).family() == 4",
    "spec.network.ip must be an IPv4 address such as 192.168.1.60; remove it to have one chosen",
)
MAC_RULES = [
    rule(
        "self.matches('^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$')",
        "spec.network.mac must be six hexadecimal pairs such as 00:15:5d:0a:0b:0c; remove it to have one chosen",
    ),
    rule(
        "!self.matches('^.[13579bdfBDF]') && !self.matches('^00:00:00:00:00:00$')",
        "spec.network.mac is a group or an empty address; the second digit must be even, as in 00:15:5d:0a:0b:0c",
    ),
]


class Service(ApiModel):
    """One service from the catalogue."""

    name: str = Field(
        description="Name of a service in the catalogue; `decnet services` and docs/services.md list them.",
        json_schema_extra={"x-decnet-enum": "services"},
    )
    persona: dict[str, Any] = Field(
        default_factory=dict,
        description="What the service claims to be, by key. What is left out has the default.",
        json_schema_extra={
            "type": "object",
            "x-kubernetes-preserve-unknown-fields": True,
            "x-decnet-persona": True,
        },
    )


class Port(ApiModel):
    """A port that a custom service listens on."""

    port: int = Field(description="Port number.", ge=1, le=65535)
    protocol: Protocol = Field("TCP", description="TCP or UDP.")


class CustomService(ApiModel):
    """A service of your own: any image, contained like every other service."""

    name: str = Field(
        description="Name of the service; its events carry it. Unique on the decky.",
        pattern=DNS_LABEL,
        max_length=63,
    )
    image: str = Field(
        description="Container image, such as registry.example.com/telemetry:1.4.2.",
        min_length=1,
        max_length=512,
    )
    command: tuple[str, ...] = Field(
        (), description="Program and arguments to run instead of the image's entry point.", max_length=64
    )
    args: tuple[str, ...] = Field((), description="Arguments to use instead of the image's.", max_length=64)
    ports: tuple[Port, ...] = Field(
        (),
        description="Ports that it listens on; shown in status. Those below 1024 need no privilege.",
        max_length=64,
    )
    env: dict[str, str] = Field(
        default_factory=dict,
        description="Environment variables, name: value. An intruder can read them.",
        json_schema_extra={"maxProperties": 64},
    )


class Network(ApiModel):
    """Where the decky is on the network. All of it is chosen when left out, and kept."""

    swarm_host: str | None = Field(
        None,
        description="Name of the SwarmHost that carries the decky, on whose LAN it then is; `kubectl get swarmhosts`"
        " lists them. Left out: the Ready one with the fewest deckies.",
        min_length=1,
        max_length=253,
    )
    ip: str | None = Field(
        None,
        description="IPv4 address on the host's LAN. Left out: one of the host's range (status.lan.range).",
        max_length=15,
        json_schema_extra={"x-kubernetes-validations": [IP_RULE]},
    )
    mac: str | None = Field(
        None,
        description="MAC address. Left out: one whose vendor fits the archetype or operating system.",
        max_length=17,
        json_schema_extra={"x-kubernetes-validations": MAC_RULES},
    )
    driver: Driver | None = Field(
        None,
        description="How the decky is attached to the host's interface: `macvlan` (a MAC address of its own) or"
        " `ipvlan` (shares the host's MAC address, for switches and clouds that allow one only)."
        " Left out: as the SwarmHost says.",
    )


class ComputeResources(ApiModel):
    """CPU, memory and disk of one container."""

    requests: dict[str, str | int] = Field(
        default_factory=dict, description="What is set aside, such as cpu: 10m, memory: 32Mi.",
        json_schema_extra={"maxProperties": 16},
    )  # fmt: skip
    limits: dict[str, str | int] = Field(
        default_factory=dict, description="What it may use at most, such as memory: 128Mi.",
        json_schema_extra={"maxProperties": 16},
    )  # fmt: skip


class DeckySpec(ApiModel):
    """What the fake machine should be. The smallest one names an archetype; everything else is then chosen to
    fit, once, and kept for the life of the Decky. Say more to choose yourself: services and what each claims to
    be, operating system, host name, address. See docs/deckies.md.
    """

    archetype: str | None = Field(
        None,
        description="A kind of machine: gives services, operating system, host name pattern and MAC vendor."
        " `decnet archetypes` lists what each one has. Anything set below goes before it.",
        json_schema_extra={"x-decnet-enum": "archetypes"},
    )
    services: tuple[Service, ...] = Field(
        (),
        description="Services from the catalogue, each at most once. Given with an archetype, they replace the"
        " archetype's.",
        max_length=32,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    os: str | None = Field(
        None,
        description="Operating system family that the network stack claims. Left out: the archetype's, else linux.",
        json_schema_extra={"x-decnet-enum": "families"},
    )
    distro: str | None = Field(
        None,
        description="Linux distribution that shells and banners claim; only with os linux. Left out: the archetype's,"
        " else debian. `decnet distros` lists them.",
        json_schema_extra={"x-decnet-enum": "distros"},
    )
    hostname: str | None = Field(
        None,
        description="Host name without domain: lower-case letters, digits and hyphens (RFC 1123), 63 at most."
        " Left out: one that fits archetype and distribution.",
        max_length=63,
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    f"self.matches('{DNS_LABEL}')",
                    "spec.hostname must be lower-case letters, digits and hyphens, such as web-01;"
                    " remove it to have one chosen",
                )
            ]
        },
    )
    network: Network | None = Field(None, description="Host, address, MAC address and driver.")
    custom_services: tuple[CustomService, ...] = Field(
        (),
        description="Services of your own beside the others. Standard output is recorded line by line.",
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    runtime_class_name: str | None = Field(
        None,
        description="RuntimeClass of the pod, such as gvisor or kata, for one more wall between intruder and node.",
        pattern="^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        max_length=253,
    )
    resources: ComputeResources | None = Field(
        None, description="Requests and limits of each service container, instead of the catalogue's."
    )


SPEC_RULES = [
    rule(
        "has(self.archetype) || (has(self.services) && size(self.services) > 0)"
        " || (has(self.customServices) && size(self.customServices) > 0)",
        "a decky needs something to offer: set spec.archetype, spec.services or spec.customServices",
    ),
    rule(
        "!has(self.distro) || !has(self.os) || self.os == 'linux'",
        "spec.distro is a Linux distribution: remove it, or set spec.os to linux",
    ),
    rule(
        "!has(self.customServices) || self.customServices.all(c, c.name != 'persona' && (!has(self.services)"
        " || self.services.all(s, s.name != c.name)))",
        "spec.customServices: persona and the names in spec.services are taken; give your service another name",
    ),
]
ROOT_RULES = [
    rule(
        "size(self.metadata.name) <= 63",
        "metadata.name must have 63 characters at most: it becomes a label of the pod",
    ),
]


class ServiceStatus(ApiModel):
    """How one service does."""

    name: str = Field(description="Name of the service.")
    ready: bool = Field(description="Whether it answers.")
    ports: tuple[str, ...] = Field((), description="Where it listens, such as 22/TCP.")
    message: str | None = Field(None, description="Why it does not answer, where known.")


class DeckyStatus(ApiModel):
    """What the machine is, and how it does. Address, MAC address, host name and node stay for the life of the Decky."""

    observed_generation: int | None = Field(
        None,
        description="metadata.generation that this status is about.",
        json_schema_extra={"format": "int64"},
    )
    conditions: tuple[Condition, ...] = Field(
        (),
        description="Ready: every service answers, disguise and containment are on. Reconciling: being made or changed."
        " Stalled: waits for you; the message says for what.",
        json_schema_extra=dict(CONDITIONS),
    )
    ip: str | None = Field(None, description="IPv4 address on the LAN.")
    mac: str | None = Field(None, description="MAC address on the LAN.")
    hostname: str | None = Field(None, description="Host name.")
    node: str | None = Field(None, description="SwarmHost, and so node, that carries it.")
    os: str | None = Field(None, description="Operating system family that it claims.")
    distro: str | None = Field(None, description="Linux distribution that it claims.")
    archetype: str | None = Field(None, description="Kind of machine, when one was named.")
    service_names: str | None = Field(None, description="Names of its services, for tables.")
    services: tuple[ServiceStatus, ...] = Field(
        (),
        description="Its services, as their containers do.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )


class Decky(ApiModel):
    """A decky: a machine on your LAN that does not exist. It has its own IP and MAC address, real daemons behind its
    ports and nothing of value inside; whoever touches it is recorded.
    """

    spec: DeckySpec = Field(description=" ".join((DeckySpec.__doc__ or "").split()))
    status: DeckyStatus = Field(DeckyStatus(), description=" ".join((DeckyStatus.__doc__ or "").split()))
