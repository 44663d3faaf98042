"""One batch of lines into Postgres, in one transaction, whatever the lines hold."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import psycopg

from decnet_intel.listener import metrics
from decnet_intel.repository import ingest, partitions
from decnet_intel.repository.entries import RAW, Entry
from decnet_intel.repository.ingest import Connection, Filed
from decnet_intel.service.days import day_for
from decnet_intel.service.lines import without_content

_BAD_ROW = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded)
"""Errors that come from what a row holds: trying the same again would fail for ever."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a batch."""

    new: int
    duplicates: int
    misdated: int


class Store:
    """Writes batches over one connection.

    Remembers which partitions exist; a partition dropped behind its back is noticed by the error.
    """

    def __init__(self, connection: Connection, retention_days: int) -> None:
        self._connection = connection
        self._retention_days = retention_days
        self._partitions: set[date] = set()

    async def open(self) -> None:
        """Get the connection ready. Raises psycopg.Error."""
        self._partitions = await partitions.existing(self._connection)

    async def save(self, entries: Sequence[Entry]) -> Stored:
        """Commit all of `entries` and their offsets. Raises psycopg.Error when Postgres is the reason.

        A line that Postgres refuses is found by halving and stored with its content as plain ASCII.
        """
        try:
            return await self._save_all(entries)
        except _BAD_ROW as error:
            if len(entries) == 1:
                log.warning("a line of %s is stored raw: %s", entries[0][0].file.node, error)
                return await self._save_all([without_content(entries[0])])
        middle = len(entries) // 2
        first, second = await self.save(entries[:middle]), await self.save(entries[middle:])
        return Stored(
            first.new + second.new, first.duplicates + second.duplicates, first.misdated + second.misdated
        )

    async def _save_all(self, entries: Sequence[Entry]) -> Stored:
        careful = False
        for _ in range(2):
            try:
                return await self._transaction(entries, careful=careful)
            except psycopg.errors.CheckViolation:  # a day has no partition: retention dropped it meanwhile
                self._partitions = await partitions.existing(self._connection)
            except psycopg.errors.UniqueViolation:  # a file's offset is behind its lines
                careful = True
        return await self._transaction(entries, careful=careful)

    async def _transaction(self, entries: Sequence[Entry], *, careful: bool) -> Stored:
        today = datetime.now(UTC).date()
        filing = {day: self._filed(day, today) for day in {entry[1] for entry in entries}}
        for day in sorted({filed.day for filed in filing.values()} - self._partitions):
            await partitions.create(self._connection, day)
            self._partitions.add(day)
        async with self._connection.transaction():
            new = await ingest.write(self._connection, entries, filing, careful=careful)
        strayed = {day for day, filed in filing.items() if day is not None and not filed.own}
        misdated = sum(entry[1] in strayed for entry in entries) if strayed else 0
        return Stored(new, len(entries) - new, misdated)

    def _filed(self, day: date | None, today: date) -> Filed:
        own = None if day is None else day_for(day, today, self._partitions, self._retention_days)
        return Filed(own or today, own is not None)


def count(entries: Sequence[Entry], stored: Stored) -> None:
    """Put a committed batch into the metrics."""
    raw = sum(entry[3] == RAW for entry in entries)
    metrics.LINES.labels("raw").inc(raw)
    metrics.LINES.labels("parsed").inc(len(entries) - raw)
    metrics.LINES.labels("duplicate").inc(stored.duplicates)
    metrics.LINES.labels("misdated").inc(stored.misdated)
