"""Connections to Postgres, for SQLAlchemy and for psycopg alone."""

from __future__ import annotations

from typing import Any

import psycopg
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from decnet_intel.settings import CommonSettings

CONNECT_SECONDS = 5
_DEAD_PEER: dict[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "keepalives_idle": 10,  # seconds until the first probe
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # ms; a black hole is noticed within this even while sending
}
"""libpq settings under which a silent server is an error instead of a hang."""


def libpq_url(settings: CommonSettings) -> str:
    """The URL as libpq reads it; a SQLAlchemy driver name in the scheme is taken out."""
    url = make_url(settings.database_url.get_secret_value())
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def sqlalchemy_url(settings: CommonSettings) -> URL:
    """The URL as SQLAlchemy reads it, with psycopg as the driver."""
    return make_url(settings.database_url.get_secret_value()).set(drivername="postgresql+psycopg")


def make_engine(
    settings: CommonSettings, application: str, *, pool_size: int = 2, statement_timeout_ms: int = 30_000
) -> AsyncEngine:
    """An engine whose connections are named `application` and give up on long statements."""
    options = f"-c statement_timeout={statement_timeout_ms} -c timezone=UTC"
    return create_async_engine(
        sqlalchemy_url(settings),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        pool_pre_ping=True,
        connect_args={**_DEAD_PEER, "options": options, "application_name": application},
    )


async def connect(settings: CommonSettings, application: str) -> psycopg.AsyncConnection[Any]:
    """An autocommit connection of its own. Raises psycopg.OperationalError when Postgres is away."""
    return await psycopg.AsyncConnection.connect(
        libpq_url(settings),
        autocommit=True,
        application_name=application,
        options="-c timezone=UTC",
        **_DEAD_PEER,
    )
