"""Where consumers of events stand, and which components are alive."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import FetchedValue, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from decnet_intel.models.base import Base, BigInt, Moment, Xid8


class Cursor(Base):
    """The last event a consumer has dealt with; moved in the transaction of the consumer's effects."""

    __tablename__ = "cursors"

    consumer: Mapped[str] = mapped_column(Text, primary_key=True)
    xid: Mapped[str] = mapped_column(Xid8)
    event_id: Mapped[int] = mapped_column(BigInt)
    updated_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())


class DeadLetter(Base):
    """An event that a consumer failed at as often as it may, kept whole with the last error."""

    __tablename__ = "dead_letters"

    consumer: Mapped[str] = mapped_column(Text, primary_key=True)
    xid: Mapped[str] = mapped_column(Xid8, primary_key=True)
    event_id: Mapped[int] = mapped_column(BigInt, primary_key=True)
    topic: Mapped[str] = mapped_column(Text)
    event: Mapped[dict[str, Any]]
    error: Mapped[str] = mapped_column(Text)
    tries: Mapped[int] = mapped_column(Integer)
    failed_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())


class Heartbeat(Base):
    """A sign of life of one process of a component; old when the process is gone."""

    __tablename__ = "heartbeats"

    component: Mapped[str] = mapped_column(Text, primary_key=True)
    instance: Mapped[str] = mapped_column(Text, primary_key=True)
    seen_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    detail: Mapped[dict[str, Any]]
