"""A forecast of one campaign out of the store: what stands there becomes the lanes and limits of a simulation.

Reads only, with or without an engine. A campaign that does not run is planned in memory as its start or resume would.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from engine import plans
from engine.accounts import Account
from engine.composer import make_factory
from engine.config import Config, allow_listed
from engine.planning.forecast import Forecast, forecast
from engine.planning.lanes import Lane, Measured, QueueNow, Waiting
from engine.planning.limits import Limits
from engine.planning.opening import parsed
from engine.planning.simulation import simulate
from engine.retry import RetryPolicy
from storage import forecast_facts as facts
from storage.domains import WAITS, domain_of
from storage.errors import PacelineError
from storage.forecast_facts import Row
from storage.model import DAY, Campaign, CampaignState, OutcomeClass
from storage.reader import Reader
from storage.row_nouns import campaign_of, step_of

LEAST_MEASURED = 20
"""Attempts from which shares of refusals are taken: one that failed among three says nothing."""
SEED = 0x5EED
"""Told apart from the seeds of plans."""
ENDED = (CampaignState.COMPLETED, CampaignState.CANCELLED)


@dataclass(frozen=True, slots=True)
class _Draft:
    """People of a draft in order: (id, address, fields), who is left out, by reason, and why its message cannot be made
    ("" when it can)."""

    people: list[tuple[int, str, str]]
    held: Counter[str]
    trouble: str = ""


def forecast_campaign(
    reader: Reader, name: str, config: Config | None, *, now: int, at: int | None = None, draws: int = 0
) -> Forecast:
    """What becomes of a campaign from `now` (us) on; of one that does not run, when it is started (`at`; None: now) or
    resumed. `config` None: the configuration cannot be read. `draws` as `engine.planning.forecast.forecast` takes them.
    Raises NotFoundError, StoreError, RefusedError for a window that never opens."""
    row = reader.campaign(name)
    queue = facts.queue(reader, row["queue_id"])
    account = config.accounts.get(row["account"]) if config is not None else None
    limits = _limits(queue, account, config)
    campaign = campaign_of(row)
    if campaign.state in ENDED:
        held = facts.held(reader, campaign.id)
        return Forecast(name, row["account"], limits.zone, now, 0, 0, 0, 0, None, None, None, (), 0, True, held=held)
    begin = max(now, at or now)
    draft = _draft(reader, row, campaign, account) if campaign.state is CampaignState.DRAFT else None
    lanes_of, fixed = _lanes(reader, campaign, limits, draft, now, begin)
    policy = account.retry_policy(config.defaults) if account is not None and config is not None else RetryPolicy()
    made = forecast(
        _queue_now(reader, queue, limits, now),
        lanes_of,
        now=now,
        seed=campaign.seed ^ SEED,
        account=row["account"],
        measured=_measured(facts.last_attempts(reader, queue["id"])),
        policy=policy,
        fixed=fixed,
        draws=draws,
    )
    held = Counter(facts.held(reader, campaign.id))
    if draft is not None:
        held += draft.held
    outside = _outside(reader, campaign, account, config, draft)
    mended = f"its message mended ({draft.trouble})" if draft is not None and draft.trouble else ""
    assumes = [word for word in (mended, outside, _begun(campaign, begin > now), *_opened(reader, queue)) if word]
    return replace(made, held=dict(held), assumes=", ".join(assumes))


def queue_ends(reader: Reader, queue_id: int, *, now: int) -> dict[int, int]:
    """When the active campaigns of a queue end (us, by campaign id), by the limits that the engine wrote, without chance:
    every attempt takes the mean time and is accepted. Left out is what a window or a person keeps from ending. Raises
    StoreError."""
    queue = facts.queue(reader, queue_id)
    if queue["state"] not in ("ready", "cooling", "probing"):
        return {}
    limits = Limits.from_dict(queue["limits"])
    rows = [row for row in facts.sharing(reader, queue_id, 0) if not row["replanning"]]
    took = _measured(facts.last_attempts(reader, queue_id)).durations
    run = simulate(
        _queue_now(reader, queue, limits, now),
        [_lane(reader, row, limits) for row in rows],
        now=now,
        rng=random.Random(SEED),  # noqa: S311 - a forecast must repeat
        measured=Measured((sum(took) // len(took),) if took else ()),
    )
    return {row["id"]: lane.ended for row, lane in zip(rows, run.lanes, strict=True) if lane.ended and not lane.never}


def _limits(queue: Row, account: Account | None, config: Config | None) -> Limits:
    """Those that the engine wrote; for a queue that none has served yet, those of the configuration."""
    if queue["limits"] or account is None or config is None:
        return Limits.from_dict(queue["limits"])
    return account.limits(config.zone).tuned(queue["tuning"])


def _queue_now(reader: Reader, queue: Row, limits: Limits, now: int) -> QueueNow:
    most = max([cap.n for cap in limits.caps] + ([limits.warmup.ceiling] if limits.warmup else []), default=0)
    longest = max([cap.period for cap in limits.caps] + [DAY], default=DAY)
    # A calendar period may be an hour longer than its name.
    since = now - longest - DAY
    return QueueNow(
        limits,
        throttle=queue["throttle"],
        last_start=queue["last_start"],
        spaced_start=queue["spaced_start"],
        starts=facts.starts(reader, queue["id"], since, most) if most else (),
        warm_days=queue["warm_days"],
        warm_on=queue["warm_on"],
        closed_until=queue["until_at"] or 0 if queue["state"] == "cooling" else 0,
        domains=facts.domain_starts(reader, queue["id"]) if limits.domain_gap else {},
    )


def _measured(attempts: Sequence[Row]) -> Measured:
    """Service times as they were; shares of refusals where enough was seen."""
    if not attempts:
        return Measured()
    n = Counter(row["outcome"] for row in attempts)
    refused = [row for row in attempts if row["outcome"] != OutcomeClass.ACCEPTED]
    known = len(attempts) >= LEAST_MEASURED
    return Measured(
        tuple(sorted(row["duration"] for row in attempts)),
        transient=n[OutcomeClass.TRANSIENT] / len(attempts) if known else 0.0,
        permanent=(n[OutcomeClass.PERMANENT] + n[OutcomeClass.CONTENT]) / len(attempts) if known else 0.0,
        unspent=sum(row["unspent"] for row in refused) / len(refused) if refused else 0.0,
    )


def _lanes(
    reader: Reader, campaign: Campaign, limits: Limits, draft: _Draft | None, now: int, begin: int
) -> tuple[Callable[[int], list[Lane]], bool]:
    """The lanes of each draw, the campaign's own first, and whether they are the same for all."""
    rows = facts.sharing(reader, campaign.queue_id, campaign.id)
    lanes = [_lane(reader, row, limits) for row in rows if row["state"] == "active"]
    if campaign.state is CampaignState.ACTIVE:
        return lambda draw: lanes, True
    own = _lane(reader, rows[0], limits)
    if draft is not None:
        # As its start would draw it: the batch's id is part of the seed.
        salt = facts.next_batch(reader)
        jobs = _planned(campaign, limits, begin, salt, draft.people)
        own = replace(own, jobs=jobs, started_at=begin)
        return lambda draw: [own, *lanes], True
    people = list(facts.waiting(reader, campaign.id, people=True))

    def lanes_of(draw: int) -> list[Lane]:
        # A resume is drawn by its moment, which nobody knows yet.
        return [replace(own, jobs=_replanned(campaign, limits, begin, begin + draw, people)), *lanes]

    return lanes_of, False


