"""Where reading of a container's files may begin again after a restart.

Some stretches of a file only make sense as a whole: a line of several records, lines that are counted
together. From inside one, the rest would look like something else. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping

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
        end = self.position if end is None else end
        if len(self._closed) == _MAX_CLOSED:  # two as one only means to read more again
            before = self._closed.pop()
            first, end = min(first, before[0]), max(end, before[1])
        self._closed.append((first, end))

    def resume(self, most: int | None = None) -> int:
        """The last offset in what has been read, and not beyond `most`, that is inside no stretch."""
        at = self.position if most is None else most
        if self._open:
            at = min(at, *self._open.values())
        while around := [first for first, end in self._closed if first < at < end]:
            at = min(around)  # which may lie in another one
        return at

    def leave(self, at: int) -> None:
        """Forget what ended up to `at`, where reading may begin again from now on."""
        self._closed = [span for span in self._closed if span[1] > at]


class ContainerSpans(defaultdict[str, Spans]):
    """The stretches of all files of a container, by generation."""

    def __init__(self) -> None:
        super().__init__(Spans)
        self._lines: list[Mapping[str, int]] = []

    def across(self, parts: Mapping[str, int]) -> None:
        """A line has its records in several files, in each from the given offset on.

        They are read again in all of these files or in none: one that lacks its beginning or its end would
        take the next record for it, or pass for a line.
        """
        self._lines.append(dict(parts))

    def resume(self) -> dict[str, int]:
        """For each file where reading may begin again. Never goes down."""
        at = {gen: spans.resume() for gen, spans in self.items()}
        while beyond := [
            (gen, first)
            for parts in self._lines
            if _again(parts, at)
            for gen, first in parts.items()
            if at.get(gen, 0) > first
        ]:
            for gen, first in beyond:
                at[gen] = min(at[gen], self[gen].resume(first))
        self._lines = [parts for parts in self._lines if _again(parts, at)]
        for gen, offset in at.items():
            self[gen].leave(offset)
        return at


def _again(parts: Mapping[str, int], at: Mapping[str, int]) -> bool:
    """Whether some of a line would be read again."""
    return any(gen in at and at[gen] <= first for gen, first in parts.items())
