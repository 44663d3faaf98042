"""Where reading of a file may begin again after a restart.

Some stretches of a file only make sense as a whole: a line of several records, lines that are counted
together. From inside one, the rest would look like something else. Pure.
"""

from __future__ import annotations

from collections.abc import Hashable

_MAX_CLOSED = 32


class Spans:
    """The stretches of one file. `position` is how far it has been read.

    Stretches may overlap and lie in each other; each has an owner, who has one open at a time.
    """

    def __init__(self) -> None:
        self.position = 0
        self._open: dict[Hashable, int] = {}
        self._closed: list[tuple[int, int]] = []

    def open(self, owner: Hashable, first: int) -> None:
        """One begins at `first`, unless the owner has one."""
        self._open.setdefault(owner, first)

    def close(self, owner: Hashable, end: int | None = None) -> None:
        """The owner's one, if any, ended before `end`, or with all that was read so far."""
        first = self._open.pop(owner, None)
        if first is None:
            return
        if len(self._closed) == _MAX_CLOSED:  # two as one only means to read more again
            first = min(first, self._closed.pop()[0])
        self._closed.append((first, self.position if end is None else end))

    def resume(self) -> int:
        """The last offset in what has been read that is inside no stretch. Never goes down."""
        at = self.position
        if self._open:
            at = min(at, *self._open.values())
        while around := [first for first, end in self._closed if first < at < end]:
            at = min(around)  # which may lie in another one
        self._closed = [span for span in self._closed if span[1] > at]
        return at
