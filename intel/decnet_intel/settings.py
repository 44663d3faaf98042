"""Settings of every component, from environment variables; `decnet-intel COMMAND --help` lists them."""

from __future__ import annotations

import socket
from pathlib import Path

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_DATABASE_URL = Field(
    validation_alias="DECNET_DATABASE_URL",
    min_length=1,
    description="Postgres, such as postgresql://user:password@host:5432/decnet; libpq parameters after '?'",
)


TASKS = frozenset({"inventory", "upkeep"})
"""What a worker can do."""


def _split(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


class CommonSettings(BaseSettings):
    """What every component needs."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    database_url: SecretStr = _DATABASE_URL
    log_level: str = Field(
        default="INFO",
        validation_alias="DECNET_LOG_LEVEL",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="DEBUG, INFO, WARNING or ERROR",
    )
    instance: str = Field(
        default_factory=socket.gethostname,
        validation_alias="HOSTNAME",
        description="name of this process in the health answer; Kubernetes sets it to the pod's name",
    )


class MigrateSettings(CommonSettings):
    """`decnet-intel migrate`."""

    model_config = SettingsConfigDict(env_prefix="DECNET_MIGRATE_")

    wait_seconds: float = Field(
        default=300, ge=0, description="how long to wait for Postgres and for another migration"
    )
    lock_timeout_ms: int = Field(
        default=5000, gt=0, description="longest wait for a table lock, so readers are not held up"
    )
    statement_timeout_ms: int = Field(default=600_000, gt=0, description="longest single statement")


class ArtifactSettings(CommonSettings):
    """Where the content of artifacts is kept: what the listener, the worker and the API must agree on."""

    artifacts_dir: Path = Field(
        default=Path("/var/lib/decnet/artifacts"),
        validation_alias="DECNET_ARTIFACTS_DIR",
        description="folder of the artifacts; with S3 only of what is still coming in",
    )
    s3_endpoint: str = Field(
        default="",
        validation_alias="DECNET_ARTIFACTS_S3_ENDPOINT",
        pattern=r"^(https?://[^/\s?#@]+)?/?$",
        description="URL of an S3-compatible server, such as https://s3.example.com; none keeps them in the folder",
    )
    s3_bucket: str = Field(
        default="",
        validation_alias="DECNET_ARTIFACTS_S3_BUCKET",
        validate_default=True,
        description="bucket, which must exist",
    )
    s3_region: str = Field(
        default="us-east-1", validation_alias="DECNET_ARTIFACTS_S3_REGION", description="region of the bucket"
    )
    s3_access_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="DECNET_ARTIFACTS_S3_ACCESS_KEY",
        validate_default=True,
        description="access key",
    )
    s3_secret_key: SecretStr = Field(
        default=SecretStr(""),
        validation_alias="DECNET_ARTIFACTS_S3_SECRET_KEY",
        validate_default=True,
        description="secret key",
    )

    @field_validator("s3_bucket", "s3_access_key", "s3_secret_key")
    @classmethod
    def _goes_with_the_endpoint(cls, value: str | SecretStr, info: ValidationInfo) -> str | SecretStr:
        given = value.get_secret_value() if isinstance(value, SecretStr) else value
        if info.data.get("s3_endpoint") and not given:
            raise ValueError("is needed with DECNET_ARTIFACTS_S3_ENDPOINT")
        return value


class ListenerSettings(ArtifactSettings):
    """`decnet-intel listener`."""

    model_config = SettingsConfigDict(env_prefix="DECNET_LISTENER_")

    host: str = Field(default="0.0.0.0", description="address to listen on")  # noqa: S104 (a server's purpose)
    port: int = Field(default=6514, ge=0, le=65535, description="port for RFC 5425; 0 picks a free one")
    tls_cert: Path = Field(
        default=Path("/etc/decnet/tls/tls.crt"),
        description="server certificate (PEM), read again when it changes",
    )
    tls_key: Path = Field(default=Path("/etc/decnet/tls/tls.key"), description="its key (PEM)")
    tls_ca: Path = Field(
        default=Path("/etc/decnet/tls/ca.crt"), description="CA that signs the nodes' certificates (PEM)"
    )
    status_host: str = Field(default="0.0.0.0", description="address of /healthz, /readyz and /metrics")  # noqa: S104
    status_port: int = Field(default=9100, ge=0, le=65535, description="their port; 0 picks a free one")
    retention_days: int = Field(
        default=30,
        ge=1,
        description="days before today whose partitions may be made for late lines; as the worker's",
    )
    batch_lines: int = Field(default=5000, ge=1, description="most lines in one transaction")
    buffer_bytes: int = Field(
        default=32 * 1024 * 1024,
        ge=1 << 20,
        description="memory for lines that wait to be stored; reading stops when it is used up",
    )
    max_connections: int = Field(default=512, ge=1, description="open connections of all nodes")
    max_connections_per_node: int = Field(
        default=8, ge=1, description="open connections of one node; a new one ends its oldest"
    )
    max_handshakes: int = Field(default=64, ge=1, description="TLS handshakes under way")
    handshake_seconds: float = Field(default=10, gt=0, description="longest TLS handshake")
    frame_seconds: float = Field(
        default=30, gt=0, description="longest time from a frame's first byte to its last"
    )
    idle_seconds: float = Field(
        default=3600, gt=0, description="a connection without any byte for this long is closed"
    )
    ack_seconds: float = Field(
        default=30, gt=0, description="longest time that a client may leave acknowledgements unread"
    )
    pin_seconds: float = Field(
        default=2, gt=0, description="how often the pinned certificates are read again without a wake-up"
    )
    transaction_seconds: float = Field(
        default=60, gt=0, description="longest transaction before the connection to Postgres is given up"
    )
    drain_seconds: float = Field(
        default=20, gt=0, description="at SIGTERM, longest wait for what was read to be committed"
    )
    artifacts_decky_bytes: int = Field(
        default=1 << 30,
        ge=0,
        validation_alias="DECNET_ARTIFACTS_DECKY_BYTES",
        description="most that is kept of one decky; content that it captured twice counts once",
    )
    artifacts_node_bytes: int = Field(
        default=10 << 30,
        ge=0,
        validation_alias="DECNET_ARTIFACTS_NODE_BYTES",
        description="most that is kept of the deckies of one node",
    )
    artifacts_partials: int = Field(
        default=16,
        ge=1,
        validation_alias="DECNET_ARTIFACTS_PARTIALS",
        description="unfinished artifacts of one node; the oldest goes for a new one",
    )
    artifacts_partial_bytes: int = Field(
        default=512 << 20,
        ge=100 << 20,
        validation_alias="DECNET_ARTIFACTS_PARTIAL_BYTES",
        description="disk for the unfinished artifacts of one node, at least that of one artifact (100 MiB)",
    )
    artifacts_partial_seconds: float = Field(
        default=86_400,
        gt=0,
        validation_alias="DECNET_ARTIFACTS_PARTIAL_SECONDS",
        description="an unfinished artifact to which nothing was added for this long goes",
    )


class WorkerSettings(ArtifactSettings):
    """`decnet-intel worker`."""

    model_config = SettingsConfigDict(env_prefix="DECNET_WORKER_")

    tasks: str = Field(
        default="inventory,upkeep",
        description="comma-separated: inventory (Kubernetes mirror), upkeep (partitions, retention)",
    )
    retention_days: int = Field(default=30, ge=1, description="days of events that are kept")
    upkeep_seconds: float = Field(
        default=3600, gt=0, description="how often partitions are made ahead and old ones dropped"
    )
    resync_seconds: int = Field(
        default=300, ge=5, description="how often the mirror is compared with a full list"
    )
    status_host: str = Field(default="0.0.0.0", description="address of /healthz, /readyz and /metrics")  # noqa: S104
    status_port: int = Field(default=9100, ge=0, le=65535, description="their port; 0 picks a free one")

    @field_validator("tasks")
    @classmethod
    def _tasks_exist(cls, tasks: str) -> str:
        unknown = _split(tasks) - TASKS
        if unknown or not _split(tasks):
            raise ValueError(f"must be some of {', '.join(sorted(TASKS))}")
        return tasks

    @property
    def task_names(self) -> frozenset[str]:
        """The tasks to run."""
        return _split(self.tasks)


class ApiSettings(ArtifactSettings):
    """`decnet-intel api`."""

    model_config = SettingsConfigDict(env_prefix="DECNET_API_")

    host: str = Field(default="0.0.0.0", description="address to listen on")  # noqa: S104
    port: int = Field(default=8000, ge=0, le=65535, description="port for API and dashboard")
    jwt_secret: SecretStr = Field(
        min_length=32, description="key that signs the tokens, at least 32 characters"
    )
    token_seconds: int = Field(default=8 * 3600, ge=60, description="life of a token")
    admin_username: str = Field(
        default="admin", min_length=1, description="account made at start when it is missing"
    )
    admin_password: SecretStr | None = Field(
        default=None, description="its first password; must be changed at the first login"
    )
    dashboard_dir: Path | None = Field(default=None, description="folder of the built dashboard, served at /")
    login_tries: int = Field(
        default=10, ge=1, description="failed logins of one client address within the window"
    )
    login_window_seconds: int = Field(default=300, ge=1, description="that window")
    trusted_proxies: str = Field(
        default="",
        description="comma-separated networks whose X-Forwarded-For is believed, such as 10.0.0.0/8",
    )
    stream_clients: int = Field(default=100, ge=1, description="open event streams")
    stream_poll_seconds: float = Field(
        default=2, gt=0, description="how often a stream looks for events without a wake-up"
    )
    stream_keepalive_seconds: float = Field(default=15, gt=0, description="longest silence on a stream")
    statement_timeout_ms: int = Field(
        default=15_000, gt=0, description="longest query before the answer is 503"
    )
    pool_size: int = Field(default=10, ge=1, description="connections to Postgres")
