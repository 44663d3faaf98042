"""The collector's settings, all from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from decnet_events.transfer import MAX_ARTIFACT

_MIB = 1024 * 1024


class CollectorSettings(BaseSettings):
    """Environment variables DECNET_COLLECTOR_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="DECNET_COLLECTOR_", frozen=True)

    log_root: Path = Field(
        Path("/var/log/pods"), description="Where kubelet keeps the pods' logs; their names say which pods."
    )
    pods_root: Path = Field(
        Path("/var/lib/kubelet/pods"), description="Where kubelet keeps the pods' volumes."
    )
    state_dir: Path = Field(
        Path("/var/lib/decnet/artifacts"), description="Where copies wait for the listener, and their index."
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
    marker: str = Field(
        "persona", description="A pod is a decky when its log directory has a container of this name."
    )
    max_file: int = Field(
        MAX_ARTIFACT, ge=1, le=MAX_ARTIFACT, description="Bytes of one file; the rest is cut and reported."
    )
    decky_bytes: int = Field(
        256 * _MIB, ge=_MIB, description="Bytes of one decky that may wait; beyond, its oldest are dropped."
    )
    node_bytes: int = Field(
        1024 * _MIB, ge=_MIB, description="The same for all; beyond, of the decky that has most."
    )
    keep_free: int = Field(
        64 * _MIB, ge=_MIB, description="Bytes of the disk to leave free; copying waits for them."
    )
    copy_rate: int = Field(
        32 * _MIB, ge=_MIB, description="Bytes per second that are copied from one spool in the long run."
    )
    poll_seconds: float = Field(0.5, gt=0, le=60, description="Seconds between looks at the spools.")
    reply_seconds: float = Field(
        60, gt=0, description="Without an answer for so long while one is due: connect anew."
    )
    backoff_seconds: float = Field(5, gt=0, description="Longest pause between two attempts to connect.")
    http_host: str = Field("127.0.0.1", description="Address of /healthz, /readyz and /metrics.")
    http_port: int = Field(9603, ge=0, le=65535, description="Its port; 0 picks one.")
    log_level: str = Field("info", description="debug, info, warning or error.")

    @field_validator("listener")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError("must be host:port")
        return value

    @model_validator(mode="after")
    def _file_fits_quota(self) -> Self:
        # One may be on its way to the listener, which holds it, while the next one is copied.
        if self.max_file * 2 > min(self.decky_bytes, self.node_bytes):
            raise ValueError("decky_bytes and node_bytes must each hold two files of max_file bytes")
        return self

    @property
    def listener_address(self) -> tuple[str, int]:
        """`listener` taken apart; brackets of an IPv6 address removed."""
        host, _, port = self.listener.rpartition(":")
        return host.strip("[]"), int(port)
