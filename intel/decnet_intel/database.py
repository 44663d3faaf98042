"""Connections to Postgres, for SQLAlchemy and for psycopg alone."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
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

_DEAD_CLIENT = (
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3"
    " -c tcp_user_timeout=15000 -c idle_in_transaction_session_timeout=30000"
)
"""The same for the server: a transaction whose client is gone without a word (its node died) would keep its
locks, and hold every reader back behind its xid, for the two hours that the kernel waits before it asks."""

ENGINE_URL = "postgresql+psycopg://"
"""For SQLAlchemy, which would not read several hosts: the rest is in `connect_args`."""


def libpq_settings(settings: CommonSettings) -> dict[str, Any]:
    """What the URL says, by libpq's keywords.

    The URL is libpq's own: several hosts with `target_session_attrs=read-write` find the primary after a
    failover. A SQLAlchemy driver name in the scheme is taken out.
    """
    scheme, _, rest = settings.database_url.get_secret_value().partition("://")
    return conninfo_to_dict(f"{scheme.partition('+')[0]}://{rest}")


def make_engine(
    settings: CommonSettings, application: str, *, pool_size: int = 2, statement_timeout_ms: int = 30_000
) -> AsyncEngine:
    """An engine whose connections are named `application` and give up on long statements."""
    options = f"{_DEAD_CLIENT} -c statement_timeout={statement_timeout_ms} -c timezone=UTC"
    return create_async_engine(
        ENGINE_URL,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=CONNECT_SECONDS,
        pool_pre_ping=True,
        connect_args={
            **libpq_settings(settings),
            **_DEAD_PEER,
            "options": options,
            "application_name": application,
        },
    )


async def connect(settings: CommonSettings, application: str) -> psycopg.AsyncConnection[Any]:
    """An autocommit connection of its own. Raises psycopg.OperationalError when Postgres is away."""
    return await psycopg.AsyncConnection.connect(
        **{
            **libpq_settings(settings),
            **_DEAD_PEER,
            "options": f"{_DEAD_CLIENT} -c timezone=UTC",
            "application_name": application,
        },
        autocommit=True,
    )
