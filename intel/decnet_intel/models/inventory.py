"""The mirror of the Kubernetes objects that the intel plane shows or trusts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import FetchedValue, Text
from sqlalchemy.orm import Mapped, mapped_column

from decnet_intel.models.base import Base, Moment


class Decky(Base):
    """A Decky as the API server last told it. `services` are the entries of its status."""

    __tablename__ = "deckies"

    namespace: Mapped[str] = mapped_column(Text, primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    uid: Mapped[str] = mapped_column(Text)
    node: Mapped[str | None] = mapped_column(Text)
    ip: Mapped[str | None] = mapped_column(Text)
    mac: Mapped[str | None] = mapped_column(Text)
    hostname: Mapped[str | None] = mapped_column(Text)
    archetype: Mapped[str | None] = mapped_column(Text)
    os: Mapped[str | None] = mapped_column(Text)
    distro: Mapped[str | None] = mapped_column(Text)
    ready: Mapped[bool]
    reason: Mapped[str | None] = mapped_column(Text)
    message: Mapped[str | None] = mapped_column(Text)
    services: Mapped[list[dict[str, Any]]]
    created_at: Mapped[datetime | None] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())


class SwarmHost(Base):
    """A node that carries deckies. `sha256` is the only client certificate it may use, or null."""

    __tablename__ = "swarm_hosts"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    sha256: Mapped[str | None] = mapped_column(Text)
    not_after: Mapped[datetime | None] = mapped_column(Moment)
    ready: Mapped[bool]
    reason: Mapped[str | None] = mapped_column(Text)
    message: Mapped[str | None] = mapped_column(Text)
    lan: Mapped[dict[str, Any]]
    updated_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
