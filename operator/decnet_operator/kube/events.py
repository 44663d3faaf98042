"""Kubernetes Events: what `kubectl describe` shows under an object."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import Context, copy_context
from typing import Any, Literal, cast

import kopf

_MAX_MESSAGE = 1000


class Recorder:
    """Queues Events. kopf knows its queue by context variables, which only its handlers have: `adopt` takes them."""

    def __init__(self) -> None:
        self._context: Context | None = None

    def adopt(self) -> None:
        """Remember the context; to be called in one of kopf's handlers."""
        self._context = copy_context()

    def record(
        self, body: Mapping[str, Any], kind: Literal["Normal", "Warning"], reason: str, message: str
    ) -> None:
        """Queue an Event about `body`."""
        if self._context is None:
            raise RuntimeError("no handler of kopf's was called yet")
        text = message[:_MAX_MESSAGE]
        self._context.run(kopf.event, cast("kopf.Body", dict(body)), type=kind, reason=reason, message=text)
