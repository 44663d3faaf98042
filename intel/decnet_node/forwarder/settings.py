"""The forwarder's settings, all from the environment."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from decnet_events.framing import MAX_LINE
from decnet_node.forwarder.suppression import Rules

_WORD = re.compile(r"[!-~]{1,48}")


class ForwarderSettings(BaseSettings):
    """Environment variables DECNET_FORWARDER_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="DECNET_FORWARDER_", frozen=True)

    log_root: Path = Field(Path("/var/log/pods"), description="Where kubelet keeps the pods' logs.")
    state_dir: Path = Field(
        Path("/var/lib/decnet/forwarder"), description="Where acknowledged offsets are kept (SQLite)."
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
    node: str = Field(
        default_factory=socket.gethostname,
        description="Name of this node as Kubernetes knows it. Default: the host name.",
    )
    marker: str = Field(
        "persona", description="A pod is a decky when its log directory has a container of this name."
    )
    max_line: int = Field(
        MAX_LINE, ge=256, le=MAX_LINE, description="Bytes of one line; the rest is cut and the line marked."
    )
    window_lines: int = Field(
        50_000, ge=1, description="Lines sent or read but not acknowledged; reading stops beyond."
    )
    window_bytes: int = Field(6 * 1024 * 1024, ge=4096, description="The same in bytes.")
    poll_seconds: float = Field(0.2, gt=0, le=10, description="Seconds between looks at the files.")
    ack_seconds: float = Field(
        120, gt=0, description="Without an acknowledgement for so long while one is due: connect anew."
    )
    backoff_seconds: float = Field(5, gt=0, description="Longest pause between two attempts to connect.")
    stop_seconds: float = Field(5, ge=0, description="On SIGTERM: how long to wait for acknowledgements.")
    suppress_events: str = Field(
        "connect,disconnect,connection,accept,close",
        description="Event ids of which, per container and source address, only the first line of each"
        " window passes; the others are counted and reported as one event.",
    )
    suppress_seconds: int = Field(
        5, ge=0, le=3600, description="Length of that window in seconds; 0 passes every line."
    )
    drop_apps: str = Field(
        "",
        description="APP-NAMEs, separated by commas, whose lines are not sent but counted and reported"
        " once a minute.",
    )
    http_host: str = Field("127.0.0.1", description="Address of /healthz, /readyz and /metrics.")
    http_port: int = Field(9601, ge=0, le=65535, description="Its port; 0 picks one.")
    log_level: str = Field("info", description="debug, info, warning or error.")

    @field_validator("listener")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError("must be host:port")
        return value

    @field_validator("suppress_events", "drop_apps")
    @classmethod
    def _words(cls, value: str) -> str:
        if not all(_WORD.fullmatch(word) for word in _split(value)):
            raise ValueError("must be names of 1 to 48 printable characters, separated by commas")
        return value

    @property
    def rules(self) -> Rules:
        """What is withheld."""
        return Rules(_split(self.suppress_events), self.suppress_seconds, _split(self.drop_apps))

    @property
    def listener_address(self) -> tuple[str, int]:
        """`listener` taken apart; brackets of an IPv6 address removed."""
        host, _, port = self.listener.rpartition(":")
        return host.strip("[]"), int(port)


def _split(words: str) -> frozenset[str]:
    return frozenset(word.strip() for word in words.split(",") if word.strip())
