"""Starting: plan everybody who has no message yet, and activate."""

from __future__ import annotations

from collections.abc import Sequence

from engine import plans, routes
from engine.accounts import Account
from engine.config import allow_listed
from engine.control.actions import Context, Result, action, audit
from engine.control.common import Named, find, messages, ready
from engine.estimating import Share, estimated
from engine.overlaps import left_out, others_of
from engine.planning.durations import format_duration
from engine.planning.pacing import Pacing
from engine.preflight import cold
from engine.routes import Route, route_for
from storage import approvals
from storage.errors import PacelineError, RefusedError
from storage.model import Actor, Approval, CampaignState
from storage.nouns import Campaign, Step
from storage.suppression_pages import left_out as suppressed_people


class StartArgs(Named):
    at: int | None = None
    """First due time in microseconds UTC; None: now."""
    dry_run: bool = False


@action("campaign.start", StartArgs)
async def start(context: Context, args: StartArgs, actor: Actor) -> Result:
    """Plan everybody who has no message yet and activate. Idempotent: starting again plans only new people."""
    campaign = await find(context, args)
    async with context.planning(campaign.id):
        return await _start(context, await find(context, args), args, actor)


async def _start(context: Context, campaign: Campaign, args: StartArgs, actor: Actor) -> Result:
    if campaign.state in (CampaignState.PAUSED, CampaignState.CANCELLED):
        approvals.check_resumable(campaign)
        remedy = "resume it" if campaign.state is CampaignState.PAUSED else "make a new campaign"
        raise RefusedError(f"campaign '{campaign.name}' is {campaign.state}", hint=remedy)
    account, step = await ready(context, campaign)
    ways = await routes.routes_of(context, campaign, step)
    for way in ways:
        if refusal := cold.refusal(campaign, way.account):
            raise refusal
    outside = await _outside_allow_list(context, campaign, account, step)
    if outside:
        raise RefusedError(
            f"campaign '{campaign.name}' is not live and {outside:,} of its addresses are not on the allow-list",
            hint=f"check it with preview and test-send, then: paceline campaign live {campaign.name}",
        )
    now = context.clock.now()
    begin = max(now, args.at or now)
    if args.dry_run:
        return await _dry_start(context, campaign, step, ways, begin)
    source = ", ".join(await context.store.import_sources(campaign.id))[:500] or campaign.name
    planned = await plans.plan_people(
        context.store, campaign, step, ways, start=begin, kind="start", name=source, actor=actor.user
    )
    if not planned.queued:
        return _nothing_to_start(campaign, planned.suppressed)
    text = f"started {campaign.name}: {messages(planned.queued)}"
    try:
        campaign = await context.store.activate_campaign(
            campaign.id,
            audit("campaign.started", text, actor, n=planned.queued),
            execution="start",
            queued=planned.queued,
            batch_id=planned.batch_id,
        )
    except PacelineError:
        await plans.discard(context.store, planned.batch_id)
        raise
    await plans.release(context.store, planned.batch_id)
    context.composer.forget(campaign.id)
    context.hooks.wake()
    return _started(context, campaign, planned, begin)


def _nothing_to_start(campaign: Campaign, suppressed: int) -> Result:
    if campaign.state is CampaignState.DRAFT and suppressed:
        raise RefusedError(
            f"all {suppressed:,} of campaign '{campaign.name}' are suppressed: nothing was started",
            hint="paceline suppression list",
        )
    if campaign.state is CampaignState.DRAFT:
        raise RefusedError(
            f"campaign '{campaign.name}' has nobody to send to: nothing was started",
            hint=f"paceline recipients import FILE --campaign {campaign.name}",
        )
    return {
        "success": True,
        "campaign": campaign.name,
        "campaign_id": campaign.id,
        "state": campaign.state.value,
        "queued": 0,
        "held": 0,
        "empty": True,
        "message": f"Nothing to do: everybody in {campaign.name} has a message already ({campaign.state})",
    }


