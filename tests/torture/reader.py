"""A consumer that follows `events` by its cursor while everything happens, as all consumers do."""

from __future__ import annotations

import threading
import time

import psycopg

from torture.database import Database
from torture.ledger import Ledger

_PAUSE = 0.1


class Reader:
    """Keeps every cursor it went through in `read`, and tells the ledger what has arrived."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self.read: list[tuple[int, int]] = []
        self.moved_at = time.monotonic()
        self._database = database
        self._ledger = ledger
        self._cursor = (0, 0)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                with self._database.connect() as connection:
                    while not self._closing.is_set():
                        if not self._step(connection):
                            time.sleep(_PAUSE)
            except psycopg.Error:
                time.sleep(_PAUSE)

    def _step(self, connection: psycopg.Connection[tuple[object, ...]]) -> bool:
        rows = self._database.tail(connection, self._cursor)
        for row in rows:
            self.read.append((row.xid, row.id))
            if (number := row.number) is not None:
                self._ledger.see((row.uid, row.container), number)
                self._ledger.accounted += 1
            elif (withheld := row.withheld) is not None:
                self._ledger.accounted += withheld[1]
        if rows:
            self._cursor = self.read[-1]
            self.moved_at = time.monotonic()
        return bool(rows)

    def close(self) -> None:
        """Read no more."""
        self._closing.set()
        self._thread.join(60)