def _lane(reader: Reader, row: Row, limits: Limits) -> Lane:
    running = row["state"] == "active"
    return Lane(
        row["name"],
        tuple(_jobs(reader, row, limits)) if running else (),
        row["priority"],
        row["weight"],
        row["concurrency"],
        row["spacing"] == "queue",
        row["hours"],
        row["last_start"],
        row["started_at"] or 0,
        row["turn"],
        facts.in_flight(reader, row["id"]),
    )


def _jobs(reader: Reader, row: Row, limits: Limits) -> Iterator[Waiting]:
    zones = _zones_of(row["hours"])
    asked = bool(zones or limits.domain_gap)
    for job in facts.waiting(reader, row["id"], people=asked):
        domain = domain_of(job["address"] or "") if limits.domain_gap else ""
        fields = zones(job["fields"] or "{}") if zones else "{}"
        keeps = job["reason"] == WAITS
        yield Waiting(job["due_at"], job["id"], job["gap"], domain, fields, job["tries"], job["budget_at"], keeps)


def _zones_of(hours: str) -> Callable[[str], str] | None:
    """What of a person's fields the campaign's window asks for, as JSON text; None: nothing."""
    name = parsed(hours).recipient_zone if hours else ""
    if not name:
        return None
    known: dict[str, str] = {}

    def only(fields: str) -> str:
        zone = json.loads(fields).get(name)
        zone = zone if isinstance(zone, str) else ""
        return known.setdefault(zone, json.dumps({name: zone}))

    return only


