"""Cron schedules: an expression of five fields in a time zone, and the moments at which it fires.

Expressions are read as Debian's cron reads them, by cronsim; changes of the clocks are ours (`cron_clock`). No clock,
no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice, takewhile

from cronsim import CronSim, CronSimError

from engine.planning.cron_clock import Due, due_times, told
from engine.planning.zones import zone_of
from storage.errors import UsageError
from storage.model import SECOND

LONGEST_EXPRESSION = 200
EXAMPLE = "For example 0 8 * * MON-FRI: 08:00 from Monday to Friday."
SHORTCUTS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FORMS = "a list 1,4, a range 1-5, a step */2 or * for each"
_FIELDS = (
    ("minute", 60, f"A minute is 0-59, {_FORMS}."),
    ("hour", 24, f"An hour is 0-23, {_FORMS}."),
    (
        "day of month",
        31,
        f"A day of month is 1-31, {_FORMS}; L is the last day, LW the last one from Monday to Friday.",
    ),
    ("month", 12, f"A month is 1-12 or JAN-DEC, {_FORMS}."),
    (
        "day of week",
        8,
        f"A day of week is 0-7 (0 and 7 are Sunday) or SUN-SAT, {_FORMS}; MON#1 is the first Monday of a month, 5L the "
        "last Friday. A range ends within the week: FRI,SAT,SUN, not FRI-SUN.",
    ),
)
"""Name, number of values and remedy of each field. A step beyond the number of values never comes round."""
_ORDINALS = {"1": "1st", "2": "2nd", "3": "3rd"}
_ANY_DAY = datetime(2000, 1, 1, tzinfo=UTC)
"""From here an expression either fires within cronsim's 50 years or never: the rarest, a 29 February on one day of the
week, comes again after at most 40."""


@dataclass(frozen=True, slots=True)
class Firing:
    """One moment of a schedule. `at` in microseconds UTC; `note` says what a change of the clocks did to it, or ""."""

    at: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Cron:
    """When something recurs. `expression`: five cron fields in capitals; `zone`: an IANA name, whose clock they mean.

    Made by `parse`, which checks both. All times are microseconds UTC. It fires at whole minutes of local time, from
    1970 to the year 9000.
    """

    expression: str
    zone: str

    @classmethod
    def parse(cls, expression: str, zone: str) -> Cron:
        """The schedule of "0 8 * * MON-FRI", "*/5 * * * *" or "@daily" in "America/New_York".

        Raises UsageError that names the field: one that cannot be read, a number of fields other than five (seconds
        have none), an expression that never fires, or an unknown zone.
        """
        fields = _fields(expression)
        expression = " ".join(fields)
        try:
            fires = next(CronSim(expression, _ANY_DAY), None) is not None
        except CronSimError:
            for place, field in enumerate(fields):
                _check_alone(place, field)
            fires = False
        if not fires:
            raise UsageError(
                f"cron: {expression!r} never fires: no year has such a day",
                hint="Look at day of month, month and day of week together: 30 February, for one, does not exist.",
            )
        zone_of(zone)
        return cls(expression, zone)

    def next_after(self, at: int) -> int | None:
        """The first firing strictly after `at`; None: there is none before the year 9000."""
        return next((due.at * SECOND for due in self._due(at)), None)

    def firings(self, after: int, n: int) -> list[Firing]:
        """The next `n` firings strictly after `after`, with a note on each that a change of the clocks has moved."""
        zone, each_pass = zone_of(self.zone), _each_pass(self.expression)
        return [Firing(due.at * SECOND, told(due, zone, each_pass=each_pass)) for due in islice(self._due(after), n)]

    def between(self, after: int, until: int, most: int) -> list[int]:
        """Firings later than `after` and not later than `until`, in order; the oldest `most` of them."""
        return list(islice(takewhile(lambda at: at <= until, (due.at * SECOND for due in self._due(after))), most))

    def newest(self, now: int, since: int, most: int) -> list[int]:
        """Firings later than `since` and not later than `now`, in order; the newest `most` of them.

        Found by halving the time, which spares a walk over all the minutes of a year.
        """
        if most < 1:
            return []
        enough = 2 * most
        found = self.between(since, now, enough)
        if len(found) < most:
            return found
        low, high = since, now
        while not most <= len(found) < enough:
            # No two come at once, so between a start with too many after it and one with too few lies one with enough.
            middle = (low + high) // 2
            found = self.between(middle, now, enough)
            low, high = (middle, high) if len(found) == enough else (low, middle)
        return found[-most:]

    def last_before_or_at(self, now: int, since: int) -> int | None:
        """The newest firing not later than `now`; None when there is none later than `since`."""
        return next(iter(self.newest(now, since, 1)), None)

    def in_words(self) -> str:
        """The expression as an English sentence without a full stop: "At 08:00 on Monday through Friday"."""
        words = CronSim(self.expression, _ANY_DAY).explain()
        # cronsim says "21th", and "on the first day of month and on Monday" where either is enough.
        words = re.sub(r"\b([2-9])([123])th\b", lambda found: found[1] + _ORDINALS[found[2]], words)
        return words.replace(" and on ", " and also on ")

    def _due(self, after: int) -> Iterator[Due]:
        # Whole seconds: a firing is later than `after` just when it is later than the second that holds it.
        second = max(after // SECOND, -1)
        return due_times(self._walls, zone_of(self.zone), second, each_pass=_each_pass(self.expression))

    def _walls(self, after: int) -> Iterator[int]:
        """Local times (s, written as if UTC) that match, strictly after one. cronsim changes no clocks in UTC."""
        for wall in CronSim(self.expression, datetime.fromtimestamp(after, UTC)):
            yield int(wall.timestamp())


def _fields(expression: str) -> list[str]:
    text = expression.strip()
    if not text.isascii() or len(text) > LONGEST_EXPRESSION:
        raise UsageError(
            f"cron: {text[:40]!r} cannot be read: at most {LONGEST_EXPRESSION} plain characters are", hint=EXAMPLE
        )
    if text.startswith("@"):
        if text.lower() not in SHORTCUTS:
            raise UsageError(f"cron: there is no {text[:40]!r}", hint=f"Known are {', '.join(SHORTCUTS)}.")
        text = SHORTCUTS[text.lower()]
    fields = text.upper().split()
    if len(fields) == 6:
        raise UsageError(
            "cron: there are six fields; it has five, and seconds are not among them",
            hint=f"Leave out the seconds: {' '.join(fields[1:])}",
        )
    if len(fields) != 5:
        raise UsageError(
            f"cron: {text[:40]!r} has {len(fields)} fields instead of five: minute, hour, day of month, month, "
            "day of week",
            hint=EXAMPLE,
        )
    for (name, values, remedy), field in zip(_FIELDS, fields, strict=True):
        for step in re.findall(r"/(\d+)", field):
            if int(step) > values:
                raise UsageError(
                    f"cron: {name}: a step of {step[:10]} never comes round in {field[:40]!r}", hint=remedy
                )
    return fields


def _check_alone(place: int, field: str) -> None:
    """Raises UsageError when this field cannot be read whatever stands in the others."""
    try:
        CronSim(" ".join(field if other == place else "*" for other in range(5)), _ANY_DAY)
    except CronSimError:
        name, _, remedy = _FIELDS[place]
        raise UsageError(f"cron: {name}: {field[:40]!r} cannot be read", hint=remedy) from None


@lru_cache(maxsize=512)
def _each_pass(expression: str) -> bool:
    """Whether it goes by the hour or the minute: in every hour of the day, however written, or at several minutes that
    have a star in front. Any other names times of the day."""
    sim = CronSim(expression, _ANY_DAY)
    return len(sim.hours) == 24 or (expression.startswith("*") and len(sim.minutes) > 1)
