"""When the local times of a schedule come as real time, over every change of the clocks. Seconds; no clock, no I/O.

There are two rules, and the schedule's own grain chooses (`each_pass`):

- A time of day ("30 2 * * *") comes once, at the first moment at which the local clock has reached it. So one that the
  clocks skip comes at the first minute after the gap, and one that they show twice comes at the first.
- A schedule that goes by the hour or by the minute ("0 * * * *", "*/5 * * * *") comes whenever the clock shows one of
  its times: in each pass of an hour that comes twice, and not in one that is skipped.

Local times come from cronsim without a zone, because its own way over a change differs (measured, version 2.8): in
zones that change by half an hour it loses times ("* 2 * * *" of Lord Howe Island began at 02:30 on 2026-04-05); asked
in the second pass of an hour it answers with the first, which is over; it takes "0 0-23 * * *" for times of day, so
that two real hours lie between its 02:00 and 03:00 in autumn; and it runs "0 */2 * * *" twice within an hour in autumn
and leaves out "5 */2 * * *" in spring, as Debian's cron does, which looks for a star where we look for the grain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from engine.planning.timeline import LAST
from engine.planning.zones import offset_at, steady_stretches
from storage.model import DAY, SECOND

LAST_SECOND = LAST // SECOND
_DAY = DAY // SECOND
_LOOK_BACK = 3 * _DAY
"""How far back the local clock may have shown more than it shows now (s): it was never set back by more than a day."""
_FIRST_LOOK, _LONGEST_LOOK = 2 * _DAY, 512 * _DAY

Walls = Callable[[int], Iterator[int]]
"""The local times of a schedule that follow a local time, in order. A local time is written in seconds as if it were
UTC, so that 1970-01-01 02:30 is 9000 everywhere."""


class Due(NamedTuple):
    """`at` (s since the epoch) is when it comes, `wall` the local time that asked for it.

    `skipped` is a local time that the clocks left out since the one before, and for which nothing comes.
    """

    at: int
    wall: int
    skipped: int | None


def due_times(walls: Walls, zone: ZoneInfo, after: int, *, each_pass: bool) -> Iterator[Due]:
    """The times of a schedule strictly after `after` (s since the epoch), in order, each once; none after year 9000."""
    if after >= LAST_SECOND:
        return
    before = offset_at(zone, after)
    times = walls(after + before if each_pass else _furthest(zone, after))
    wall = next(times, None)
    last, skipped = after, None
    for since, until, offset in _stretches(zone, after):
        if each_pass and offset != before:
            if wall is not None and wall < since + offset:
                skipped = wall
            times = walls(since + offset - 1)
            wall = next(times, None)
        before = offset
        while wall is not None and wall < until + offset:
            at = max(wall - offset, since)
            if at > last:
                yield Due(at, wall, skipped)
                last, skipped = at, None
            wall = next(times, None)
        if wall is None:
            return


def told(due: Due, zone: ZoneInfo, *, each_pass: bool) -> str:
    """What a change of the clocks did to this time, for a person; "" on every other day."""
    shown = datetime.fromtimestamp(due.at, zone)
    notes = []
    if due.skipped is not None:
        notes.append(f"{_clock(due.skipped)} does not exist on {_day(due.skipped)}: left out")
    wall = due.at + offset_at(zone, due.at)
    if wall != due.wall:
        moved = _clock(wall) if _day(wall) == _day(due.wall) else f"{_day(wall)} {_clock(wall)}"
        notes.append(f"{_clock(due.wall)} does not exist on {_day(due.wall)}: fires at {moved}")
    elif shown.fold or shown.utcoffset() != shown.replace(fold=1).utcoffset():
        which = "second" if shown.fold else "first"
        says = f"this is the {which}" if each_pass else f"fires at the {which}"
        notes.append(f"{_clock(wall)} happens twice on {_day(wall)}: {says}")
    return "; ".join(notes)


def _stretches(zone: ZoneInfo, start: int) -> Iterator[tuple[int, int, int]]:
    """Stretches of one offset from `start` on. Looked for in growing steps: mostly the answer lies within a day."""
    look = _FIRST_LOOK
    while start < LAST_SECOND:
        end = min(start + look, LAST_SECOND)
        yield from steady_stretches(zone, start, end)
        start, look = end, min(2 * look, _LONGEST_LOOK)


def _furthest(zone: ZoneInfo, at: int) -> int:
    """The furthest local time that the clock had shown by `at`: beyond what it shows now while an hour comes again."""
    return max(until - 1 + offset for _, until, offset in steady_stretches(zone, at - _LOOK_BACK, at + 1))


def _clock(wall: int) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%H:%M")


def _day(wall: int) -> str:
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%d")
