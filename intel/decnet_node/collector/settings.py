"""The collector's settings, all from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from decnet_events.transfer import MAX_ARTIFACT
from decnet_node.listener_settings import ListenerClientSettings

_MIB = 1024 * 1024


class CollectorSettings(ListenerClientSettings):
    """Environment variables DECNET_COLLECTOR_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="DECNET_COLLECTOR_")

    pods_root: Path = Field(
        Path("/var/lib/kubelet/pods"), description="Where kubelet keeps the pods' volumes."
    )
    state_dir: Path = Field(
        Path("/var/lib/decnet/artifacts"), description="Where copies wait for the listener, and their index."
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
    http_port: int = Field(9603, ge=0, le=65535, description="Port of http_host; 0 picks one.")

    @model_validator(mode="after")
    def _file_fits_quota(self) -> Self:
        # One may be on its way to the listener, which holds it, while the next one is copied.
        if self.max_file * 2 > min(self.decky_bytes, self.node_bytes):
            raise ValueError("decky_bytes and node_bytes must each hold two files of max_file bytes")
        return self
