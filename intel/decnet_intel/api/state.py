"""What the endpoints work with, made once a process."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from datetime import timedelta

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from decnet_intel.artifacts.store import ContentStore, make_store
from decnet_intel.database import make_engine
from decnet_intel.notify import Wake
from decnet_intel.service.auth import TokenPolicy, TryLimit
from decnet_intel.settings import ApiSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(slots=True)
class State:
    """Settings, database, artifacts and stream wake-ups of one API process."""

    settings: ApiSettings
    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]
    wake: Wake
    tokens: TokenPolicy
    limit: TryLimit
    proxies: list[Network]
    artifacts: ContentStore
    streams: int = field(default=0)
    """Open event streams."""


def make_state(settings: ApiSettings) -> State:
    """The state for `settings`; connects to nothing yet. Raises ValueError for a bad proxy network."""
    engine = make_engine(
        settings,
        "decnet-api",
        pool_size=settings.pool_size,
        statement_timeout_ms=settings.statement_timeout_ms,
    )
    proxies = [
        ipaddress.ip_network(part.strip()) for part in settings.trusted_proxies.split(",") if part.strip()
    ]
    return State(
        settings=settings,
        engine=engine,
        sessions=async_sessionmaker(engine, expire_on_commit=False),
        wake=Wake(settings, "events", "decnet-api-wake"),
        tokens=TokenPolicy(settings.jwt_secret.get_secret_value(), timedelta(seconds=settings.token_seconds)),
        limit=TryLimit(settings.login_tries, timedelta(seconds=settings.login_window_seconds)),
        proxies=proxies,
        artifacts=make_store(settings),
    )


def state_of(request: Request) -> State:
    """The state of the process that serves `request`."""
    state: State = request.app.state.decnet
    return state


def client_address(request: Request) -> str:
    """Who asks: the peer, or behind trusted proxies the last address in X-Forwarded-For that is none.

    An IPv6 client counts as its /64, which is what one customer has.
    """
    proxies = state_of(request).proxies
    hops = [part.strip() for part in request.headers.get("x-forwarded-for", "").split(",")]
    address = _address(request.client.host if request.client else "")
    while address is not None and hops and any(address in network for network in proxies):
        address = _address(hops.pop()) or address
        if not hops or hops[-1] == "":
            break
    if address is None:
        return "unknown"
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
