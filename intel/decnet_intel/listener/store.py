"""One batch of rows into Postgres, in one transaction, whatever the rows hold."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import psycopg

from decnet_events.registry import EVENTS
from decnet_intel.listener import metrics
from decnet_intel.repository import ingest, partitions
from decnet_intel.repository.ingest import Claim, Connection, File, Row, file_of
from decnet_intel.service.days import day_for
from decnet_intel.service.lines import RAW, without_content

_KNOWN_IDS = [*EVENTS, RAW]

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
        await self._connection.execute(ingest.STAGING)
        self._partitions = await partitions.existing(self._connection)

    async def save(self, rows: Sequence[Row]) -> Stored:
        """Commit all of `rows` and their offsets. Raises psycopg.Error when Postgres is the reason.

        A row that Postgres refuses is found by halving and stored with its content as plain ASCII.
        """
        try:
            return await self._save_all(rows)
        except _BAD_ROW as error:
            if len(rows) == 1:
                log.warning("a line of %s is stored raw: %s", rows[0].node, error)
                return await self._save_all([without_content(rows[0])])
        middle = len(rows) // 2
        first, second = await self.save(rows[:middle]), await self.save(rows[middle:])
        return Stored(
            first.new + second.new, first.duplicates + second.duplicates, first.misdated + second.misdated
        )

    async def _save_all(self, rows: Sequence[Row]) -> Stored:
        try:
            return await self._transaction(rows)
        except psycopg.errors.CheckViolation:  # a day has no partition: retention dropped it meanwhile
            self._partitions = await partitions.existing(self._connection)
            return await self._transaction(rows)

    async def _transaction(self, rows: Sequence[Row]) -> Stored:
        today = datetime.now(UTC).date()
        dated, misdated = self._dated(rows, today)
        for day in sorted({day for day, _ in dated} - self._partitions):
            await partitions.create(self._connection, day)
            self._partitions.add(day)
        async with self._connection.transaction():
            claims = await ingest.claim(self._connection, _offsets(rows))
            drop = {index for index in misdated if _is_known(dated[index][1], claims)}
            dated = [item for index, item in enumerate(dated) if index not in drop]
            new = await ingest.insert(self._connection, dated, claims, _KNOWN_IDS) if dated else 0
        return Stored(new, len(rows) - new, len(misdated))

    def _dated(self, rows: Sequence[Row], today: date) -> tuple[list[tuple[date, Row]], list[int]]:
        """All rows with the day to file them under, and the indices of those that are misdated."""
        dated: list[tuple[date, Row]] = []
        misdated: list[int] = []
        for index, row in enumerate(rows):
            day: date | None = today
            if row.written_at is not None:
                day = day_for(row.written_at, today, self._partitions, self._retention_days)
                if day is None:
                    misdated.append(index)
            dated.append((day or today, row))
        return dated, misdated


def _is_known(row: Row, claims: Mapping[File, Claim]) -> bool:
    return row.byte_offset <= claims[file_of(row)].stored


def _offsets(rows: Sequence[Row]) -> dict[File, int]:
    """The furthest offset of each file in `rows`."""
    offsets: dict[File, int] = {}
    for row in rows:
        file = file_of(row)
        offsets[file] = max(row.byte_offset, offsets.get(file, 0))
    return offsets


def count(rows: Sequence[Row], stored: Stored) -> None:
    """Put a committed batch into the metrics."""
    raw = sum(row.event_id == RAW for row in rows)
    metrics.LINES.labels("raw").inc(raw)
    metrics.LINES.labels("parsed").inc(len(rows) - raw)
    metrics.LINES.labels("duplicate").inc(stored.duplicates)
    metrics.LINES.labels("misdated").inc(stored.misdated)
