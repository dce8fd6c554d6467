"""Caps: at most n starts in a period, rolling or of the calendar; and the ramp of a new sender."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from engine.planning.durations import UNITS, exact_duration, parse_duration
from storage.errors import UsageError
from storage.model import DAY, HOUR, MINUTE, SECOND

_CAP = re.compile(r"(\d{1,9})\s*(?:/|per\b)\s*(.+?)(\s+calendar)?", re.ASCII)
_RAMP = re.compile(r"(\d{1,7})\s*\+\s*(\d{1,7}(?:\.\d{1,4})?)\s*(%?)\s*\.\.\s*(\d{1,7})", re.ASCII)
_PERIOD_WORDS = {SECOND: "s", MINUTE: "min", HOUR: "h", DAY: "day", 7 * DAY: "week"}
_CALENDAR = (MINUTE, HOUR, DAY, 7 * DAY)


def midnight(day: date, zone: ZoneInfo) -> int:
    """When a local day begins (us): the first moment of it, where a change of the clock leaves midnight out."""
    begins = datetime.combine(day, time(), zone)
    return int(begins.timestamp()) * SECOND


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `n` starts (1 or more) in any `period` of microseconds; with `calendar` in each minute, hour, day or week
    (from Monday) of the account's own zone. Raises UsageError for other values."""

    n: int
    period: int
    calendar: bool = False

    def __post_init__(self) -> None:
        if self.n < 1:
            raise UsageError("cap: the number must be 1 or more", hint="Pause the queue to send nothing.")
        if self.period < 1:
            raise UsageError("cap: the period must be longer than nothing")
        if self.calendar and self.period not in _CALENDAR:
            raise UsageError("cap: a calendar cap counts per minute, hour, day or week", hint="400/day calendar")

    def __str__(self) -> str:
        """The text that `parse_cap` reads back: "400/day", "30/h", "5/90m", "500/day calendar"."""
        words = f"{self.n}/{_PERIOD_WORDS.get(self.period) or exact_duration(self.period)}"
        return f"{words} calendar" if self.calendar else words

    @property
    def is_rate(self) -> bool:
        """Whether it is a rate rather than a quota: rolling, and of an hour or less. Trouble halves these."""
        return not self.calendar and self.period <= HOUR

    def bounds(self, at: int, zone: ZoneInfo) -> tuple[int, int]:
        """The calendar period that holds `at`, as [since, until) (us); a day may have 23 or 25 hours."""
        moment = datetime.fromtimestamp(at // SECOND, zone)
        if self.period in (MINUTE, HOUR):
            # In real time: the hour that a clock shows twice is two hours.
            offset = int((moment.utcoffset() or timedelta()).total_seconds()) * SECOND
            since = (at + offset) // self.period * self.period - offset
            return since, since + self.period
        first = moment.date() - timedelta(days=moment.weekday() if self.period == 7 * DAY else 0)
        after = first + timedelta(days=7 if self.period == 7 * DAY else 1)
        return midnight(first, zone), midnight(after, zone)


def parse_cap(text: str, *, field: str = "cap") -> Cap:
    """Read "400/day", "60/min", "100 per week" or "5/90m". Raises UsageError naming `field`."""
    found = _CAP.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(f"{field}: {text[:40]!r} is not a cap", hint="For example 60/min, 30/h, 400/day.")
    period = UNITS.get(found[2]) or parse_duration(found[2], field=field)
    if int(found[1]) < 1 or period < 1:
        raise UsageError(f"{field}: {text[:40]!r} allows nothing", hint="Pause the queue to send nothing.")
    return Cap(int(found[1]), period, bool(found[3]))


def parse_rate(text: str, *, field: str = "rate") -> Cap:
    """Read a rate, "60/min" or "30/h": a cap of a day at most. Raises UsageError naming `field`."""
    rate = parse_cap(text, field=field)
    if rate.period > DAY or rate.calendar:
        raise UsageError(f"{field}: {text[:40]!r} is no rate", hint="Give it per second, minute, hour or day.")
    return rate


@dataclass(frozen=True, slots=True)
class Ramp:
    """The warm-up of a new sender: `start` messages on its first day, then each day on which it sends `step` more, or
    `growth` (0.1: 10 %) more, up to `ceiling`, where it stays. Raises UsageError naming the field."""

    start: int = 5
    step: int = 0
    growth: float = 0.0
    ceiling: int = 20

    def __post_init__(self) -> None:
        if not 1 <= self.start <= self.ceiling:
            raise UsageError("warmup.start: must be between 1 and warmup.ceiling")
        if bool(self.step > 0) == bool(self.growth > 0):
            raise UsageError("warmup: give either step (so many more a day) or growth (such a share more a day)")

    def ladder(self) -> tuple[int, ...]:
        """The cap of each day of sending, the last one for ever."""
        rungs, exact = [self.start], float(self.start)
        while rungs[-1] < self.ceiling:
            exact = max(exact * (1 + self.growth), rungs[-1] + 1) if self.growth else exact + self.step
            rungs.append(min(int(exact + 1e-9), self.ceiling))
        return tuple(rungs)

    def days(self, n: int) -> int:
        """On how many days of sending `n` messages leave: 1 for none."""
        day, ladder = 1, self.ladder()
        for day, rung in enumerate(ladder, 1):
            if n <= rung:
                return day
            n -= rung
        return day - (-n // ladder[-1])

    def __str__(self) -> str:
        """The text that `parse_ramp` reads back: "5+1..20", "10+10%..200"."""
        more = f"{self.growth * 100:g}%" if self.growth else str(self.step)
        return f"{self.start}+{more}..{self.ceiling}"

    def describe(self) -> str:
        """For people: "from 5 a day, 1 more each day, to 20"."""
        more = f"{self.growth * 100:g} % more" if self.growth else f"{self.step} more"
        return f"from {self.start} a day, {more} each day, to {self.ceiling}"

    def to_dict(self) -> dict[str, float]:
        """As `Ramp(**...)` takes it."""
        return {"start": self.start, "step": self.step, "growth": self.growth, "ceiling": self.ceiling}


def parse_ramp(text: str, *, field: str = "warmup") -> Ramp:
    """Read "5+1..20" (5 a day, 1 more each day, to 20) or "10+10%..200". Raises UsageError naming `field`."""
    found = _RAMP.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{field}: {text[:40]!r} is no warm-up", hint="For example 5+1..20 or 10+10%..200.")
    start, more, percent, ceiling = found.groups()
    if percent:
        return Ramp(int(start), growth=float(more) / 100, ceiling=int(ceiling))
    if not more.isdecimal():
        raise UsageError(f"{field}: {more} more a day is not a whole number", hint="For example 5+1..20.")
    return Ramp(int(start), step=int(more), ceiling=int(ceiling))


def least_time(n: int, *, min_gap: int, caps: Iterable[Cap]) -> int:
    """The least time (us) between the first and the last of `n` starts that a minimum gap and rolling caps allow, at
    any hour."""
    if n <= 1:
        return 0
    return max((n - 1) * min_gap, *((n - 1) // cap.n * cap.period for cap in caps), 0)
