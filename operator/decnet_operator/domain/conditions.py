"""Conditions of an object: always the same three, written only when they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Condition = Mapping[str, Any]
_MAX_MESSAGE = 2000


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an object does.

    `ready`: it is as asked for. `stalled`: somebody must do something. Neither: it is being made or changed, or waits
    for something that needs nobody (`waits`, then it is not Reconciling either).
    """

    reason: str
    message: str
    ready: bool = False
    stalled: bool = False
    waits: bool = False


def conditions(
    verdict: Verdict, generation: int, before: Iterable[Condition], now: str
) -> list[dict[str, Any]]:
    """Ready, Reconciling and Stalled for `verdict`; a transition time changes with its status only."""
    reconciling = not (verdict.ready or verdict.stalled or verdict.waits)
    message = verdict.message[:_MAX_MESSAGE]
    quiet = ("Ready", message) if verdict.ready else (verdict.reason, message)
    previous = {item.get("type"): item for item in before}

    def one(kind: Literal["Ready", "Reconciling", "Stalled"], status: bool) -> dict[str, Any]:
        old = previous.get(kind, {})
        text = "True" if status else "False"
        says = status or kind == "Ready"
        return {
            "type": kind,
            "status": text,
            "reason": quiet[0] if says else f"Not{kind}",
            "message": quiet[1] if says else "",
            "observedGeneration": generation,
            "lastTransitionTime": old.get("lastTransitionTime", now) if old.get("status") == text else now,
        }

    return [one("Ready", verdict.ready), one("Reconciling", reconciling), one("Stalled", verdict.stalled)]
