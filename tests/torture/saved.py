"""How far a forwarder has come for good: what it has stored, and so would not read again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from torture.ledger import Place

_POSITION = "select position from acknowledged where (uid, container, generation) = (?, ?, ?)"


def saved_offset(state: Path, place: Place, generation: str) -> int:
    """Everything before this byte of a file has arrived, or is counted by what arrived.

    0 when nothing is stored or it cannot be read just now.
    """
    try:
        with closing(sqlite3.connect(f"file:{state / 'offsets.db'}?mode=ro", uri=True)) as store:
            found = store.execute(_POSITION, (*place, generation)).fetchone()
    except sqlite3.Error:
        return 0
    return int(found[0]) if found else 0