def _started(context: Context, campaign: Campaign, planned: plans.Planned, begin: int) -> Result:
    pacing = Pacing.from_dict(campaign.pacing)
    to_send = planned.queued - planned.held - planned.elsewhere
    range_ = estimated(campaign, pacing, planned.shares, begin)
    last = planned.last_due or begin
    held = _and_held(planned.held, planned.suppressed, planned.elsewhere)
    now = context.clock.now()
    asks = campaign.approval == Approval.MESSAGE
    message = (
        f"Campaign queued: {messages(to_send)} scheduled{held}, the last one due in "
        f"{format_duration(max(0, last - now))}"
    )
    if asks:
        message = f"Campaign planned: {messages(to_send)} {'waits' if to_send == 1 else 'wait'} for approval{held}"
    elif campaign.unapproved:
        message = f"Campaign planned: {messages(to_send)}{held}; it waits for approval"
    return {
        "success": True,
        "campaign": campaign.name,
        "campaign_id": campaign.id,
        "state": campaign.state.value,
        "awaiting": to_send if asks else 0,
        "batch_id": planned.batch_id,
        "queued": planned.queued,
        "held": planned.held,
        "suppressed": planned.suppressed,
        "elsewhere": planned.elsewhere,
        "first_due": planned.first_due,
        "last_due": planned.last_due,
        "estimated_completion": max(last, range_.last_high),
        "estimate": range_.text,
        "message": message,
    }


def _and_held(held: int, suppressed: int = 0, elsewhere: int = 0) -> str:
    words = f", {held:,} held for a person" if held else ""
    words += f", {suppressed:,} left out as suppressed" if suppressed else ""
    return f"{words}, {elsewhere:,} left out as another campaign writes to them" if elsewhere else words


async def _dry_start(context: Context, campaign: Campaign, step: Step, ways: Sequence[Route], begin: int) -> Result:
    people, held, suppressed, elsewhere, after = 0, 0, 0, 0, 0
    channel = ways[0].account.channel
    now = context.clock.now()
    refused = await context.store.read(lambda reader: suppressed_people(reader, campaign.id, now))
    stopped = {row["id"] for row in refused}
    shares = {way.queue_id: Share(plans.windows_of(campaign, way.limits), way.limits) for way in ways}
    while page := await context.store.unplanned(campaign.id, step.id, after):
        others = await others_of(context.store, campaign, channel, [one.id for one in page], begin)
        for one in page:
            way = route_for(ways, one.id)
            if one.id in stopped:
                suppressed += 1
            elif left_out(campaign, channel, others.get(one.id)):
                elsewhere += 1
            elif plans.why_held(way.factory, one.address, one.fields, one.profile):
                held += 1
            else:
                shares[way.queue_id].add(one.fields)
        people += len(page)
        after = page[-1].id
    pacing = Pacing.from_dict(campaign.pacing)
    to_send = people - held - suppressed - elsewhere
    range_ = estimated(campaign, pacing, shares.values(), begin)
    left = _and_held(held, suppressed, elsewhere)
    return {
        "success": True,
        "dry_run": True,
        "campaign": campaign.name,
        "queued": people - suppressed,
        "held": held,
        "suppressed": suppressed,
        "elsewhere": elsewhere,
        "first_due": range_.first if to_send else None,
        "last_due": range_.last_high if to_send else None,
        "estimated_completion": range_.last_high if to_send else None,
        "estimate": range_.text,
        "message": f"{messages(to_send)} would be scheduled{left}: {pacing.describe()}; {range_.text}",
    }


async def _outside_allow_list(context: Context, campaign: Campaign, account: Account, step: Step) -> int:
    if campaign.live or account.channel == "outbox":
        return 0
    outside, after = 0, 0
    while page := await context.store.unplanned(campaign.id, step.id, after):
        outside += sum(not allow_listed(context.config, one.address) for one in page)
        after = page[-1].id
    return outside
