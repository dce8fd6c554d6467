"""A forecast of one campaign out of the store: what stands there becomes the queues and lanes of a simulation.

Reads only, with or without an engine. A campaign that does not run is planned in memory as its start or resume would.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.accounts import Account
from engine.composer import make_factory
from engine.config import Config, allow_listed
from engine.following import MADE_LATER
from engine.forecast_plans import Started, Way, resumed, started, waiting_people
from engine.forecast_sharing import sharing_of
from engine.planning.forecast import Forecast, Perhaps, forecast
from engine.planning.lanes import Follow, Lane, Measured, Station, Waiting
from engine.planning.limits import Limits
from engine.planning.network import simulate
from engine.queue_forecast import SEED, following, lane, measured, queue_now
from engine.retry import RetryPolicy
from engine.sequences import CONDITIONS
from storage import forecast_facts as facts
from storage.errors import PacelineError
from storage.forecast_facts import Row
from storage.model import CampaignState, QueueState
from storage.nouns import Campaign
from storage.reader import Reader
from storage.row_nouns import campaign_of, step_of, steps_of
from storage.step_facts import waiting_for_acceptance

ENDED = (CampaignState.COMPLETED, CampaignState.CANCELLED)
CLOSED = (QueueState.PAUSED, QueueState.NEEDS_ATTENTION, QueueState.RESTRICTED)
"""Queues that only a person opens."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The campaign that is asked for: `row` as `Reader.campaign` has it, its queues and their limits by id, and the
    accounts of those that the configuration still has. `trouble`: why its message cannot be made."""

    row: Row
    campaign: Campaign
    queues: dict[int, Row]
    limits: dict[int, Limits]
    accounts: dict[int, Account]
    trouble: list[str] = field(default_factory=list)


def forecast_campaign(
    reader: Reader, name: str, config: Config | None, *, now: int, at: int | None = None, draws: int = 0
) -> Forecast:
    """What becomes of a campaign from `now` (us) on; of one that does not run, when it is started (`at`; None: now) or
    resumed. `config` None: the configuration cannot be read. `draws` as `engine.planning.forecast.forecast` takes them.
    Raises NotFoundError, StoreError, RefusedError for a window that never opens."""
    asked = _asked(reader, name, config)
    campaign, begin = asked.campaign, max(now, at or now)
    if campaign.state in ENDED:
        zone = next(iter(asked.limits.values())).zone
        return Forecast(name, _names(asked), zone, now, held=facts.held(reader, campaign.id))
    start = _start(reader, asked, begin) if campaign.state is CampaignState.DRAFT else None
    own = _own_jobs(reader, asked, start, begin)
    stations = _stations(reader, asked, now, begin, own(0), config)

    def stations_of(draw: int) -> Sequence[Station]:
        return [_with_own(station, own(draw)) for station in stations] if draw else stations

    # A resume is drawn by its moment, which nobody knows yet.
    fixed = campaign.state is not CampaignState.PAUSED
    made = forecast(stations_of, now=now, seed=campaign.seed ^ SEED, fixed=fixed, draws=draws)
    held = Counter(facts.held(reader, campaign.id))
    if start is not None:
        held += start.held
    outside = _outside(reader, asked, config, start)
    mended = f"its message mended ({'; '.join(asked.trouble)})" if asked.trouble else ""
    words = (mended, outside, _begun(campaign, begin > now), *_opened(reader, asked, made.accounts))
    lanes = [station.lanes[0] for station in stations]
    return replace(
        made,
        held=dict(held),
        assumes=", ".join(word for word in words if word),
        perhaps=_perhaps(asked.row, [job for one in lanes for job in (*one.jobs, *one.flying)], reader),
    )


def expected_starts(reader: Reader, name: str, config: Config | None, *, now: int) -> dict[int, int]:
    """When each waiting message of a campaign that runs will begin (us, by job id), as its forecast has it but without
    chance: every attempt takes the mean time and is accepted. Left out is what a person has to open first. Raises
    NotFoundError, StoreError, RefusedError for a window that never opens."""
    asked = _asked(reader, name, config)
    unknown = config is None and not all(queue["limits"] for queue in asked.queues.values())
    runs = asked.campaign.state is CampaignState.ACTIVE and not asked.row["replanning"]
    if unknown or not runs or reader.engine()["paused"]:
        return {}
    begun: dict[int, int] = {}
    stations = []
    for station in _stations(reader, asked, now, now, None, config):
        if asked.queues[station.id]["state"] not in CLOSED:
            took = station.measured.durations
            mean = sum(took) // len(took) if took else 0
            own, *others = station.lanes
            own = replace(own, follow=_noting(begun, mean, own.follow))
            stations.append(replace(station, measured=Measured((mean,) if mean else ()), lanes=[own, *others]))
    simulate(stations, now=now, rng=random.Random(SEED))  # noqa: S311 - a forecast must repeat
    return begun


def _noting(begun: dict[int, int], took: int, follow: Follow | None) -> Follow:
    """Notes when each job of the store began; what follows them is not there yet."""

    def noted(queue_id: int, job: Waiting, at: int, accepted: bool) -> tuple[int, Waiting] | None:
        if job.id < MADE_LATER:
            begun[job.id] = at - took
        return follow(queue_id, job, at, accepted) if follow is not None else None

    return noted


def _asked(reader: Reader, name: str, config: Config | None) -> _Asked:
    row = reader.campaign(name)
    queues = {one["id"]: facts.queue(reader, one["id"]) for one in row["accounts"]}
    known = config.accounts if config is not None else {}
    accounts = {number: known[queue["name"]] for number, queue in queues.items() if queue["name"] in known}
    limits = {number: _limits(queue, accounts.get(number), config) for number, queue in queues.items()}
    return _Asked(row, campaign_of(row), queues, limits, accounts)


def _limits(queue: Row, account: Account | None, config: Config | None) -> Limits:
    """Those that the engine wrote; for a queue that none has served yet, those of the configuration."""
    if queue["limits"] or account is None or config is None:
        return Limits.from_dict(queue["limits"])
    return account.limits(config.zone).tuned(queue["tuning"])


def _names(asked: _Asked) -> tuple[str, ...]:
    return tuple(queue["name"] for queue in asked.queues.values())


def _ways(asked: _Asked) -> list[Way]:
    return [Way(number, queue["channel"], asked.limits[number]) for number, queue in asked.queues.items()]


def _start(reader: Reader, asked: _Asked, begin: int) -> Started:
    """Whom a start would plan for through which account, and who would be held."""
    if not asked.row["steps"]:
        return Started({}, Counter(facts.stopped(reader, asked.campaign.id)))
    step, ways = step_of(asked.row), []
    channel = step.channel or asked.row["channel"]
    for way in _ways(asked):
        if way.channel != channel:
            continue
        if (account := asked.accounts.get(way.queue_id)) is not None:
            try:
                way = replace(way, factory=make_factory(asked.campaign, step, account))
            except PacelineError as error:
                asked.trouble.append(error.message)
        ways.append(way)
    return started(reader, asked.campaign, step, ways, begin=begin)


def _own_jobs(
    reader: Reader, asked: _Asked, start: Started | None, begin: int
) -> Callable[[int], Mapping[int, Sequence[Waiting]] | None]:
    """The campaign's own jobs by queue in each draw; None: as they stand in the store."""
    if start is not None:
        return lambda draw: start.jobs
    if asked.campaign.state is CampaignState.ACTIVE:
        return lambda draw: None
    ways = _ways(asked)
    waiting = waiting_people(reader, asked.campaign, ways)
    first = step_of(asked.row)
    return lambda draw: resumed(asked.campaign, first, ways, waiting, begin=begin, salt=begin + draw)


