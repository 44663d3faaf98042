"""Topics of events, and patterns of topics as NATS has them.

An event's topic is `host.<decky>.<service>.<event id>`. Each of the last three is one token: what is
not a letter, a digit, `_` or `-` stands as `_`, so that no name that an intruder chose adds a token or
a wildcard; an empty one is `_`. In a pattern `*` is any one token, and a last `>` one token or more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, func, or_, true
from sqlalchemy.orm import InstrumentedAttribute

from decnet_intel.models import Event
from decnet_intel.repository.events import Position

PREFIX = "host"
_ODD = r"[^A-Za-z0-9_-]"
_PATTERN_TOKEN = re.compile(r"[A-Za-z0-9_-]+|\*")
_COLUMNS = (Event.decky, Event.service, Event.event_id)


class Delivery(NamedTuple):
    """One event for a handler. `event` belongs to no session: changing it stores nothing."""

    topic: str
    position: Position
    event: Event


def token(text: str) -> str:
    """`text` as one token."""
    return re.sub(_ODD, "_", text) or "_"


def topic_of(event: Event) -> str:
    """The topic of `event`."""
    return ".".join((PREFIX, token(event.decky), token(event.service), token(event.event_id)))


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern's tokens; `rest` when it ends with `>`, which is not one of them."""

    tokens: tuple[str, ...]
    rest: bool

    @staticmethod
    def parse(text: str) -> Pattern:
        """Raises ValueError for what is no pattern."""
        tokens = text.split(".")
        rest = tokens[-1] == ">"
        if rest:
            tokens.pop()
        for each in tokens:
            if not _PATTERN_TOKEN.fullmatch(each):
                raise ValueError(f"{text!r} is no pattern: {each!r} is neither a token nor '*'")
        return Pattern(tuple(tokens), rest)

    def matches(self, topic: str) -> bool:
        """Whether `topic` fits."""
        found = topic.split(".")
        if len(found) != len(self.tokens) if not self.rest else len(found) <= len(self.tokens):
            return False
        return all(
            wanted in ("*", each) for wanted, each in zip(self.tokens, found[: len(self.tokens)], strict=True)
        )

    def condition(self) -> ColumnElement[bool] | None:
        """As `matches`, for Postgres; None when no event can fit."""
        most = len(_COLUMNS) + 1
        if len(self.tokens) > most or (self.rest and len(self.tokens) == most):
            return None
        if not self.rest and len(self.tokens) != most:
            return None
        if self.tokens and self.tokens[0] not in ("*", PREFIX):
            return None
        named = zip(_COLUMNS, self.tokens[1:], strict=False)
        return and_(true(), *(_token_of(column) == wanted for column, wanted in named if wanted != "*"))


def _token_of(column: InstrumentedAttribute[str]) -> ColumnElement[str]:
    return func.coalesce(func.nullif(func.regexp_replace(column, _ODD, "_", "g"), ""), "_")


class Topics:
    """Several patterns. Raises ValueError when one is none, or when no event can fit any."""

    def __init__(self, *patterns: str) -> None:
        self._patterns = [Pattern.parse(each) for each in patterns]
        conditions = [found for each in self._patterns if (found := each.condition()) is not None]
        if not conditions:
            raise ValueError(f"no event has a topic like {', '.join(patterns)}")
        self.condition = or_(*conditions)
        """As `match`, for Postgres."""

    def match(self, topic: str) -> bool:
        """Whether `topic` fits one of the patterns."""
        return any(each.matches(topic) for each in self._patterns)
