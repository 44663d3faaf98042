"""Settings of those that speak to the listener: what forwarder and collector have in common."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ListenerClientSettings(BaseSettings):
    """Where the deckies' logs, the certificates and the listener are. `http_port` is the component's own."""

    model_config = SettingsConfigDict(frozen=True)

    log_root: Path = Field(
        Path("/var/log/pods"), description="Where kubelet keeps the pods' logs; their names say which pods."
    )
    marker: str = Field(
        "persona", description="A pod is a decky when its log directory has a container of this name."
    )
    tls_dir: Path = Field(
        Path("/var/lib/decnet/tls"),
        description="Directory with tls.key, tls.crt and ca.crt, reread on change.",
    )
    listener: str = Field("decnet-listener:6514", description="Listener as host:port.")
    server_name: str = Field(
        "decnet-listener",
        description="Name that the listener's certificate must have, whatever host is dialled.",
    )
    backoff_seconds: float = Field(5, gt=0, description="Longest pause between two attempts to connect.")
    http_host: str = Field("127.0.0.1", description="Address of /healthz, /readyz and /metrics.")
    log_level: str = Field("info", description="debug, info, warning or error.")

    @field_validator("listener")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError("must be host:port")
        return value

    @property
    def listener_address(self) -> tuple[str, int]:
        """`listener` taken apart; brackets of an IPv6 address removed."""
        host, _, port = self.listener.rpartition(":")
        return host.strip("[]"), int(port)
