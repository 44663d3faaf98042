"""Captured files and session recordings: their content, who captured it, and what that takes up."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import FetchedValue, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from decnet_intel.models.base import Base, BigInt, Moment


class Artifact(Base):
    """Content that is kept, once, however often it was captured. `size` is in bytes."""

    __tablename__ = "artifacts"

    sha256: Mapped[str] = mapped_column(Text, primary_key=True)
    size: Mapped[int] = mapped_column(BigInt)
    stored_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())


class Capture(Base):
    """One file that one container of one decky gave. `captured_at` is the file's own time, which an
    intruder can choose; `stored_at` is ours."""

    __tablename__ = "captures"

    id: Mapped[int] = mapped_column(BigInt, primary_key=True, server_default=FetchedValue())
    sha256: Mapped[str] = mapped_column(Text, ForeignKey("artifacts.sha256"))
    node: Mapped[str] = mapped_column(Text)
    namespace: Mapped[str] = mapped_column(Text)
    decky: Mapped[str] = mapped_column(Text)
    pod_uid: Mapped[str] = mapped_column(Text)
    service: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    captured_at: Mapped[datetime] = mapped_column(Moment)
    stored_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
    cut: Mapped[bool]


class ArtifactUsage(Base):
    """What a decky takes up of its quota and of its node's, in bytes (see `repository.captures`)."""

    __tablename__ = "artifact_usage"

    node: Mapped[str] = mapped_column(Text, primary_key=True)
    namespace: Mapped[str] = mapped_column(Text, primary_key=True)
    decky: Mapped[str] = mapped_column(Text, primary_key=True)
    bytes: Mapped[int] = mapped_column(BigInt)


class ArtifactLoss(Base):
    """A report of a node that something will never come; kept so that it counts once."""

    __tablename__ = "artifact_losses"

    node: Mapped[str] = mapped_column(Text, primary_key=True)
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    noted_at: Mapped[datetime] = mapped_column(Moment, server_default=FetchedValue())
