"""What people do with a campaign: make, start, pause, resume, cancel, retry, resolve, test."""

from __future__ import annotations

import re
import secrets
from typing import Any, Literal

from pydantic import Field

from engine import plans
from engine.accounts import Account
from engine.composer import make_factory
from engine.config import allow_listed
from engine.control.actions import Args, Context, Result, action, audit
from engine.control.engine import open_session
from engine.intake.addresses import AddressError, parse_address
from engine.planning.durations import format_duration, parse_duration
from engine.planning.pacing import Pacing, estimate
from storage.campaigns import CampaignSpec
from storage.errors import RefusedError, UsageError
from storage.model import Actor, Campaign, CampaignState, OutcomeClass, PauseReason, Step
from storage.upkeep import RetrySelector

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

TRANSIENT = (OutcomeClass.TRANSIENT.value, OutcomeClass.ROUTE.value, OutcomeClass.ACCOUNT.value)


class Named(Args):
    name: str
    version: int | None = None
    """Act only if the campaign still has this version (as the operator saw it)."""


class NewArgs(Args):
    name: str
    account: str
    pacing: dict[str, Any] = Field(default_factory=dict)
    concurrency: int | None = Field(default=None, ge=1, le=1000)
    priority: int = Field(default=5, ge=1, le=10)
    seed: int | None = None
    subject: str = ""
    text: str = ""
    html: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    attachments: list[dict[str, str]] = Field(default_factory=list)
    settings: dict[str, Any] = Field(default_factory=dict)


class StartArgs(Named):
    at: int | None = None
    """First due time in microseconds UTC; None: now."""
    dry_run: bool = False


class LiveArgs(Named):
    live: bool = True


class RetryArgs(Named):
    which: Literal["transient", "all"] = "transient"
    error_key: str = ""
    held: bool = True
    spread: int = Field(default=0, ge=0)
    """Microseconds over which the retries are spread evenly; 0: by the campaign's pacing."""


class JobsArgs(Args):
    ids: list[int] = Field(min_length=1, max_length=1000)
    spread: int = Field(default=0, ge=0)


class GroupArgs(Args):
    error_key: str = Field(min_length=1)
    campaign: str | None = None
    spread: int = Field(default=0, ge=0)


class ResolveArgs(Args):
    job: int
    verdict: Literal["sent", "again"]


class TestSendArgs(Named):
    to: str
    fields: dict[str, Any] = Field(default_factory=dict)


async def _get(context: Context, args: Named) -> Campaign:
    campaign = await context.store.get_campaign(args.name)
    if args.version is not None and campaign.version != args.version:
        raise RefusedError(
            f"campaign '{args.name}' changed meanwhile: it is {campaign.state} now", hint="look again, then decide"
        )
    return campaign


async def _ready(context: Context, campaign: Campaign) -> tuple[Account, Step]:
    account = context.config.account(campaign.account)
    steps = await context.store.get_steps(campaign.id)
    return account, steps[0]


@action("campaign.new", NewArgs)
async def new(context: Context, args: NewArgs, actor: Actor) -> Result:
    """A draft with its one step. Templates, pacing and account are checked before anything is stored."""
    if not _NAME.fullmatch(args.name):
        raise UsageError(
            f"campaign name {args.name[:80]!r} cannot be used",
            hint="use up to 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit",
        )
    account = context.config.account(args.account)
    pacing = Pacing.from_dict(args.pacing)
    queue = await context.queue_of(account)
    at_once = pacing.concurrency if pacing.mode == "blast" else 5
    spec = CampaignSpec(
        name=args.name,
        queue_id=queue.id,
        pacing=pacing.to_dict(),
        settings=args.settings,
        seed=args.seed if args.seed is not None else secrets.randbits(48),
        priority=args.priority,
        concurrency=args.concurrency or at_once,
        subject=args.subject,
        text=args.text,
        html=args.html,
        headers=args.headers,
        attachments=tuple(args.attachments),
    )
    draft = Step(0, 0, 1, args.subject, args.text, args.html, args.headers, tuple(args.attachments))
    factory = make_factory(_unsaved(spec, account.name), draft, account)
    campaign = await context.store.create_campaign(
        spec, audit("campaign.created", f"created campaign {args.name}", actor)
    )
    return {
        "campaign": campaign.name,
        "id": campaign.id,
        "state": campaign.state.value,
        "account": campaign.account,
        "pacing": pacing.describe(),
        "fields": sorted(factory.fields),
        "live": campaign.live,
    }


