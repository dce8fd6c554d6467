"""How many starts a period holds, counted the slow way: one look at every start, and at the local clock of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from storage.model import DAY, HOUR, MINUTE, SECOND


def most_in_any(starts: Sequence[int], period: int) -> int:
    """The most starts (us, in order) that any `period` (us) holds."""
    most = first = 0
    for last, at in enumerate(starts):
        while at - starts[first] >= period:
            first += 1
        most = max(most, last - first + 1)
    return most


def by_calendar(starts: Iterable[int], period: int, zone: str) -> dict[str, int]:
    """Starts by minute, hour, day or week of the local calendar. The hour that a clock shows twice is two hours."""
    return dict(Counter(_name(datetime.fromtimestamp(at // SECOND, ZoneInfo(zone)), period) for at in starts))


def _name(wall: datetime, period: int) -> str:
    if period == 7 * DAY:
        year, week, _ = wall.isocalendar()
        return f"{year} week {week:02}"
    return wall.strftime({DAY: "%Y-%m-%d", HOUR: "%Y-%m-%d %H %z", MINUTE: "%Y-%m-%d %H:%M %z"}[period])