def _stations(
    reader: Reader,
    asked: _Asked,
    now: int,
    begin: int,
    own: Mapping[int, Sequence[Waiting]] | None,
    config: Config | None,
) -> list[Station]:
    """The campaign's queues with all that is sent through them, those left out that it has nothing to send through."""
    sharing = {number: facts.sharing(reader, number, asked.campaign.id) for number in asked.queues}
    follows = following(reader, [row for rows in sharing.values() for row in rows], asked.limits)
    follow = follows.get(asked.campaign.id)
    later = follow.queues if follow is not None else frozenset()
    shared = sharing_of(asked.campaign, steps_of(asked.row), list(asked.queues.values()), asked.limits)
    found: list[Station] = []
    for number, queue in asked.queues.items():
        mine, *others = sharing[number]
        lanes = [lane(reader, mine, asked.limits, follow, shared)]
        if own is not None:
            lanes = [_own_lane(lanes[0], own.get(number, ()), begin if mine["state"] == "draft" else 0)]
        if not (lanes[0].jobs or lanes[0].flying or number in later):
            continue
        lanes += [lane(reader, row, asked.limits, follows.get(row["id"])) for row in others if row["state"] == "active"]
        account = asked.accounts.get(number)
        policy = account.retry_policy(config.defaults) if account is not None and config is not None else RetryPolicy()
        seen = measured(facts.last_attempts(reader, number))
        state = queue_now(reader, queue, asked.limits[number], now)
        found.append(Station(state, lanes, seen, policy, number, queue["name"]))
    if found:
        return found
    number, queue = next(iter(asked.queues.items()))
    empty = [lane(reader, sharing[number][0], asked.limits)]
    return [Station(queue_now(reader, queue, asked.limits[number], now), empty, id=number, account=queue["name"])]


