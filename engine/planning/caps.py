"""Caps: at most n starts in a period, rolling."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from engine.planning.durations import UNITS, exact_duration, parse_duration
from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND

_CAP = re.compile(r"(\d{1,9})\s*(?:/|per\b)\s*(.+)", re.ASCII)
_PERIOD_WORDS = {SECOND: "s", MINUTE: "min", HOUR: "h", DAY: "day", 7 * DAY: "week"}


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `n` starts (1 or more) in any `period` of microseconds. Raises UsageError for other values."""

    n: int
    period: int

    def __post_init__(self) -> None:
        if self.n < 1:
            raise UsageError("cap: the number must be 1 or more", hint="Pause the queue to send nothing.")
        if self.period < 1:
            raise UsageError("cap: the period must be longer than nothing")

    def __str__(self) -> str:
        """The text that `parse_cap` reads back: "400/day", "30/h", "5/90m"."""
        return f"{self.n}/{_PERIOD_WORDS.get(self.period) or exact_duration(self.period)}"


def parse_cap(text: str, *, field: str = "cap") -> Cap:
    """Read "400/day", "60/min", "100 per week" or "5/90m". Raises UsageError naming `field`."""
    found = _CAP.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(f"{field}: {text[:40]!r} is not a cap", hint="For example 60/min, 30/h, 400/day.")
    period = UNITS.get(found[2]) or parse_duration(found[2], field=field)
    if int(found[1]) < 1 or period < 1:
        raise UsageError(f"{field}: {text[:40]!r} allows nothing", hint="Pause the queue to send nothing.")
    return Cap(int(found[1]), period)


def parse_rate(text: str, *, field: str = "rate") -> Cap:
    """Read a rate, "60/min" or "30/h": a cap of a day at most. Raises UsageError naming `field`."""
    rate = parse_cap(text, field=field)
    if rate.period > DAY:
        raise UsageError(f"{field}: {text[:40]!r} is no rate", hint="Give it per second, minute, hour or day.")
    return rate


class RollingCap:
    """Remembers the last n starts of a queue, which is all that a rolling cap needs.

    `times` are earlier starts in microseconds, in any order. A time in the future (the clock stepped back) counts
    as the moment at which it is first seen: later than the truth, so the cap holds, and never longer than one
    period.
    """

    def __init__(self, cap: Cap, times: Iterable[int] = ()) -> None:
        self.cap = cap
        self._times: deque[int] = deque(sorted(times), maxlen=cap.n)

    def __len__(self) -> int:
        return len(self._times)

    def next_free(self, now: int) -> int:
        """The earliest time, `now` or later, at which one more start keeps within the cap."""
        self._not_after(now)
        if len(self._times) < self.cap.n:
            return now
        return max(now, self._times[0] + self.cap.period)

    def add(self, t: int) -> None:
        """Note a start at `t`."""
        self._not_after(t)
        self._times.append(t)

    def _not_after(self, now: int) -> None:
        if self._times and self._times[-1] > now:
            self._times = deque((min(t, now) for t in self._times), maxlen=self.cap.n)


def least_time(n: int, *, min_gap: int, caps: Iterable[Cap]) -> int:
    """The least time (us) between the first and the last of `n` starts that a minimum gap and rolling caps allow."""
    if n <= 1:
        return 0
    return max((n - 1) * min_gap, *((n - 1) // cap.n * cap.period for cap in caps), 0)
