"""The day's cap, evenly over the open time of each day: `steady` pacing with `spread`. Pure; microseconds UTC.

The open time of a local day is cut into as many equal cells as the cap allows messages. A message lies in the middle of
its cell, moved by at most half of the jitter times the cell's length. So a whole day takes exactly its cap, a short
Saturday goes faster than a long Monday, and what began at noon takes the cells of the afternoon.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from engine.planning.caps import Cap
from engine.planning.hours import ALWAYS
from engine.planning.windows import Window, later
from engine.planning.zones import zone_of
from storage.errors import UsageError
from storage.model import DAY, HOUR

_LOCAL_DAY = Cap(1, DAY, calendar=True)
_NEVER_CLOSED = Window("UTC", ALWAYS)


class _Day(NamedTuple):
    """A local day: when it `begins`, how much of it is open, how far its cells reach, the `first` one not yet over."""

    begins: int
    length: int
    reach: float
    first: int

    def middle(self, cell: int, cap: int) -> int:
        """Open time from the day's beginning to the middle of a cell."""
        return (2 * cell + 1) * self.length // (2 * cap)


def spread_slots(
    jitter: float, start: int, rng: random.Random, window: Window | None, cap: int
) -> Iterator[tuple[int, int]]:
    """(due, gap) of an endless plan from `start`: `cap` messages in each day's open time.

    The gap is the open time since the message before; the first one carries a whole cell. Raises UsageError for no
    cap, or a window without openings.
    """
    window = window or _NEVER_CLOSED
    due = later(window, start, 0)
    behind: int | None = None
    for day in _days(jitter, start, window, cap):
        for cell in range(day.first, cap):
            into = day.middle(cell, cap) + int((2 * rng.random() - 1) * day.reach)
            gap = day.length // cap if behind is None else max(0, behind + into)
            due, behind = max(due, later(window, day.begins, into)), -into
            yield due, gap
        if behind is not None:
            behind += day.length


def spread_bounds(
    jitter: float, places: Iterable[int], start: int, window: Window | None, cap: int
) -> Iterator[tuple[int, int]]:
    """The earliest and the latest due time of the messages at these places, which count from 1 and go up. Errors as for
    `spread_slots`."""
    window = window or _NEVER_CLOSED
    days, gone = _days(jitter, start, window, cap), 0
    day = next(days)
    for place in places:
        while place - gone > cap - day.first:
            gone += cap - day.first
            day = next(days)
        middle, reach = day.middle(day.first + place - gone - 1, cap), int(day.reach)
        yield later(window, day.begins, middle - reach), later(window, day.begins, middle + reach)


def check_cap(cap: int) -> None:
    """Raise UsageError where there is nothing to spread: no cap per day (0)."""
    if cap < 1:
        raise UsageError(
            "pacing.spread: there is no cap per day to spread",
            hint="give the account a daily cap, or the pacing a rate",
        )


def _days(jitter: float, start: int, window: Window, cap: int) -> Iterator[_Day]:
    """The local days of the window's zone that have open time, from the one of `start` on, without end."""
    check_cap(cap)
    zone, at = zone_of(window.zone), start
    while True:
        opened = later(window, at, 0)
        begins, ends = _LOCAL_DAY.bounds(opened, zone)
        length = window.open_time(begins, ends)
        passed = window.open_time(begins, at)
        reach = jitter * length / cap / 2
        first = min(cap, max(0, math.ceil((passed + reach) * cap / length - 0.5))) if passed else 0
        yield _Day(begins, length, reach, first)
        # Clocks that go back over midnight show the end of a day again, after the next one has begun.
        at = ends if ends > opened else opened + HOUR
