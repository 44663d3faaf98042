"""SwarmHost: a node that carries deckies, and its LAN."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from decnet_operator.api.base import CONDITIONS, ApiModel, Condition, rule

Driver = Literal["macvlan", "ipvlan"]


def _cidr(field: str, example: str, remedy: str) -> dict[str, JsonValue]:
    message = f"spec.lan.{field} must be an IPv4 network such as {example}, without host bits; {remedy}"
    check = "isCIDR(self) && cidr(self).ip().family() == 4 && cidr(self) == cidr(self).masked()"
    return {"x-kubernetes-validations": [rule(check, message)]}


class LanOverride(ApiModel):
    """What the node agent should not detect but take from here."""

    interface: str | None = Field(
        None,
        description="Network interface of the node that is on the LAN. Left out: the one with the default route."
        " The node agent must guard the same one (chart value nodeAgent.interface).",
        min_length=1,
        max_length=15,
        pattern=r"^[^\s/]+$",
    )
    subnet: str | None = Field(
        None,
        description="The LAN's IPv4 subnet, such as 192.168.1.0/24. Left out: that of the interface's address.",
        max_length=18,
        json_schema_extra=_cidr("subnet", "192.168.1.0/24", "remove it to have it detected"),
    )
    gateway: str | None = Field(
        None,
        description="The LAN's router, which becomes the deckies' default route. Left out: the node's.",
        max_length=15,
        json_schema_extra={
            "x-kubernetes-validations": [
                rule(
                    "isIP(self) && ip(self).family() == 4",
                    "spec.lan.gateway must be an IPv4 address such as 192.168.1.1; remove it to have it detected",
                )
            ]
        },
    )
    range: str | None = Field(
        None,
        description="Addresses for deckies, a part of the subnet in CIDR notation. Nothing else, such as a DHCP server,"
        " may hand these out. Left out: the chart's swarmHosts.range, else the last quarter of the subnet, 254"
        " addresses at most.",
        max_length=18,
        json_schema_extra=_cidr("range", "192.168.1.192/26", "remove it to have the upper end of the subnet"),
    )
    driver: Driver | None = Field(
        None,
        description="Driver of deckies that name none: macvlan or ipvlan. Left out: macvlan where the node has it.",
    )


LAN_RULES = [
    rule(
        "!has(self.subnet) || !has(self.gateway) || !isCIDR(self.subnet) || !isIP(self.gateway)"
        " || cidr(self.subnet).containsIP(self.gateway)",
        "spec.lan.gateway is outside spec.lan.subnet: correct one of the two",
    ),
    rule(
        "!has(self.subnet) || !has(self.range) || !isCIDR(self.subnet) || !isCIDR(self.range)"
        " || cidr(self.subnet).containsCIDR(self.range)",
        "spec.lan.range is outside spec.lan.subnet: choose a part of the subnet",
    ),
]


class SwarmHostSpec(ApiModel):
    """Settings of one node that carries deckies. Its name is the node's. Empty is right for most: the node agent
    detects the LAN.
    """

    lan: LanOverride | None = Field(
        None,
        description="The LAN that its deckies are on, where detection is not to be trusted.",
        json_schema_extra={"x-kubernetes-validations": LAN_RULES},
    )


class LanStatus(ApiModel):
    """The LAN in force."""

    interface: str | None = Field(None, description="Interface of the node.")
    subnet: str | None = Field(None, description="IPv4 subnet.")
    gateway: str | None = Field(None, description="Default route of the deckies.")
    address: str | None = Field(None, description="The node's own address there.")
    mac: str | None = Field(None, description="The interface's MAC address.")
    range: str | None = Field(None, description="Addresses that deckies get.")
    driver: str | None = Field(None, description="Driver of deckies that name none.")
    drivers: tuple[str, ...] = Field((), description="Drivers that the node's kernel has.")


class CertificateStatus(ApiModel):
    """The node's certificate; no other is trusted."""

    sha256: str | None = Field(None, description="SHA-256 of its DER in lower-case hexadecimal digits.")
    not_after: str | None = Field(
        None, description="When it ends.", json_schema_extra={"format": "date-time"}
    )
    serial: str | None = Field(None, description="Serial number in hexadecimal digits.")


class AgentStatus(ApiModel):
    """The node agent, by its own account."""

    version: str | None = Field(None, description="Its version.")
    filter: str | None = Field(
        None, description="State of the packet filter on the LAN interface: on, off, or why it is not on."
    )
    problem: str | None = Field(None, description="What it cannot do, and why.")


class SwarmHostStatus(ApiModel):
    """What the node agent found, and how the host does."""

    observed_generation: int | None = Field(
        None,
        description="metadata.generation that this status is about.",
        json_schema_extra={"format": "int64"},
    )
    conditions: tuple[Condition, ...] = Field(
        (),
        description="Ready: heard from, and its LAN is known. Reconciling: enrolment is under way."
        " Stalled: waits for you.",
        json_schema_extra=dict(CONDITIONS),
    )
    lan: LanStatus | None = Field(
        None, description="The LAN in force: what was detected, with spec.lan before it."
    )
    certificate: CertificateStatus | None = Field(
        None, description="The pinned certificate of its forwarder."
    )
    agent: AgentStatus | None = Field(None, description="The node agent.")
    deckies: int | None = Field(None, description="How many deckies it carries.")


class SwarmHost(ApiModel):
    """A node that carries deckies. Nodes are enrolled by themselves (chart value swarmHosts); make or edit one to
    choose another interface or address range. Deleting it revokes the node's certificate.
    """

    spec: SwarmHostSpec = Field(SwarmHostSpec(), description=" ".join((SwarmHostSpec.__doc__ or "").split()))
    status: SwarmHostStatus = Field(
        SwarmHostStatus(), description=" ".join((SwarmHostStatus.__doc__ or "").split())
    )
