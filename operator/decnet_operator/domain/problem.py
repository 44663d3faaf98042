"""Why something cannot be as it is asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """`reason` is one word for programs, `message` a sentence for people with the field and the remedy.

    `passing`: it goes away by itself, as while an old pod is still ending.
    """

    reason: str
    message: str
    passing: bool = False


class ProblemError(Exception):
    """Carries a Problem out of nested decisions."""

    def __init__(self, reason: str, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.problem = Problem(reason, message, passing)
