"""What was written, container by container, and what has been seen of it."""

from __future__ import annotations

import re
import threading
from array import array
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from torture.lines import Key, Told, Written

NUMBER = re.compile(r"N:(\d{1,9}):")

REST_LENGTH = 1000
"""So many characters of what a line says in its second file are kept, to know it again."""

Place = tuple[str, str]
"""Pod uid and container."""


class Row(NamedTuple):
    """A row of `events`, with the cursor by which readers take it."""

    xid: int
    id: int
    uid: str
    container: str
    told: Told

    @property
    def number(self) -> int | None:
        """The number of its line; None when it is none of ours."""
        found = NUMBER.match(self.told.message or self.told.raw or "")
        return int(found[1]) if found else None

    @property
    def withheld(self) -> tuple[Key, int] | None:
        """What a `suppressed` row accounts for: the key and how many lines."""
        fields: Mapping[str, Any] = self.told.fields
        if self.told.event_id != "suppressed" or not str(fields.get("count", "")).isdigit():
            return None
        return (str(fields.get("event")), fields.get("src_ip")), int(fields["count"])


class Account:
    """The lines of one container; numbers begin with 0 and have no gaps."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.fingerprints = array("q")
        self.keys: dict[int, Key] = {}
        self.state_lost = False
        """Whether the state of the forwarder that reads this container was ever damaged."""
        self.orphans: set[str] = set()
        """The second halves, cut to REST_LENGTH, of lines whose first halves were in files now deleted."""
        self.highest = -1
        """Of the numbers that arrived; what is below has arrived too, or is missing, or withheld."""

    def __len__(self) -> int:
        return len(self.fingerprints)

    def add(self, line: Written) -> None:
        """The next number was written."""
        if line.key is not None:
            self.keys[len(self)] = line.key
        self.fingerprints.append(line.told.fingerprint())

    def per_key(self) -> Counter[Key]:
        """How many lines that may be withheld were written under each key."""
        return Counter(self.keys.values())


class Ledger:
    """All accounts. Written by one thread, seen by another."""

    def __init__(self) -> None:
        self.accounts: dict[Place, Account] = {}
        self._lock = threading.Lock()
        self.arrived = 0
        """How many lines have arrived, as far as the highest numbers tell."""
        self.accounted = 0
        """Lines that came one by one, and those that were reported as withheld; for knowing the end only."""

    def account(self, place: Place) -> Account:
        """The account of a new container."""
        return self.accounts.setdefault(place, Account(place))

    @property
    def written(self) -> int:
        """Lines written so far."""
        return sum(map(len, self.accounts.values()))

    def see(self, place: Place, number: int) -> None:
        """A line has arrived at the end of the pipe."""
        account = self.accounts.get(place)
        if account is not None and account.highest < number < len(account):
            with self._lock:
                self.arrived += number - account.highest
                account.highest = number

    def write_off(self) -> None:
        """Wait no longer for what has not arrived."""
        with self._lock:
            for account in self.accounts.values():
                self.arrived += len(account) - 1 - account.highest
                account.highest = len(account) - 1
