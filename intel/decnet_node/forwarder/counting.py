"""The suppressors of one container's files: lines in, lines and reports out, and the marks in between.

A report that the clock asks for goes out in three steps: `overdue` gives the mark, the caller
makes it durable while nothing is read from the container, and after `settle` come the `reports`. Without the mark
on the disk a line read later could be counted in a report that the listener already has.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Set

from decnet_node.forwarder.cri import Line
from decnet_node.forwarder.spans import ContainerSpans
from decnet_node.forwarder.suppression import Rules, Suppressor

_RETRY_SECONDS = 10.0


class Counting:
    """`counts` has how many lines were withheld so far, by reason."""

    def __init__(self, rules: Rules, spans: ContainerSpans, marks: Mapping[str, list[int]]) -> None:
        self._rules = rules if rules.pattern() is not None else None
        self._spans = spans
        self._marks = dict(marks)
        self._files: dict[str, Suppressor] = {}
        self._since: dict[str, float] = {}  # monotonic; files with withheld lines
        self._asked: dict[str, int] = {}
        self._granted: dict[str, int] = {}
        self._not_before = 0.0
        self.counts: Counter[str] = Counter()

    @property
    def open(self) -> bool:
        """Whether lines are withheld that no report has counted."""
        return bool(self._since)

    @property
    def paused(self) -> bool:
        """Whether nothing may be read until `settle`."""
        return bool(self._asked)

    @property
    def held(self) -> Set[str]:
        """The files with such lines."""
        return self._since.keys()

    def filter(self, gen: str, lines: list[Line]) -> list[Line]:
        """What is to be sent for `lines`, the next ones of file `gen`."""
        if self._rules is None:
            return lines
        file = self._files.get(gen)
        if file is None:
            marks = self._marks.pop(gen, ())
            file = self._files[gen] = Suppressor(self._rules, self._spans[gen], self.counts, marks)
        before = file.ended
        passed = file.filter(lines)
        if not file.withheld:
            self._since.pop(gen, None)
        elif gen not in self._since or file.ended != before:
            self._since[gen] = time.monotonic()
        return passed

    def overdue(self, *, gone: bool) -> dict[str, int]:
        """Marks by file for counts that are to be reported now: nothing more came for too long.

        `gone` says that nothing more can come.
        """
        now = time.monotonic()
        if self._asked or self._granted or now < self._not_before:
            return {}
        self._asked = {
            gen: self._spans[gen].position
            for gen, since in self._since.items()
            if gone or (now - since >= self._files[gen].patience and not self._files[gen].expects_mark)
        }
        return self._asked

    def settle(self, *, durable: bool) -> None:
        """The marks are on the disk, or cannot be written now."""
        if durable:
            self._granted = self._asked
        else:
            self._not_before = time.monotonic() + _RETRY_SECONDS
        self._asked = {}

    def reports(self) -> list[Line]:
        """The reports that were waiting for their marks; to be called before more is read.

        Made only here: those of a thousand containers at once would take much memory.
        """
        granted, self._granted = self._granted, {}
        reports: list[Line] = []
        for gen, position in granted.items():
            reports += self._files[gen].end(position)
            del self._since[gen]
        return reports

    def forget(self, limit: int) -> None:
        """Keep at most `limit` files, and those with withheld lines."""
        for gen in list(self._files)[: max(len(self._files) - limit, 0)]:
            if gen not in self._since:
                del self._files[gen]
