"""The comparison: sets of lines, not counts, and then their order."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from torture.ledger import REST_LENGTH, Account, Ledger, Place, Row
from torture.lines import Key

_EXAMPLES = 5
_FEW = 1000
"""One in so many such lines may be counted wrongly after a lost state."""


@dataclass
class Findings:
    """Everything that is wrong, by kind, with examples."""

    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    rows: int = 0
    withheld: int = 0
    off: int = 0
    """Withheld lines counted twice or not at all where that is allowed: see `compare`."""
    off_of: int = 0
    """Lines that may be withheld, where that is allowed."""
    pieces: int = 0
    """Second halves of lines that came by themselves where that is allowed."""

    def wrong(self, kind: str, example: str, count: int = 1) -> None:
        """Note `count` findings of a kind."""
        self.counts[kind] += count
        if len(self.examples[kind]) < _EXAMPLES:
            self.examples[kind].append(example)

    @property
    def clean(self) -> bool:
        """Whether nothing is wrong."""
        return not self.counts


class _Seen:
    """What one container's rows say."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.times = bytearray(len(account))
        self.last = -1
        self.withheld: Counter[Key] = Counter()


def compare(ledger: Ledger, rows: Iterable[Row]) -> Findings:
    """Every line of `ledger` against `rows`, which come in the order in which readers take them.

    Order: a container's lines must come in the order in which the runtime finished them, because that
    is what a consumer with a cursor on (xid, id) sees. A line that the forwarder may withhold is there,
    or counted by a `suppressed` row of its container, event and source.

    Where the state of the forwarder was damaged, two things cannot be asked for: where the clock ended
    a count was noted only there, so a few counts may be off; and of a line whose first half was in a file that
    is deleted, the second half looks like a line. No other line may be missing or come twice even then.
    """
    findings = Findings()
    seen = {place: _Seen(account) for place, account in ledger.accounts.items()}
    for row in rows:
        findings.rows += 1
        container = seen.get((row.uid, row.container))
        if container is None:
            findings.wrong("unknown", f"row {row.id} of no container of ours: {row}")
        else:
            _take(findings, container, row)
    for container in seen.values():
        _conclude(findings, container)
    if findings.off > findings.off_of / _FEW:
        findings.wrong("counts off", f"{findings.off} of {findings.off_of} after a lost state", findings.off)
    return findings


def _take(findings: Findings, seen: _Seen, row: Row) -> None:
    account = seen.account
    number = row.number
    if number is None or number >= len(account):
        withheld = row.withheld
        if withheld is not None:
            seen.withheld[withheld[0]] += withheld[1]
            findings.withheld += withheld[1]
        elif account.state_lost and (row.told.raw or "")[:REST_LENGTH] in account.orphans:
            findings.pieces += 1
        else:
            findings.wrong("unknown", f"row {row.id} is no line that was written: {row}")
        return
    name = _name(account.place, number)
    if seen.times[number]:
        findings.wrong("duplicate", f"{name}: row {row.id}")
        return
    seen.times[number] = 1
    if row.told.fingerprint() != account.fingerprints[number]:
        findings.wrong("altered", f"{name}: {row}")
    if number < seen.last:
        findings.wrong(
            "out of order", f"{name} came after {seen.last}: row {row.id} of transaction {row.xid}"
        )
    seen.last = max(number, seen.last)


def _conclude(findings: Findings, seen: _Seen) -> None:
    account = seen.account
    present: Counter[Key] = Counter()
    for number, times in enumerate(seen.times):
        key = account.keys.get(number)
        if key is not None:
            present[key] += times
        elif not times:
            findings.wrong("missing", _name(account.place, number))
    written = account.per_key()
    for key in written.keys() | seen.withheld.keys():
        found, counted = present[key], seen.withheld[key]
        if account.state_lost:
            findings.off += abs(found + counted - written[key])
            findings.off_of += written[key]
            continue
        text = f"{account.place}: {key}: {written[key]} written, {found} there, {counted} reported"
        if found + counted < written[key]:
            findings.wrong("missing", text, written[key] - found - counted)
        elif found + counted > written[key]:
            findings.wrong("counted twice", text, found + counted - written[key])


def _name(place: Place, number: int) -> str:
    return f"{place[0]}/{place[1]} line {number}"


def compare_reader(findings: Findings, table: Iterable[tuple[int, int]], read: list[tuple[int, int]]) -> None:
    """The cursors that a reader went through while all this happened: each row of the table, once."""
    times = Counter(read)
    for cursor in table:
        if times.pop(cursor, 0) == 0:
            findings.wrong("skipped by the reader", f"(xid, id) = {cursor}")
    for cursor in times:
        findings.wrong("read and not there", f"(xid, id) = {cursor}")
    for before, after in itertools.pairwise(read):
        if after <= before:
            findings.wrong("read again", f"{after} after {before}")