def _planned(
    campaign: Campaign, limits: Limits, start: int, salt: int, people: Iterable[tuple[int, str, str]]
) -> tuple[Waiting, ...]:
    """The jobs that a start makes, as `engine.plans` makes them."""
    slots = plans.slots_for(campaign, limits, start=start, salt=salt)
    own = plans.own_time(campaign, limits)
    zones = _zones_of(json.dumps(campaign.hours) if campaign.hours else "")
    jobs = (
        Waiting(
            own(slot.due_at, fields),
            number,
            slot.gap,
            domain_of(address) if limits.domain_gap else "",
            zones(fields) if zones else "{}",
        )
        for (number, address, fields), slot in zip(people, slots, strict=False)
    )
    return tuple(sorted(jobs))


def _replanned(campaign: Campaign, limits: Limits, start: int, salt: int, jobs: Sequence[Row]) -> tuple[Waiting, ...]:
    """The jobs as a resume plans them anew: order kept, a retry not before its own time."""
    people = [(row["id"], row["address"] or "", row["fields"] or "{}") for row in jobs]
    was = {row["id"]: row for row in jobs}
    planned = _planned(campaign, limits, start, salt, people)
    return tuple(
        sorted(
            job._replace(
                due=max(job.due, was[job.id]["due_at"]) if was[job.id]["error_key"] else job.due,
                tries=was[job.id]["tries"],
                budget_at=was[job.id]["budget_at"],
            )
            for job in planned
        )
    )


def _draft(reader: Reader, row: Row, campaign: Campaign, account: Account | None) -> _Draft:
    """Whom a start would plan for, and who would be held."""
    held = Counter(facts.stopped(reader, campaign.id))
    if not row["steps"]:
        return _Draft([], held)
    step, factory, people, trouble = step_of(row), None, [], ""
    if account is not None:
        try:
            factory = make_factory(campaign, step, account)
        except PacelineError as error:
            trouble = error.message
    for person in facts.unplanned(reader, campaign.id, step.id):
        detail = plans.why_held(factory, person["address"], person["fields"]) if factory is not None else ""
        if detail:
            held[detail] += 1
        else:
            people.append((person["id"], person["address"], person["fields"]))
    return _Draft(people, held, trouble)


def _outside(
    reader: Reader, campaign: Campaign, account: Account | None, config: Config | None, draft: _Draft | None
) -> str:
    """That a campaign which is not live reaches only the allow-list; "" where that stops nobody."""
    if campaign.live or config is None or account is None or account.channel == "outbox":
        return ""
    addresses = (
        (address for _, address, _ in draft.people)
        if draft is not None
        else (row["address"] or "" for row in facts.waiting(reader, campaign.id, people=True))
    )
    outside = sum(not allow_listed(config, address) for address in addresses)
    return f"set live ({outside:,} are not on the allow-list)" if outside else ""


def _begun(campaign: Campaign, later: bool) -> str:
    if campaign.state is CampaignState.DRAFT:
        return "started then" if later else "started now"
    return "resumed now" if campaign.state is CampaignState.PAUSED else ""


def _opened(reader: Reader, queue: Row) -> list[str]:
    """What a person has to open first."""
    words = [f"queue {queue['name']} resumed"] if queue["state"] in ("paused", "needs_attention", "restricted") else []
    return [*words, "the engine resumed"] if reader.engine()["paused"] else words