def _own_lane(own: Lane, jobs: Sequence[Waiting], started_at: int) -> Lane:
    return replace(own, jobs=jobs, started_at=started_at or own.started_at)


def _with_own(station: Station, own: Mapping[int, Sequence[Waiting]] | None) -> Station:
    """The same queue with the campaign's jobs as another draw has them."""
    if own is None:
        return station
    mine, *others = station.lanes
    return replace(station, lanes=[replace(mine, jobs=own.get(station.id, ())), *others])


def _perhaps(row: Row, jobs: Iterable[Waiting], reader: Reader) -> tuple[Perhaps, ...]:
    """The steps that are not counted, since a condition stands before them or before a step that leads to them."""
    steps = row["steps"]
    if len(steps) < 2:
        return ()
    at = Counter(job.step for job in jobs)
    at.update(waiting_for_acceptance(reader, row["id"]))
    found = []
    for place in range(1, len(steps)):
        # Who stands before the last condition on the way to this step may come to it or not.
        last = next((i for i in range(place, 0, -1) if steps[i]["conditions"]), 0)
        most = sum(at[step["id"]] for step in steps[:last])
        if most:
            words = [CONDITIONS[word] for word in steps[place]["conditions"]]
            found.append(Perhaps(place + 1, most, " and ".join(words) or f"only behind step {last + 1}"))
    return tuple(found)


def _outside(reader: Reader, asked: _Asked, config: Config | None, start: Started | None) -> str:
    """That a campaign which is not live reaches only the allow-list; "" where that stops nobody."""
    campaign, account = asked.campaign, asked.accounts.get(asked.campaign.queue_id)
    if campaign.live or config is None or account is None or account.channel == "outbox":
        return ""
    addresses: Iterable[str] = start.addresses if start is not None else (
        row["address"] or "" for rows in waiting_people(reader, campaign, _ways(asked)).values() for row in rows
    )  # fmt: skip
    outside = sum(not allow_listed(config, address) for address in addresses)
    return f"set live ({outside:,} not on the allow-list)" if outside else ""


def _begun(campaign: Campaign, later: bool) -> str:
    if campaign.state is CampaignState.DRAFT:
        return "started then" if later else "started now"
    return "resumed now" if campaign.state is CampaignState.PAUSED else ""


def _opened(reader: Reader, asked: _Asked, accounts: Sequence[str]) -> list[str]:
    """What a person has to open first."""
    stopped = [queue["name"] for queue in asked.queues.values() if queue["state"] in CLOSED]
    words = [f"queue {name} resumed" for name in stopped if name in accounts]
    return [*words, "the engine resumed"] if reader.engine()["paused"] else words
