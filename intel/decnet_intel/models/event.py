"""Events, how far each file has been read, and the running counts that keep statistics cheap."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, FetchedValue, Integer, Text
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import Mapped, mapped_column

from decnet_intel.models.base import Base, BigInt, Moment, Xid8


class Event(Base):
    """One line of one container. Partitioned by `day`, the UTC date at which the runtime wrote it.

    `node`, `namespace`, `decky`, `pod_uid`, `service`, `generation` and `byte_offset` come from the
    sender's certificate and the file's path; `hostname`, `event_id`, `fields`, `message` and
    `occurred_at` are what the line says of itself. `raw` is set only when the line was unreadable.
    """

    __tablename__ = "events"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    id: Mapped[int] = mapped_column(BigInt, primary_key=True, server_default=FetchedValue())
    file_id: Mapped[int] = mapped_column(BigInt)
    node: Mapped[str] = mapped_column(Text)
    namespace: Mapped[str] = mapped_column(Text)
    decky: Mapped[str] = mapped_column(Text)
    pod_uid: Mapped[str] = mapped_column(Text)
    service: Mapped[str] = mapped_column(Text)
    generation: Mapped[str] = mapped_column(Text)
    byte_offset: Mapped[int] = mapped_column(BigInt)
    event_id: Mapped[str] = mapped_column(Text)
    severity: Mapped[int] = mapped_column(Integer)
    hostname: Mapped[str] = mapped_column(Text)
    src_ip: Mapped[Any | None] = mapped_column(INET)
    src_port: Mapped[int | None] = mapped_column(Integer)
    fields: Mapped[dict[str, Any]]
    message: Mapped[str] = mapped_column(Text)
    raw: Mapped[str | None] = mapped_column(Text)
    occurred_at: Mapped[datetime] = mapped_column(Moment)
    received_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    acknowledged: Mapped[bool]
    cut: Mapped[bool]
    xid: Mapped[str] = mapped_column(Xid8, server_default=FetchedValue())


class File(Base):
    """One log file of one container, or one connection of a sender that has no files.

    `byte_offset` is the start of the furthest line stored of it, written in the transaction of its
    rows; `previous_offset` is what that was before.
    """

    __tablename__ = "files"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True, server_default=FetchedValue())
    node: Mapped[str] = mapped_column(Text)
    pod_uid: Mapped[str] = mapped_column(Text)
    container: Mapped[str] = mapped_column(Text)
    generation: Mapped[str] = mapped_column(Text)
    byte_offset: Mapped[int] = mapped_column(BigInt)
    previous_offset: Mapped[int] = mapped_column(BigInt, server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())


class EventCount(Base):
    """How many events an hour, node, decky, service and event id had; unregistered ids are `other`."""

    __tablename__ = "event_counts"

    hour: Mapped[datetime] = mapped_column(Moment, primary_key=True)
    node: Mapped[str] = mapped_column(Text, primary_key=True)
    namespace: Mapped[str] = mapped_column(Text, primary_key=True)
    decky: Mapped[str] = mapped_column(Text, primary_key=True)
    service: Mapped[str] = mapped_column(Text, primary_key=True)
    event_id: Mapped[str] = mapped_column(Text, primary_key=True)
    events: Mapped[int] = mapped_column(BigInt)
    credentials: Mapped[int] = mapped_column(BigInt)
    last_at: Mapped[datetime] = mapped_column(Moment)


class SourceCount(Base):
    """How many events a source address caused on a day."""

    __tablename__ = "source_counts"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    src_ip: Mapped[Any] = mapped_column(INET, primary_key=True)
    events: Mapped[int] = mapped_column(BigInt)
    last_at: Mapped[datetime] = mapped_column(Moment)
