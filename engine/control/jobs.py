"""What people do to a fixed set of jobs: retry, cancel, and undo. Each job is compared with what they saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from pydantic import Field, model_validator

from engine import approving, plans
from engine.control.actions import Args, Context, Result, action, audit
from engine.planning.limits import Limits
from engine.retrying import Slots, Spread, retry_slots
from engine.scheduler import CANCEL_GRACE
from storage.acts import Acted, Left, Seen
from storage.errors import PacelineError, RefusedError
from storage.events import Event
from storage.model import Actor, Approval, CampaignState
from storage.nouns import Campaign
from storage.retries import Home

SLICE = 500
"""Jobs of one transaction: sends pass between two of them."""
MOST = 20_000
"""Jobs of one call; a larger set is asked for in several."""


class SetArgs(Args):
    """`seen`: jobs as [id, state, lease] as they were when the set was fixed; `ids`: as they are now. `filter` is what
    chose them, for the log."""

    seen: list[tuple[int, str, int]] = Field(default_factory=list, max_length=MOST)
    ids: list[int] = Field(default_factory=list, max_length=MOST)
    filter: str = Field(default="", max_length=2_000)

    @model_validator(mode="after")
    def _one_way(self) -> SetArgs:
        if bool(self.seen) == bool(self.ids):
            raise ValueError("give either jobs as they were seen or ids")
        return self

    def jobs(self) -> list[Seen]:
        return [Seen(*job) for job in self.seen] or [Seen(id) for id in dict.fromkeys(self.ids)]


class RetrySetArgs(SetArgs):
    """`spread` (us): retry evenly over this time; 0: by the pacing of each one's step. This call holds the jobs from
    `offset` on of a set of `total`; `until` says by campaign and queue id up to where (us) the calls before have
    planned."""

    spread: int = Field(default=0, ge=0)
    offset: int = Field(default=0, ge=0)
    total: int = Field(default=0, ge=0)
    until: dict[int, dict[int, int]] = Field(default_factory=dict)


class UndoArgs(Args):
    events: list[int] = Field(min_length=1, max_length=1_000)


class SetResult:
    """What became of the jobs of one call."""

    def __init__(self) -> None:
        self.n = 0
        self.left: list[Left] = []
        self.events: list[int] = []
        self.notes: list[str] = []

    def add(self, acted: Acted) -> None:
        self.n += acted.n
        self.left += acted.left
        if acted.event:
            self.events.append(acted.event)

    def refuse(self, jobs: Sequence[Seen], why: str) -> None:
        self.left += [Left(job.id, False, why) for job in jobs]

    def told(self, done: str, nothing: str, **more: object) -> Result:
        changed = sum(entry.changed for entry in self.left)
        refused = len(self.left) - changed
        parts = [f"{self.n:,} {done}" if self.n else nothing]
        parts += [f"{changed:,} changed meanwhile"] if changed else []
        parts += [f"{refused:,} refused"] if refused else []
        return {
            "success": True,
            "done": self.n,
            "changed": changed,
            "refused": refused,
            "left": [{"job": entry.id, "changed": entry.changed, "why": entry.why} for entry in self.left],
            "events": self.events,
            "notes": self.notes,
            "empty": not self.n,
            "message": "; ".join([", ".join(parts), *self.notes]),
            **more,
        }


@action("job.retry", RetrySetArgs)
async def retry(context: Context, args: RetrySetArgs, actor: Actor) -> Result:
    """Give failed or held jobs a new budget, each in the pacing of its step and by the limits of its account, or spread
    over a time."""
    jobs = args.jobs()
    result, names, until = SetResult(), list[str](), {id: dict(ends) for id, ends in args.until.items()}
    total = args.total or len(jobs)
    begin = context.clock.now()
    into = {job.id: (args.offset + i) * args.spread // total for i, job in enumerate(jobs)}
    spread = Spread(into, args.spread // total) if args.spread else None
    for campaign_id, mine in (await by_campaign(context, jobs)).items():
        if campaign_id is None:
            await _retry_work(context, args, mine, spread, actor, result)
            continue
        async with context.planning(campaign_id):
            campaign = await context.store.get_campaign(campaign_id)
            ends = until.setdefault(campaign_id, {})
            slots = await _slots(context, campaign, mine, begin, ends, spread, result)

            def tell(n: int, name: str = campaign.name, id: int = campaign_id) -> Event:
                return event_of("campaign.retried", f"retries {n:,} of {name}", actor, args, id)

            retried = 0
            for at in range(0, len(slots), SLICE):
                acted = await context.store.retry_jobs(slots[at : at + SLICE], tell)
                result.add(acted)
                retried += acted.n
            if campaign.approval == Approval.MESSAGE:
                await _ask_again(context, mine, result)
            if retried:
                names.append(campaign.name)
                if await _goes_on(context, campaign_id, retried, actor) is CampaignState.PAUSED:
                    result.notes.append(f"{campaign.name} is paused: they wait for its resume")
        context.composer.forget(campaign_id)
    context.hooks.wake()
    return result.told("will be tried again", "nothing to retry", retried=result.n, campaigns=names, until=until)


async def _slots(
    context: Context,
    campaign: Campaign,
    jobs: Sequence[Seen],
    begin: int,
    ends: dict[int, int],
    spread: Spread | None,
    result: SetResult,
) -> list[tuple[Seen, int, int]]:
    """Due time and gap (us) of a campaign's jobs, each queue planned by itself from `begin` (us) on, or from where its
    part of `ends` says that the call before has planned to; `ends` is carried on. Refused are those that no account
    of the campaign can send any more."""
    names = {queue_id: name for queue_id, name, _ in await context.store.get_lanes(campaign.id)}
    asked = await _fields_asked(context, campaign, names.values())
    homes: defaultdict[int, list[Home]] = defaultdict(list)
    for at in range(0, len(jobs), SLICE):
        part = [job.id for job in jobs[at : at + SLICE]]
        for home in await context.store.homes_of(campaign.id, part, fields=asked):
            homes[home.queue_id].append(home)
    steps = await context.store.get_steps(campaign.id)
    slots: Slots = {}
    refused: dict[int, str] = {}
    for queue_id, mine in homes.items():
        start = max(begin, ends.get(queue_id, 0))
        try:
            limits = await _limits_of(context, campaign, names.get(queue_id))
            planned, ends[queue_id] = retry_slots(
                campaign, steps, limits, mine, start=start, salt=start + queue_id, spread=spread
            )
            slots |= planned
        except PacelineError as error:
            refused |= dict.fromkeys((home.id for home in mine), error.message)
    for job in jobs:
        if job.id in refused:
            result.refuse([job], refused[job.id])
    return [(job, *slots[job.id]) for job in jobs if job.id in slots]


async def _limits_of(context: Context, campaign: Campaign, account: str | None) -> Limits:
    """Raises RefusedError for an account that the campaign does not use, UsageError for one that the configuration
    lacks."""
    if account is None:
        raise RefusedError(f"campaign '{campaign.name}' has no account of this channel any more")
    return await context.limits_of(context.config.account(account))


async def _fields_asked(context: Context, campaign: Campaign, accounts: Iterable[str]) -> list[str]:
    """The fields that say whose clock is asked, by the windows of the campaign and of its accounts."""
    known = context.config.accounts
    limits = [await context.limits_of(known[name]) for name in accounts if name in known]
    return sorted(set[str]().union(*(plans.asked_fields(plans.windows_of(campaign, one)) for one in limits)))


async def _retry_work(
    context: Context, args: RetrySetArgs, jobs: Sequence[Seen], spread: Spread | None, actor: Actor, result: SetResult
) -> None:
    """Background jobs have no pacing: they are due at once, or spread over the time."""
    now = context.clock.now()
    into = spread.into if spread else {}

    def tell(n: int) -> Event:
        return event_of("job.retried", f"retries {_jobs(n)}", actor, args)

    for at in range(0, len(jobs), SLICE):
        part = jobs[at : at + SLICE]
        result.add(await context.store.retry_jobs([(job, now + into.get(job.id, 0), 0) for job in part], tell))


async def _ask_again(context: Context, jobs: Sequence[Seen], result: SetResult) -> None:
    """What was never approved, or would leave otherwise than it was, waits for approval instead."""
    ids = [job.id for job in jobs]
    await approving.recheck_jobs(context, ids)
    waiting = 0
    for at in range(0, len(ids), SLICE):
        found = await context.store.awaiting(ids[at : at + SLICE])
        waiting += sum(one.state == "held" and not one.decision for one in found.values())
    if waiting:
        result.notes.append(f"{waiting:,} of them {'waits' if waiting == 1 else 'wait'} for approval")


@action("job.cancel", SetArgs)
async def cancel(context: Context, args: SetArgs, actor: Actor) -> Result:
    """Cancel jobs that wait. From now on none of them begins; in 10 s they are skipped, until then `job.undo` helps."""
    jobs = args.jobs()
    result = SetResult()
    for at in range(0, len(jobs), SLICE):

        def tell(n: int) -> Event:
            return event_of("job.cancelled", f"cancelled {_jobs(n)}", actor, args)

        result.add(await context.store.cancel_jobs(jobs[at : at + SLICE], tell))
    context.hooks.wake()
    return result.told("cancelled: skipped in 10 s, until then it can be undone", "nothing to cancel")


@action("job.undo", UndoArgs)
async def undo(context: Context, args: UndoArgs, actor: Actor) -> Result:
    """Take acts back, by the events that they wrote: a cancel within 10 s, a retry of what was not tried since."""
    result = SetResult()
    for event_id in args.events:

        def tell(n: int, event_id: int = event_id) -> Event:
            return audit("job.undone", f"took back {_jobs(n)}", actor, data={"undone": event_id})

        try:
            acted = await context.store.undo_act(event_id, tell, CANCEL_GRACE)
        except RefusedError:
            if not result.n:
                raise
            continue
        result.add(acted)
    context.hooks.wake()
    return result.told("are as they were before", "nothing could be taken back")


async def _goes_on(context: Context, campaign_id: int, retried: int, actor: Actor) -> CampaignState:
    """Let a completed campaign go on with what was retried; a paused one stays so. Returns the state it is in."""
    try:
        campaign = await context.store.activate_campaign(
            campaign_id, None, execution="retry", queued=retried, user=actor.user
        )
    except RefusedError:
        # Cancelled since the jobs were planned: they are skipped with its others.
        return CampaignState.CANCELLED
    return campaign.state


async def by_campaign(context: Context, jobs: Sequence[Seen]) -> dict[int | None, list[Seen]]:
    """The jobs by the campaign they belong to, in their order."""
    found: defaultdict[int | None, list[Seen]] = defaultdict(list)
    for at in range(0, len(jobs), SLICE):
        part = jobs[at : at + SLICE]
        campaigns = await context.store.job_campaigns([job.id for job in part])
        for job in part:
            found[campaigns.get(job.id)].append(job)
    return found


def event_of(kind: str, text: str, actor: Actor, args: SetArgs, campaign_id: int | None = None) -> Event:
    data = {"filter": args.filter} if args.filter else {}
    return audit(kind, text, actor, campaign_id=campaign_id, data=data)


def _jobs(n: int) -> str:
    return f"{n:,} {'job' if n == 1 else 'jobs'}"
