"""What a simulated run comes to: sends by day, hour and account, first and last, the finish as a range, what binds.

Pure. Several draws of chance give the range; the table is that of the middle one. Days and hours are those of the
campaign's first account.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

from engine.planning.forecast_days import Day, days_of
from engine.planning.lanes import Run, Station
from engine.planning.network import simulate
from engine.planning.opening import parsed
from storage.model import SECOND

if TYPE_CHECKING:
    from engine.planning.windows import Window

DRAWS = ((10_000, 5), (50_000, 3))
"""Up to so many attempts this many draws. Chance evens out over more, and each draw takes its time."""
LEAST_DRAWS = 2


class Perhaps(NamedTuple):
    """A step (by its place in the sequence) that is not counted because a condition decides, to how many people it
    goes at most, and the condition in words."""

    step: int
    most: int
    condition: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """Of one campaign. `open`: messages that may still leave; `sends`: of them accepted, `failed`: refused for good,
    `never`: whose window opens at no time; `further`: of the open ones, the next steps of others, made when their turn
    comes. `first`: of the middle draw; `earliest` and `latest`: its end, over all draws (us; None when nothing is
    sent). `certain`: nothing was left to chance."""

    campaign: str
    accounts: tuple[str, ...]
    zone: str
    at: int
    open: int = 0
    sends: int = 0
    failed: int = 0
    never: int = 0
    further: int = 0
    first: int | None = None
    earliest: int | None = None
    latest: int | None = None
    days: tuple[Day, ...] = ()
    draws: int = 0
    certain: bool = True
    assumes: str = ""
    """What has to be done first: "started now", "resumed now"; "" for a campaign that runs."""
    held: Mapping[str, int] | None = None
    """What is not sent, and how many, by reason."""
    measured: int = 0
    """Attempts from which service times and refusals were taken."""
    beside: tuple[str, ...] = ()
    """Other campaigns of the accounts that were reckoned with."""
    perhaps: tuple[Perhaps, ...] = ()
    """Steps that come only if a condition holds, and are not counted."""

    def to_dict(self) -> dict[str, Any]:
        """JSON values; times in microseconds UTC under keys that end in `_at`."""
        return {
            "campaign": self.campaign,
            "account": self.accounts[0],
            "accounts": list(self.accounts),
            "zone": self.zone,
            "forecast_at": self.at,
            "assumes": self.assumes,
            "open": self.open,
            "sends": self.sends,
            "failed": self.failed,
            "never": self.never,
            "further_steps": self.further,
            "held": dict(self.held or {}),
            "perhaps": [{"step": one.step, "up_to": one.most, "condition": one.condition} for one in self.perhaps],
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
            "by_account": [
                {"account": part.account, "sends": part.sends, "account_sends": part.every, "bound_by": part.bound_by}
                for part in day.parts
            ],
            "hours": [
                {"hour": _local(hour.begins, zone).strftime("%H:%M"), "hour_at": hour.begins, "sends": hour.sends,
                 "account_sends": hour.account}
                for hour in day.hours
            ],
        }  # fmt: skip


def forecast(
    stations_of: Callable[[int], Sequence[Station]],
    *,
    now: int,
    seed: int,
    fixed: bool = True,
    draws: int = 0,
) -> Forecast:
    """Send everything in the mind, some times over, and say what comes of one campaign.

    `stations_of(draw)` gives its queues in a draw, in each the campaign's own lane first; they are the same for every
    draw when the plan is `fixed`. `draws` 0: as many as fit the work.
    """
    stations = stations_of(0)
    certain = fixed and all(station.measured.certain for station in stations)

    def drawn_as(draw: int) -> list[Run]:
        rng = random.Random(seed + draw)  # noqa: S311 - a forecast must repeat
        return simulate(stations if fixed or not draw else stations_of(draw), now=now, rng=rng)

    drawn = [drawn_as(0)]
    # The first one tells how much work it is, retries and further steps included.
    total = sum(len(lane.begun) for run in drawn[0] for lane in run.lanes)
    n = 1 if certain else draws or next((draws for most, draws in DRAWS if total <= most), LEAST_DRAWS)
    drawn += [drawn_as(draw) for draw in range(1, n)]
    drawn.sort(key=_ended)
    middle = drawn[n // 2]
    own = [run.lanes[0] for run in middle]
    firsts = [lane.sent[0] for lane in own if lane.sent]
    ends = [_ended(runs) for runs in drawn if any(run.lanes[0].begun or run.lanes[0].sent for run in runs)]
    further = sum(lane.followed for lane in own)
    return Forecast(
        campaign=stations[0].lanes[0].name,
        accounts=tuple(station.account for station in stations),
        zone=stations[0].queue.limits.zone,
        at=now,
        open=sum(len(station.lanes[0].jobs) + len(station.lanes[0].flying) for station in stations) + further,
        sends=sum(len(lane.sent) for lane in own),
        failed=sum(lane.failed for lane in own),
        never=sum(lane.never for lane in own),
        further=further,
        first=min(firsts, default=None),
        earliest=min(ends, default=None),
        latest=max(ends, default=None),
        days=days_of(
            middle,
            [station.account for station in stations],
            [_windows(station) for station in stations],
            stations[0].queue.limits.zone,
        ),
        draws=n,
        certain=certain,
        measured=sum(len(station.measured.durations) for station in stations if not station.measured.assumed),
        beside=tuple(dict.fromkeys(
            lane.name for station in stations for lane in station.lanes[1:] if lane.jobs or lane.flying
        )),
    )  # fmt: skip


def _windows(station: Station) -> list[Window]:
    """The windows of a queue and of the campaign."""
    own, queue = station.lanes[0].hours, station.queue.limits.window
    found = [parsed(own)] if own else []
    return [*found, queue] if queue is not None else found


def _ended(runs: Sequence[Run]) -> int:
    """When the campaign's last attempt ended (us)."""
    return max(run.lanes[0].ended for run in runs)


def _local(at: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at // SECOND, zone)
