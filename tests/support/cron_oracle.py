"""When a cron schedule fires, worked out the slow way: one look at the clock for each minute, nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

A_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Times:
    """Which minutes a schedule means, as sets (weekday 0 is Monday), and whether it goes by the hour or the minute."""

    expression: str
    minutes: frozenset[int]
    hours: frozenset[int]
    each_pass: bool
    weekdays: frozenset[int] = frozenset(range(7))

    def mean(self, wall: datetime) -> bool:
        return wall.minute in self.minutes and wall.hour in self.hours and wall.weekday() in self.weekdays


def times(
    expression: str, minutes: Iterable[int], hours: Iterable[int], each_pass: bool, weekdays: Iterable[int] = range(7)
) -> Times:
    """`Times` of any numbers."""
    return Times(expression, frozenset(minutes), frozenset(hours), each_pass, frozenset(weekdays))


def fires_at(meant: Times, shown: Iterable[tuple[int, datetime]]) -> Iterator[int]:
    """Every minute (us) at which it fires, of minutes in a row, each with what the local clock shows.

    By the hour or minute: whenever the clock shows a minute that is meant. Times of day: when the clock for the first
    time shows one that is meant, or has passed it. The first minute must not be within an hour that comes again.
    """
    furthest: datetime | None = None
    for at, wall in shown:
        if meant.each_pass:
            if meant.mean(wall):
                yield at
            continue
        passed = wall if furthest is None else furthest + A_MINUTE
        while passed < wall and not meant.mean(passed):
            passed += A_MINUTE
        if passed <= wall and meant.mean(passed):
            yield at
        furthest = wall if furthest is None else max(furthest, wall)
