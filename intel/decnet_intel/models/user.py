"""Who may look at the events."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import FetchedValue, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from decnet_intel.models.base import Base, BigInt, Moment


class Role(StrEnum):
    """What a user may do: `viewer` reads, `admin` also manages users."""

    ADMIN = "admin"
    VIEWER = "viewer"


class User(Base):
    """A person's account. `token_version` is part of every token; raising it ends them all."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True, server_default=FetchedValue())
    username: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    must_change_password: Mapped[bool]
    token_version: Mapped[int] = mapped_column(Integer, server_default="0")
    created_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())


class LoginTry(Base):
    """A login that failed or has not ended yet; in Postgres so that all API replicas count together."""

    __tablename__ = "login_tries"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True, server_default=FetchedValue())
    client: Mapped[str] = mapped_column(Text)
    tried_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
