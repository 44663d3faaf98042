"""The forwarder's settings, all from the environment."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from decnet_events.framing import MAX_LINE
from decnet_node.forwarder.suppression import Rules
from decnet_node.listener_settings import ListenerClientSettings

_WORD = re.compile(r"[!-~]{1,48}")


class ForwarderSettings(ListenerClientSettings):
    """Environment variables DECNET_FORWARDER_<NAME>."""

    model_config = SettingsConfigDict(env_prefix="DECNET_FORWARDER_")

    state_dir: Path = Field(
        Path("/var/lib/decnet/forwarder"), description="Where acknowledged offsets are kept (SQLite)."
    )
    node: str = Field(
        default_factory=socket.gethostname,
        description="Name of this node as Kubernetes knows it. Default: the host name.",
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
    http_port: int = Field(9601, ge=0, le=65535, description="Port of http_host; 0 picks one.")

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


def _split(words: str) -> frozenset[str]:
    return frozenset(word.strip() for word in words.split(",") if word.strip())