def _unsaved(spec: CampaignSpec, account: str) -> Campaign:
    return Campaign(
        0, spec.name, CampaignState.DRAFT, "", "", spec.queue_id, account, spec.priority, spec.concurrency,
        spec.pacing, spec.settings, False, spec.seed, 0, None, None, None, 0, 1,
    )  # fmt: skip


@action("campaign.start", StartArgs)
async def start(context: Context, args: StartArgs, actor: Actor) -> Result:
    """Plan everybody who has no message yet and activate. Idempotent: starting again plans only new people."""
    campaign = await _get(context, args)
    if campaign.state in (CampaignState.PAUSED, CampaignState.CANCELLED):
        remedy = "resume it" if campaign.state is CampaignState.PAUSED else "make a new campaign"
        raise RefusedError(f"campaign '{campaign.name}' is {campaign.state}", hint=remedy)
    account, step = await _ready(context, campaign)
    factory = make_factory(campaign, step, account)
    outside = await _outside_allow_list(context, campaign, account, step)
    if outside:
        raise RefusedError(
            f"campaign '{campaign.name}' is not live and {outside:,} of its addresses are not on the allow-list",
            hint=f"check it with preview and test-send, then: paceline campaign live {campaign.name}",
        )
    now = context.clock.now()
    begin = max(now, args.at or now)
    if args.dry_run:
        return await _dry_start(context, campaign, step, begin)
    planned = await plans.plan_people(
        context.store, campaign, step, factory, start=begin, kind="start", name=campaign.name, actor=actor.user
    )
    if not planned.queued:
        return _nothing_to_start(campaign)
    text = f"started {campaign.name}: {planned.queued:,} messages"
    await context.store.activate_campaign(
        campaign.id,
        audit("campaign.started", text, actor, n=planned.queued),
        execution="start",
        queued=planned.queued,
        batch_id=planned.batch_id,
    )
    await plans.release(context.store, planned.batch_id)
    context.composer.forget(campaign.id)
    context.hooks.wake()
    return _started(context, campaign, account, planned, begin)


def _nothing_to_start(campaign: Campaign) -> Result:
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


def _started(context: Context, campaign: Campaign, account: Account, planned: plans.Planned, begin: int) -> Result:
    pacing = Pacing.from_dict(campaign.pacing)
    to_send = planned.queued - planned.held
    range_ = estimate(
        pacing, to_send, start=begin, seed=campaign.seed, concurrency=min(campaign.concurrency, account.concurrency)
    )
    last = planned.last_due or begin
    held = f", {planned.held:,} held for a person" if planned.held else ""
    now = context.clock.now()
    return {
        "success": True,
        "campaign": campaign.name,
        "campaign_id": campaign.id,
        "state": CampaignState.ACTIVE.value,
        "batch_id": planned.batch_id,
        "queued": planned.queued,
        "held": planned.held,
        "first_due": planned.first_due,
        "last_due": planned.last_due,
        "estimated_completion": max(last, range_.last_high),
        "estimate": range_.text,
        "message": f"Campaign queued: {to_send:,} messages scheduled{held}, the last one due in "
        f"{format_duration(max(0, last - now))}",
    }


