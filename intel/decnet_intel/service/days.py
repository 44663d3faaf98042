"""Which day a line belongs to, so that a line that is sent again lands where it was.

The day is the UTC date at which the container runtime wrote the line. It does not depend on when
the line arrives, unless the runtime's clock is so wrong, or the line so old, that no partition may be
made for it: then the line is *misdated* and filed under today. The unique key cannot recognise a
misdated line on another day: one at or before the stored offset of its file is looked up on all days.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

AHEAD = 1
"""Days after today for which a line may have a partition made: clocks differ, midnight comes."""


def day_for(day: date, today: date, partitions: Collection[date], retention_days: int) -> date | None:
    """The day under which a line of `day`, which is UTC, is filed; None when it is misdated.

    A partition that exists is always right. Otherwise the day must be one that is kept.
    """
    if day in partitions:
        return day
    if today - timedelta(days=retention_days) <= day <= today + timedelta(days=AHEAD):
        return day
    return None
