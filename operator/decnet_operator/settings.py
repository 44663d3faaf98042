"""The operator's settings, all from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class OperatorSettings(BaseSettings):
    """Environment variables DECNET_OPERATOR_<NAME>; DECNET_CATALOGUE_DIR is the folder of the service definitions."""

    model_config = SettingsConfigDict(env_prefix="DECNET_OPERATOR_", frozen=True)

    namespace: str = Field(
        "decnet",
        description="Namespace of the product: network attachments, Leases of the nodes, authority, listener secrets.",
    )
    images: Path = Field(
        Path("/etc/decnet/images.yaml"),
        description="File that maps `persona` and each service's slug to its image. Read at start.",
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        "IfNotPresent", description="Pull policy of the deckies' images."
    )
    image_pull_secrets: str = Field(
        "",
        description="Names of Secrets with registry logins, by comma; looked for in each decky's namespace.",
    )
    node_selector: str = Field(
        "!node-role.kubernetes.io/control-plane",
        description="Label selector of nodes that become SwarmHosts by themselves, if they can be scheduled to;"
        " empty: none do. A node with the label decnet.io/enrol=false never does.",
    )
    lan_range: str = Field(
        "",
        description="Addresses for deckies, in CIDR notation, on LANs whose SwarmHost names no range. Empty: the last"
        " quarter of the subnet, 254 addresses at most. Network, broadcast and gateway address are never given away.",
    )
    egress: Literal["deny", "off"] = Field(
        "deny",
        description="Containment in the decky's own network namespace; off is for tests of the node's layer.",
    )
    sweep_seconds: float = Field(
        3,
        gt=0,
        description="Seconds between two looks at all Leases, which tell whether SwarmHosts are alive.",
    )
    upkeep_seconds: float = Field(
        60, gt=0, description="Seconds between two looks at network attachments and certificates."
    )
    quarantine_seconds: float = Field(
        900,
        ge=0,
        description="Seconds for which an address that a stranger was found to have is not given away.",
    )
    workers: int = Field(8, ge=1, description="Objects that are worked on at the same time.")
    kubeconfig: str = Field(
        "",
        description="Path of a kubeconfig file. Empty: the pod's service account, else KUBECONFIG or ~/.kube/config.",
    )
    http_host: str = Field("0.0.0.0", description="Address of /healthz, /readyz and /metrics.")  # noqa: S104 - kubelet and Prometheus come from outside
    http_port: int = Field(8080, ge=0, le=65535, description="Their port.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What is logged.")