async def _dry_start(context: Context, campaign: Campaign, step: Step, begin: int) -> Result:
    people, after = 0, 0
    while page := await context.store.unplanned(campaign.id, step.id, after):
        people += len(page)
        after = page[-1][0]
    pacing = Pacing.from_dict(campaign.pacing)
    range_ = estimate(pacing, people, start=begin, seed=campaign.seed, concurrency=campaign.concurrency)
    return {
        "success": True,
        "dry_run": True,
        "campaign": campaign.name,
        "queued": people,
        "first_due": range_.first if people else None,
        "last_due": range_.last_high if people else None,
        "estimated_completion": range_.last_high if people else None,
        "estimate": range_.text,
        "message": f"{people:,} messages would be scheduled: {pacing.describe()}; {range_.text}",
    }


async def _outside_allow_list(context: Context, campaign: Campaign, account: Account, step: Step) -> int:
    if campaign.live or account.channel == "outbox":
        return 0
    outside, after = 0, 0
    while page := await context.store.unplanned(campaign.id, step.id, after):
        outside += sum(not allow_listed(context.config, address) for _, address, _ in page)
        after = page[-1][0]
    return outside


@action("campaign.pause", Named)
async def pause(context: Context, args: Named, actor: Actor) -> Result:
    campaign = await _get(context, args)
    if campaign.state is CampaignState.PAUSED:
        return _state(campaign, "already paused")
    paused = await context.store.pause_campaign(
        campaign.id,
        PauseReason.OPERATOR,
        f"by {actor.user}",
        audit("campaign.paused", f"paused {campaign.name}", actor),
    )
    context.hooks.wake()
    return _state(paused, "paused: nothing new begins; what is in flight finishes")


@action("campaign.resume", Named)
async def resume(context: Context, args: Named, actor: Actor) -> Result:
    """Plan again by the same pacing, first gap included, order kept; never a burst."""
    campaign = await _get(context, args)
    if campaign.state is CampaignState.ACTIVE:
        return _state(campaign, "already active")
    if campaign.state is not CampaignState.PAUSED:
        raise RefusedError(f"campaign '{campaign.name}' is {campaign.state}: only a paused one can be resumed")
    context.config.account(campaign.account)
    planned, first, last = await plans.replan(context.store, campaign, now=context.clock.now())
    active = await context.store.activate_campaign(
        campaign.id,
        audit("campaign.resumed", f"resumed {campaign.name}: {planned:,} planned anew", actor, n=planned),
        execution="resume",
        queued=planned,
    )
    context.composer.forget(campaign.id)
    context.hooks.wake()
    return _state(active, f"{planned:,} messages planned anew", queued=planned, first_due=first, last_due=last)


@action("campaign.cancel", Named)
async def cancel(context: Context, args: Named, actor: Actor) -> Result:
    campaign = await _get(context, args)
    if campaign.state is CampaignState.CANCELLED:
        return _state(campaign, "already cancelled")
    cancelled = await context.store.cancel_campaign(
        campaign.id, audit("campaign.cancelled", f"cancelled {campaign.name}", actor)
    )
    context.hooks.wake()
    return _state(cancelled, "cancelled: open messages are skipped in 10 s, until then it can be undone")


@action("campaign.undo_cancel", Named)
async def undo_cancel(context: Context, args: Named, actor: Actor) -> Result:
    from engine.scheduler import CANCEL_GRACE

    campaign = await _get(context, args)
    back = await context.store.undo_cancel(
        campaign.id, audit("campaign.cancel_undone", f"undid the cancel of {campaign.name}", actor), CANCEL_GRACE
    )
    context.hooks.wake()
    return _state(back, f"the cancel is undone: {back.state} again")


@action("campaign.live", LiveArgs)
async def live(context: Context, args: LiveArgs, actor: Actor) -> Result:
    campaign = await _get(context, args)
    word = "live" if args.live else "not live"
    changed = await context.store.set_live(
        campaign.id, args.live, audit("campaign.live", f"set {campaign.name} {word}", actor)
    )
    context.hooks.wake()
    return _state(changed, f"{campaign.name} is {word}")


