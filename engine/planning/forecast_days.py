"""The table of a forecast: what a campaign and its accounts send by local day and hour, and what binds. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from heapq import merge
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from engine.planning.caps import Cap, parse_cap
from engine.planning.lanes import Hold, Run
from engine.planning.simulated_claim import GAP, PLAN
from engine.planning.simulated_gate import WINDOW
from storage.errors import UsageError
from storage.limits import WARM_UP
from storage.model import DAY, HOUR

if TYPE_CHECKING:
    from engine.planning.windows import Window

PACING = "pacing"
"""What binds a day on which the plan itself leaves the time between two."""
_HOUR, _DAY = Cap(1, HOUR, calendar=True), Cap(1, DAY, calendar=True)


class Hour(NamedTuple):
    """A local hour: when it `begins` (us), messages of the campaign and of all its accounts in it."""

    begins: int
    sends: int
    account: int


class Part(NamedTuple):
    """What one account of several has of a day: messages of the campaign, of the whole account, and what held it."""

    account: str
    sends: int
    every: int
    bound_by: str


class Day(NamedTuple):
    """A local day: [`begins`, `ends`) (us), messages of the campaign and of its accounts in it, the campaign's `first`
    and `last` (None without), what bound the accounts ("" for nothing): the cap of a day or more, or the warm-up, that
    kept the rest for another day, else what held them for longest in open hours; its hours with messages, and of a
    campaign with several accounts the part of each."""

    begins: int
    ends: int
    sends: int
    account: int
    first: int | None
    last: int | None
    bound_by: str
    hours: tuple[Hour, ...]
    parts: tuple[Part, ...] = ()


def days_of(
    runs: Sequence[Run], accounts: Sequence[str], windows: Sequence[Sequence[Window]], zone_name: str
) -> tuple[Day, ...]:
    """The days of a zone on which the campaign, or an account of it, sends, up to the campaign's last one. `runs` are
    those of its `accounts`, the campaign's own lane the first of each; `windows` hold in each of them."""
    zone = ZoneInfo(zone_name)
    sent = list(merge(*(run.lanes[0].sent for run in runs)))
    if not sent:
        return ()
    mine = _by_hour(sent, zone)
    alone = len(runs) == 1 and not any(lane.sent for lane in runs[0].lanes[1:])
    every = [mine] if alone else [_by_hour(_until(run, sent[-1]), zone) for run in runs]
    days: dict[tuple[int, int], list[Hour]] = {}
    day = (0, 0)
    for begins in sorted({begins for hours in every for begins in hours}):
        if begins >= day[1]:
            day = _DAY.bounds(begins, zone)
            days[day] = []
        days[day].append(Hour(begins, mine[begins], sum(hours[begins] for hours in every)))
    held = [_held(run.holds, list(days), sent[-1], hours) for run, hours in zip(runs, windows, strict=True)]
    return tuple(
        _day(*bounds, sent, tuple(hours), sum((one[bounds] for one in held), Counter()))._replace(
            parts=tuple(
                Part(
                    account,
                    _between(run.lanes[0].sent, bounds),
                    sum(counted[hour.begins] for hour in hours),
                    _longest(one[bounds]),
                )
                for account, run, counted, one in zip(accounts, runs, every, held, strict=True)
            )
            if len(runs) > 1
            else ()
        )
        for bounds, hours in days.items()
    )


def _day(begins: int, ends: int, sent: Sequence[int], hours: tuple[Hour, ...], held: Counter[str]) -> Day:
    first, after = bisect_left(sent, begins), bisect_left(sent, ends)
    some = first < after
    return Day(
        begins,
        ends,
        after - first,
        sum(hour.account for hour in hours),
        sent[first] if some else None,
        sent[after - 1] if some else None,
        _longest(held),
        hours,
    )


def _between(times: Sequence[int], bounds: tuple[int, int]) -> int:
    return bisect_left(times, bounds[1]) - bisect_left(times, bounds[0])


def _until(run: Run, last: int) -> list[int]:
    """When the messages of all its lanes were accepted (us), in order, up to a time."""
    return sorted(at for lane in run.lanes for at in lane.sent if at <= last)


def _by_hour(times: Iterable[int], zone: ZoneInfo) -> Counter[int]:
    """How many of these times (us, in order) lie in each local hour, by when it begins."""
    begins: list[int] = []
    since = until = 0
    for at in times:
        if at >= until:
            since, until = _DAY.bounds(at, zone)
        # On a day of 24 hours the clock does not change: its hours are counted from midnight.
        begins.append(at - (at - since) % HOUR if until - since == DAY else _HOUR.bounds(at, zone)[0])
    return Counter(begins)


def _longest(took: Counter[str]) -> str:
    return took.most_common(1)[0][0] if took else ""


def _held(
    holds: Sequence[Hold], days: Sequence[tuple[int, int]], last: int, windows: Sequence[Window]
) -> dict[tuple[int, int], Counter[str]]:
    """How long (us) each thing held a queue in the open hours of each day (given in order), and of a quota that kept
    the rest for another day that it held them all. What comes after the campaign's last message holds others."""
    found, place = {}, 0
    for begins, midnight in days:
        while place < len(holds) and holds[place].end <= begins:
            place += 1
        hours = _open_hours(windows, begins, min(midnight, last))
        took, by = Counter[str](), ""
        at = place
        while at < len(holds) and holds[at].begin < min(midnight, last):
            hold = holds[at]
            for opens, closes in hours:
                lasted = min(hold.end, closes) - max(hold.begin, opens)
                if lasted > 0 and hold.by != WINDOW:
                    by = PACING if hold.by in (PLAN, GAP) else hold.by
                    took[by] += lasted
            at += 1
        if _is_quota(by) and last > midnight:
            took = Counter({by: sum(closes - opens for opens, closes in hours)})
        found[begins, midnight] = took
    return found


def _is_quota(by: str) -> bool:
    """Whether it is the warm-up, or a cap of a day or more."""
    try:
        return by == WARM_UP or parse_cap(by).period >= DAY
    except UsageError:
        return False


def _open_hours(windows: Sequence[Window], begins: int, ends: int) -> list[tuple[int, int]]:
    """The parts of [`begins`, `ends`) (us) at which all windows are open by their own clocks; all of it where none
    is, but people on other clocks were written to."""
    hours = [(begins, ends)]
    for window in windows:
        hours = [
            (max(opens, since), min(closes, until))
            for since, until in hours
            for opens, closes in _spans(window, since, until)
        ]
    return hours or [(begins, ends)]


def _spans(window: Window, since: int, until: int) -> Iterable[tuple[int, int]]:
    at = since
    while at < until and (span := window.span(at)) is not None and span[0] < until:
        yield span
        at = span[1]
