"""A forecast of one campaign out of the store: what stands there becomes the lanes and limits of a simulation.

Reads only, with or without an engine. A campaign that does not run is planned in memory as its start or resume would.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from engine import plans
from engine.accounts import Account
from engine.composer import make_factory
from engine.config import Config, allow_listed
from engine.planning.forecast import Forecast, forecast
from engine.planning.lanes import Lane, Waiting
from engine.planning.limits import Limits
from engine.queue_forecast import SEED, lane, measured, queue_now, zones_of
from engine.retry import RetryPolicy
from storage import forecast_facts as facts
from storage.domains import domain_of
from storage.errors import PacelineError
from storage.forecast_facts import Row
from storage.model import Campaign, CampaignState
from storage.reader import Reader
from storage.row_nouns import campaign_of, step_of

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
        queue_now(reader, queue, limits, now),
        lanes_of,
        now=now,
        seed=campaign.seed ^ SEED,
        account=row["account"],
        measured=measured(facts.last_attempts(reader, queue["id"])),
        policy=policy,
        fixed=fixed,
        draws=draws,
    )
    held = Counter(facts.held(reader, campaign.id))
    if draft is not None:
        held += draft.held
    outside = _outside(reader, campaign, account, config, draft)
    mended = f"its message mended ({draft.trouble})" if draft is not None and draft.trouble else ""
    words = (mended, outside, _begun(campaign, begin > now), *_opened(reader, queue), *_left_out(row))
    assumes = [word for word in words if word]
    return replace(made, held=dict(held), assumes=", ".join(assumes))


def _left_out(row: Row) -> list[str]:
    """What a forecast of one queue does not count: the campaign's further accounts, and steps that come as it goes."""
    others = [one["name"] for one in row["accounts"][1:] if one["channel"] == row["channel"]]
    words = [f"not counted: what goes through {', '.join(others)}"] if others else []
    further = len(row["steps"]) - 1
    if further:
        words.append(f"not counted: {'the step' if further == 1 else f'the {further} steps'} behind the first")
    return words


def _limits(queue: Row, account: Account | None, config: Config | None) -> Limits:
    """Those that the engine wrote; for a queue that none has served yet, those of the configuration."""
    if queue["limits"] or account is None or config is None:
        return Limits.from_dict(queue["limits"])
    return account.limits(config.zone).tuned(queue["tuning"])


def _lanes(
    reader: Reader, campaign: Campaign, limits: Limits, draft: _Draft | None, now: int, begin: int
) -> tuple[Callable[[int], list[Lane]], bool]:
    """The lanes of each draw, the campaign's own first, and whether they are the same for all."""
    rows = facts.sharing(reader, campaign.queue_id, campaign.id)
    lanes = [lane(reader, row, limits) for row in rows if row["state"] == "active"]
    if campaign.state is CampaignState.ACTIVE:
        return lambda draw: lanes, True
    own = lane(reader, rows[0], limits)
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


def _planned(
    campaign: Campaign, limits: Limits, start: int, salt: int, people: Iterable[tuple[int, str, str]]
) -> tuple[Waiting, ...]:
    """The jobs that a start makes, as `engine.plans` makes them."""
    slots = plans.slots_for(campaign, limits, start=start, salt=salt)
    own = plans.own_time(campaign, limits)
    zones = zones_of(json.dumps(campaign.hours) if campaign.hours else "", limits)
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
        detail = ""
        if factory is not None:
            detail = plans.why_held(factory, person["address"], person["fields"], person["profile"])
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
