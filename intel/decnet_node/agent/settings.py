"""The node agent's settings, all from the environment."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class AgentSettings(BaseSettings):
    """Environment variables DECNET_AGENT_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="DECNET_AGENT_", frozen=True)

    node: str = Field(
        default_factory=socket.gethostname,
        description="Name of this node as Kubernetes knows it. Default: the host name.",
    )
    namespace: str = Field("decnet", description="Namespace of the Lease and of the CA's ConfigMap.")
    interface: str = Field("", description="LAN interface. Default: the one with the default route.")
    filter: Literal["on", "off"] = Field(
        "on", description="The node's packet filter on the LAN interface; off removes it."
    )
    tls_dir: Path = Field(
        Path("/var/lib/decnet/tls"),
        description="Where tls.key, tls.crt and ca.crt are kept for the forwarder.",
    )
    ca_config_map: str = Field("decnet-ca", description="ConfigMap whose key ca.crt is the authority.")
    signer: str = Field("decnet.io/swarmhost", description="Signer that certificates are asked of.")
    certificate_seconds: int = Field(
        30 * 86400, ge=600, description="Lifetime asked for; renewed after two thirds of what was given."
    )
    heartbeat_seconds: float = Field(10, gt=0, description="Seconds between renewals of the Lease.")
    lease_seconds: int = Field(
        40, ge=1, description="The Lease's duration: silent for longer means unreachable."
    )
    sweep_seconds: float = Field(10, gt=0, description="Seconds between checks of LAN and packet filter.")
    kubeconfig: str = Field("", description="Path of a kubeconfig file. Default: the pod's service account.")
    http_host: str = Field("127.0.0.1", description="Address of /healthz, /readyz and /metrics.")
    http_port: int = Field(9602, ge=0, le=65535, description="Its port; 0 picks one.")
    log_level: str = Field("info", description="debug, info, warning or error.")
