"""Retries that a person asks for, and a person's word on what is uncertain."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from engine import plans
from engine.control.actions import Args, Context, Result, action, audit
from engine.control.common import Named, find
from engine.outcomes import TRANSIENT
from engine.planning.durations import parse_duration
from storage.errors import RefusedError
from storage.model import Actor, Campaign, CampaignState
from storage.upkeep import RetrySelector


class RetryArgs(Named):
    which: Literal["transient", "all"] = "transient"
    error_key: str = ""
    held: bool = True
    spread: int = Field(default=0, ge=0)
    """Microseconds over which the retries are spread evenly; 0: by the campaign's pacing."""


class GroupArgs(Args):
    error_key: str = Field(min_length=1)
    campaign: str | None = None
    spread: int = Field(default=0, ge=0)


class ResolveArgs(Args):
    job: int
    verdict: Literal["sent", "again"]


@action("campaign.retry", RetryArgs)
async def retry(context: Context, args: RetryArgs, actor: Actor) -> Result:
    """Give failed messages (and held ones that do not await approval) a new budget, paced from now."""
    campaign = await find(context, args)
    if campaign.state is CampaignState.CANCELLED:
        raise RefusedError(f"campaign '{campaign.name}' is cancelled", hint="make a new campaign for those who failed")
    selector = RetrySelector(
        campaign_id=campaign.id,
        error_key=args.error_key,
        classes=() if args.which == "all" or args.error_key else TRANSIENT,
        held=args.held,
    )
    return await _retry(context, campaign, selector, args.spread, actor)


async def _retry(context: Context, campaign: Campaign, selector: RetrySelector, spread: int, actor: Actor) -> Result:
    async with context.planning(campaign.id):
        return await _retry_planned(context, campaign, selector, spread, actor)


async def _retry_planned(
    context: Context, campaign: Campaign, selector: RetrySelector, spread: int, actor: Actor
) -> Result:
    now = context.clock.now()
    done = await plans.retry_jobs(
        context.store,
        selector,
        now=now,
        slots_of=lambda: plans.slots_for(campaign, start=now, salt=now),
        spread=spread,
    )
    if done:
        event = audit("campaign.retried", f"retries {done:,} of {campaign.name}", actor, n=done)
        if campaign.state is CampaignState.PAUSED:
            await context.store.add_event(event)
        else:
            await context.store.activate_campaign(campaign.id, event, execution="retry", queued=done)
    context.composer.forget(campaign.id)
    context.hooks.wake()
    message = f"{done:,} will be tried again" if done else "nothing to retry"
    if done and campaign.state is CampaignState.PAUSED:
        message += " once the campaign is resumed"
    return {"success": True, "campaign": campaign.name, "retried": done, "empty": not done, "message": message}


@action("failures.retry", GroupArgs)
async def retry_group(context: Context, args: GroupArgs, actor: Actor) -> Result:
    """Retry every failed job of one reason, in one campaign or in all."""
    if args.campaign is not None:
        campaign = await context.store.get_campaign(args.campaign)
        selector = RetrySelector(campaign_id=campaign.id, error_key=args.error_key, held=True)
        return await _retry(context, campaign, selector, args.spread, actor)
    return await _retry_by_campaign(context, RetrySelector(error_key=args.error_key, held=True), args.spread, actor)


async def _retry_by_campaign(context: Context, selector: RetrySelector, spread: int, actor: Actor) -> Result:
    total, names = 0, []
    for campaign_id in await context.store.campaigns_of(selector):
        campaign = await context.store.get_campaign(campaign_id)
        if campaign.state is CampaignState.CANCELLED:
            continue
        narrowed = RetrySelector(campaign_id, selector.ids, selector.error_key, selector.classes, selector.held)
        result = await _retry(context, campaign, narrowed, spread, actor)
        total += result["retried"]
        names.append(campaign.name)
    message = f"{total:,} will be tried again" if total else "nothing to retry"
    return {
        "success": True,
        "retried": total,
        "campaigns": names,
        "empty": not total,
        "message": message,
    }


@action("job.resolve", ResolveArgs)
async def resolve(context: Context, args: ResolveArgs, actor: Actor) -> Result:
    """A person's word on an uncertain message. `again` may duplicate it: only a person may ask for that."""
    sent = args.verdict == "sent"
    text = f"says that job {args.job} was sent" if sent else f"sends job {args.job} again (may be a duplicate)"
    campaign_id = await context.store.resolve(
        args.job, sent=sent, event=audit("job.resolved", text, actor, job_id=args.job)
    )
    if not sent and campaign_id is not None:
        campaign = await context.store.get_campaign(campaign_id)
        if campaign.state is CampaignState.COMPLETED:
            await context.store.activate_campaign(campaign_id, None, execution="retry", queued=1)
    context.hooks.wake()
    return {"success": True, "job": args.job, "verdict": args.verdict, "message": text}


def parse_spread(text: str) -> int:
    """A `--spread` such as "2h" in microseconds; 0 for "now". Raises UsageError."""
    return 0 if text in ("", "now") else parse_duration(text, field="spread")
