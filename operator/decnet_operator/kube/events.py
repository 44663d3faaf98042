"""Kubernetes Events: what `kubectl describe` shows under an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import kopf


def record(body: Mapping[str, Any], kind: Literal["Normal", "Warning"], reason: str, message: str) -> None:
    """Queue an Event about `body`. Must be called in a task that descends from kopf's."""
    kopf.event(cast("kopf.Body", dict(body)), type=kind, reason=reason, message=message[:1000])