def _state(campaign: Campaign, message: str, **more: Any) -> Result:
    return {
        "success": True,
        "campaign": campaign.name,
        "campaign_id": campaign.id,
        "state": campaign.state.value,
        "pause_reason": campaign.pause_reason,
        "version": campaign.version,
        "live": campaign.live,
        "message": message,
        **more,
    }


@action("campaign.retry", RetryArgs)
async def retry(context: Context, args: RetryArgs, actor: Actor) -> Result:
    """Give failed messages (and held ones that do not await approval) a new budget, paced from now."""
    campaign = await _get(context, args)
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


@action("job.retry", JobsArgs)
async def retry_ids(context: Context, args: JobsArgs, actor: Actor) -> Result:
    """Retry failed or held jobs by id, each in its campaign's pacing."""
    return await _retry_by_campaign(
        context, RetrySelector(ids=tuple(args.ids), held=True), args.spread, actor, len(args.ids)
    )


@action("failures.retry", GroupArgs)
async def retry_group(context: Context, args: GroupArgs, actor: Actor) -> Result:
    """Retry every failed job of one reason, in one campaign or in all."""
    if args.campaign is not None:
        campaign = await context.store.get_campaign(args.campaign)
        selector = RetrySelector(campaign_id=campaign.id, error_key=args.error_key, held=True)
        return await _retry(context, campaign, selector, args.spread, actor)
    return await _retry_by_campaign(context, RetrySelector(error_key=args.error_key, held=True), args.spread, actor)


async def _retry_by_campaign(
    context: Context, selector: RetrySelector, spread: int, actor: Actor, asked: int | None = None
) -> Result:
    total, names = 0, []
    for campaign_id in await context.store.campaigns_of(selector):
        campaign = await context.store.get_campaign(campaign_id)
        if campaign.state is CampaignState.CANCELLED:
            continue
        narrowed = RetrySelector(campaign_id, selector.ids, selector.error_key, selector.classes, selector.held)
        result = await _retry(context, campaign, narrowed, spread, actor)
        total += result["retried"]
        names.append(campaign.name)
    refused = 0 if asked is None else asked - total
    message = f"{total:,} will be tried again" if total else "nothing to retry"
    if refused:
        message += f"; {refused:,} were not failed or held any more"
    return {
        "success": True,
        "retried": total,
        "refused": refused,
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


@action("campaign.test_send", TestSendArgs)
async def test_send(context: Context, args: TestSendArgs, actor: Actor) -> Result:
    """Send one message to the operator's own address: no job, no attempt, no counter; an event says so."""
    campaign = await _get(context, args)
    account, step = await _ready(context, campaign)
    try:
        to = parse_address(args.to)
    except AddressError as error:
        raise UsageError(f"{args.to[:80]!r}: {error}", hint="give one plain address") from None
    factory = make_factory(campaign, step, account)
    now = context.clock.now()
    domain = factory.sender.rpartition("@")[2]
    message = factory.build(
        address=to.address, fields=args.fields, message_id=f"<test-{secrets.token_hex(12)}@{domain}>", date=now
    )
    session = await open_session(context, account)
    try:
        outcome = await session.prepare(message) or await session.deliver(message)
    finally:
        await session.close()
    accepted = outcome.cls is OutcomeClass.ACCEPTED
    await context.store.add_event(
        audit(
            "campaign.test_sent",
            f"sent a test of {campaign.name} to {to.address}: {outcome.cls.value}",
            actor,
            campaign_id=campaign.id,
        )
    )
    if not accepted:
        raise RefusedError(f"the test was not accepted: {outcome.code or ''} {outcome.text}".strip())
    return {
        "success": True,
        "to": to.address,
        "message_id": message.message_id,
        "reply": outcome.text,
        "message": f"accepted for {to.address} by {outcome.server}: {outcome.text}",
    }


def parse_spread(text: str) -> int:
    """A `--spread` such as "2h" in microseconds; 0 for "now". Raises UsageError."""
    return 0 if text in ("", "now") else parse_duration(text, field="spread")
