"""What a simulated run comes to: sends by day and hour, first and last, the finish as a range, what binds each day.

Pure. Several draws of chance give the range; the table is that of the middle one. Days and hours are the account's.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from engine.planning.caps import Cap
from engine.planning.lanes import UNMEASURED, Hold, Lane, LaneRun, Measured, QueueNow, Run
from engine.planning.simulation import GAP, PLAN, USUAL, WINDOW, simulate
from engine.retry import RetryPolicy
from storage.model import DAY, HOUR, MINUTE, SECOND

DRAWS = ((10_000, 5), (50_000, 3))
"""Up to so many messages this many draws. Chance evens out over more, and each draw takes its time."""
LEAST_DRAWS = 2
PACING = "pacing"
"""What binds a day on which the plan itself leaves the time between two."""
_QUARTER = 15 * MINUTE
"""Every zone's hours begin at a multiple of it."""
_HOUR, _DAY = Cap(1, HOUR, calendar=True), Cap(1, DAY, calendar=True)


class Hour(NamedTuple):
    """A local hour: when it `begins` (us), messages of the campaign and of its whole account in it."""

    begins: int
    sends: int
    account: int


class Day(NamedTuple):
    """A local day: [`begins`, `ends`) (us), messages of campaign and account in it, the campaign's `first` and `last`
    (None without), what held the account for longest in open hours ("" for nothing), and its hours with messages."""

    begins: int
    ends: int
    sends: int
    account: int
    first: int | None
    last: int | None
    bound_by: str
    hours: tuple[Hour, ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of one campaign. `open`: messages that may still leave; `sends`: of them accepted, `failed`: refused for good,
    `never`: whose window opens at no time. `first`: of the middle draw; `earliest` and `latest`: its end, over all
    draws (us; None when nothing is sent). `certain`: nothing was left to chance."""

    campaign: str
    account: str
    zone: str
    at: int
    open: int
    sends: int
    failed: int
    never: int
    first: int | None
    earliest: int | None
    latest: int | None
    days: tuple[Day, ...]
    draws: int
    certain: bool
    assumes: str = ""
    """What has to be done first: "started now", "resumed now"; "" for a campaign that runs."""
    held: Mapping[str, int] | None = None
    """What is not sent, and how many, by reason."""
    measured: int = 0
    """Attempts from which service times and refusals were taken."""
    beside: tuple[str, ...] = ()
    """Other campaigns of the account that were reckoned with."""

    def to_dict(self) -> dict[str, Any]:
        """JSON values; times in microseconds UTC under keys that end in `_at`."""
        return {
            "campaign": self.campaign,
            "account": self.account,
            "zone": self.zone,
            "forecast_at": self.at,
            "assumes": self.assumes,
            "open": self.open,
            "sends": self.sends,
            "failed": self.failed,
            "never": self.never,
            "held": dict(self.held or {}),
            "first_at": self.first,
            "finish": {"earliest_at": self.earliest, "latest_at": self.latest, "certain": self.certain},
            "draws": self.draws,
            "measured_attempts": self.measured,
            "other_campaigns": list(self.beside),
            "days": [self._day(day) for day in self.days],
        }

    def _day(self, day: Day) -> dict[str, Any]:
        zone = ZoneInfo(self.zone)
        return {
            "day": _local(day.begins, zone).date().isoformat(),
            "sends": day.sends,
            "account_sends": day.account,
            "first_at": day.first,
            "last_at": day.last,
            "bound_by": day.bound_by,
            "hours": [
                {"hour": _local(hour.begins, zone).strftime("%H:%M"), "hour_at": hour.begins, "sends": hour.sends,
                 "account_sends": hour.account}
                for hour in day.hours
            ],
        }  # fmt: skip


def forecast(
    queue: QueueNow,
    lanes_of: Callable[[int], Sequence[Lane]],
    *,
    now: int,
    seed: int,
    account: str = "",
    measured: Measured = UNMEASURED,
    policy: RetryPolicy = USUAL,
    fixed: bool = True,
    draws: int = 0,
) -> Forecast:
    """Send the lanes in the mind, some times over, and say what comes of the first one.

    `lanes_of(draw)` gives the lanes of a draw, the campaign asked for first; they are the same for every draw when the
    plan is `fixed`. `draws` 0: as many as fit the work.
    """
    lanes = lanes_of(0)
    total = sum(len(lane.jobs) for lane in lanes)
    certain = fixed and measured.certain
    n = 1 if certain else draws or next((draws for most, draws in DRAWS if total <= most), LEAST_DRAWS)
    runs = []
    for draw in range(n):
        rng = random.Random(seed + draw)  # noqa: S311 - a forecast must repeat
        drawn = lanes if fixed or not draw else lanes_of(draw)
        runs.append(simulate(queue, drawn, now=now, rng=rng, measured=measured, policy=policy))
    runs.sort(key=lambda run: run.lanes[0].ended)
    middle, own = runs[n // 2], runs[n // 2].lanes[0]
    ends = [run.lanes[0].ended for run in runs if run.lanes[0].begun or run.lanes[0].sent]
    return Forecast(
        campaign=lanes[0].name,
        account=account,
        zone=queue.limits.zone,
        at=now,
        open=len(lanes[0].jobs) + lanes[0].in_flight,
        sends=len(own.sent),
        failed=own.failed,
        never=own.never,
        first=own.sent[0] if own.sent else None,
        earliest=min(ends, default=None),
        latest=max(ends, default=None),
        days=_days(middle, queue.limits.zone),
        draws=n,
        certain=certain,
        measured=len(measured.durations),
        beside=tuple(lane.name for lane in lanes[1:] if lane.jobs or lane.in_flight),
    )


def _days(run: Run, zone_name: str) -> tuple[Day, ...]:
    """The days on which the campaign or its account sends, up to the campaign's last one."""
    zone, own = ZoneInfo(zone_name), run.lanes[0]
    if not own.sent:
        return ()
    mine, every = _by_hour(own.sent, zone), _by_hour(_until(run.lanes, own.sent[-1]), zone)
    days: dict[tuple[int, int], list[Hour]] = {}
    day = (0, 0)
    for begins in sorted(every):
        if begins >= day[1]:
            day = _DAY.bounds(begins, zone)
            days[day] = []
        days[day].append(Hour(begins, mine[begins], every[begins]))
    held = _held_by(run.holds, list(days))
    return tuple(_day(*bounds, own.sent, tuple(hours), held[bounds]) for bounds, hours in days.items())


def _day(begins: int, ends: int, sent: Sequence[int], hours: tuple[Hour, ...], bound_by: str) -> Day:
    first, after = bisect_left(sent, begins), bisect_left(sent, ends)
    some = first < after
    return Day(
        begins,
        ends,
        after - first,
        sum(hour.account for hour in hours),
        sent[first] if some else None,
        sent[after - 1] if some else None,
        bound_by,
        hours,
    )


def _until(lanes: Sequence[LaneRun], last: int) -> Iterable[int]:
    return (at for lane in lanes for at in lane.sent if at <= last)


def _by_hour(times: Iterable[int], zone: ZoneInfo) -> Counter[int]:
    found: Counter[int] = Counter()
    for quarter, n in Counter(at // _QUARTER for at in times).items():
        found[_HOUR.bounds(quarter * _QUARTER, zone)[0]] += n
    return found


def _held_by(holds: Sequence[Hold], days: Sequence[tuple[int, int]]) -> dict[tuple[int, int], str]:
    """What held the account for longest on each day (given in order), closed windows left out."""
    found, place = {}, 0
    for begins, ends in days:
        took: Counter[str] = Counter()
        while place < len(holds) and holds[place].end <= begins:
            place += 1
        at = place
        while at < len(holds) and holds[at].begin < ends:
            hold = holds[at]
            if hold.by != WINDOW:
                took[PACING if hold.by in (PLAN, GAP) else hold.by] += min(hold.end, ends) - max(hold.begin, begins)
            at += 1
        found[begins, ends] = took.most_common(1)[0][0] if took else ""
    return found


def _local(at: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at // SECOND, zone)
