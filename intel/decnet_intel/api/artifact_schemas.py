"""What the artifact endpoints answer."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from decnet_intel.api.schemas import Schema
from decnet_intel.repository.artifacts import Captured
from decnet_intel.service.artifacts import Detail


class CaptureItem(Schema):
    """One file that a service of a decky gave. `name` is what the service calls it, not its path there."""

    id: int
    sha256: str
    size: int = Field(description="bytes of its content")
    kind: Literal["session", "file"] = Field(description="a recording of a session, or a captured file")
    name: str
    node: str
    namespace: str
    decky: str
    service: str
    captured_at: datetime = Field(description="the file's own time, which an intruder can choose")
    stored_at: datetime
    cut: bool = Field(description="true when there was more than could be kept")

    @classmethod
    def of(cls, it: Captured) -> CaptureItem:
        """The capture as it is shown."""
        capture = it.capture
        return cls(
            id=capture.id,
            sha256=capture.sha256,
            size=it.size,
            kind="session" if capture.kind == "session" else "file",
            name=capture.name,
            node=capture.node,
            namespace=capture.namespace,
            decky=capture.decky,
            service=capture.service,
            captured_at=capture.captured_at,
            stored_at=capture.stored_at,
            cut=capture.cut,
        )


class CapturePage(Schema):
    """Captures, the latest first. `next_cursor` asks for what is older; null when there is nothing."""

    items: list[CaptureItem]
    next_cursor: str | None


class ArtifactAnswer(Schema):
    """Content that is kept once, and where it came from. `captures` are the latest 100 of `capture_count`."""

    sha256: str
    size: int = Field(description="bytes")
    stored_at: datetime
    capture_count: int
    captures: list[CaptureItem]

    @classmethod
    def of(cls, it: Detail) -> ArtifactAnswer:
        """The artifact as it is shown."""
        return cls(
            sha256=it.artifact.sha256,
            size=it.artifact.size,
            stored_at=it.artifact.stored_at,
            capture_count=it.count,
            captures=[CaptureItem.of(capture) for capture in it.latest],
        )
