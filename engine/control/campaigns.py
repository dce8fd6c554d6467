"""What people do with a campaign: make it, pause, resume, cancel, set it live."""

from __future__ import annotations

import re
import secrets
from typing import Any

from pydantic import Field

from engine import routes
from engine.control.actions import Args, Context, Result, action, audit
from engine.control.common import Named, described, find, lower_ceiling, messages, window_of
from engine.control.steps import StepArgs, check_settings, check_steps, specs_of, steps_of, unused
from engine.control.suppressions import check_list
from engine.planning.pacing import Pacing
from engine.planning.windows import Window
from engine.replanning import replan
from engine.scheduler import CANCEL_GRACE
from storage.approvals import check_resumable
from storage.campaigns import CampaignSpec
from storage.errors import RefusedError, UsageError
from storage.model import DAY, Actor, Approval, CampaignState, PauseReason
from storage.nouns import Campaign, Step

APPROVAL_TIME = 7 * DAY
"""How long a message waits for approval unless its campaign says otherwise."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class NewArgs(Args):
    name: str
    account: str
    also: list[str] = Field(default_factory=list)
    """Further accounts: of the same channel, to share its people with, or of other channels, for other steps."""
    pacing: dict[str, Any] = Field(default_factory=dict)
    concurrency: int | None = Field(default=None, ge=1, le=1000)
    priority: int = Field(default=5, ge=1, le=10)
    weight: int = Field(default=1, ge=1, le=100)
    window: dict[str, Any] = Field(default_factory=dict)
    """When it may send, as `engine.planning.windows.Window.from_dict` reads it; {}: whenever its queue may."""
    seed: int | None = None
    subject: str = ""
    text: str = ""
    html: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    attachments: list[dict[str, str]] = Field(default_factory=list)
    settings: dict[str, Any] = Field(default_factory=dict)
    steps: list[StepArgs] = Field(default_factory=list)
    """What follows the first message."""
    list_name: str = ""
    """The list that a reader of it leaves; "": its own name."""
    unfinished: bool = False
    """A draft whose message is still to be written (`campaign.edit`); it cannot be started before."""
    approval: Approval = Approval.NONE
    """Who must say yes before anything leaves: nobody, a person for each message, or once for the campaign."""
    approval_time: int | None = Field(default=None, ge=0)
    """How long a message waits for it (us; 0: for ever; None: `APPROVAL_TIME`)."""


class LiveArgs(Named):
    live: bool = True


@action("campaign.new", NewArgs)
async def new(context: Context, args: NewArgs, actor: Actor) -> Result:
    """A draft with its steps. Templates, pacing and accounts are checked before anything is stored."""
    check_name(args.name)
    check_settings(args.settings)
    check_list(args.list_name)
    accounts = [context.config.account(name) for name in dict.fromkeys((args.account, *args.also))]
    account = accounts[0]
    pacing = Pacing.from_dict(args.pacing or account.usual_pacing)
    queues = [(await context.queue_of(one)).id for one in accounts]
    spec = CampaignSpec(
        name=args.name,
        queue_id=queues[0],
        pacing=pacing.to_dict(),
        settings=args.settings,
        seed=args.seed if args.seed is not None else secrets.randbits(48),
        priority=args.priority,
        weight=args.weight,
        hours=window_of(args.window, account, context.config.zone),
        concurrency=args.concurrency or concurrency_of(pacing),
        subject=args.subject,
        text=args.text,
        html=args.html,
        headers=args.headers,
        attachments=tuple(args.attachments),
        more_queues=tuple(queues[1:]),
        steps=specs_of(args.steps),
        list=args.list_name,
        approval=args.approval.value,
        approval_time=APPROVAL_TIME if args.approval_time is None else args.approval_time,
    )
    first = Step(0, 0, 1, args.subject, args.text, args.html, args.headers, tuple(args.attachments))
    steps = (first, *steps_of(0, spec.steps))
    fields = sorted(check_steps(_unsaved(spec, account.name), steps, accounts, unfinished=args.unfinished))
    campaign = await context.store.create_campaign(
        spec, audit("campaign.created", f"created campaign {args.name}", actor)
    )
    return {
        "campaign": campaign.name,
        "id": campaign.id,
        "state": campaign.state.value,
        "account": campaign.account,
        "accounts": [one.name for one in accounts],
        "unused": unused(accounts, steps),
        "steps": len(steps),
        "pacing": pacing.describe(),
        "window": Window.from_dict(spec.hours).describe() if spec.hours else "",
        "ceiling": lower_ceiling(pacing, await context.limits_of(account)),
        "fields": fields,
        "live": campaign.live,
        "list": spec.list or spec.name,
        "approval": spec.approval,
        "approval_time": spec.approval_time,
    }


def check_name(name: str, *, of: str = "campaign") -> None:
    """Raises UsageError for what cannot be the name of a campaign, or `of` something else that people name."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{of} name {name[:80]!r} cannot be used",
            hint="use up to 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit",
        )


def concurrency_of(pacing: Pacing) -> int:
    """How many of a campaign are under way at once, unless somebody says otherwise."""
    return pacing.concurrency if pacing.mode == "blast" else 5


def _unsaved(spec: CampaignSpec, account: str) -> Campaign:
    return Campaign(
        0, spec.name, CampaignState.DRAFT, "", "", spec.queue_id, account, spec.priority, spec.concurrency,
        spec.pacing, spec.settings, False, spec.seed, 0, None, None, None, 0, 1,
    )  # fmt: skip


@action("campaign.pause", Named)
async def pause(context: Context, args: Named, actor: Actor) -> Result:
    campaign = await find(context, args)
    if campaign.state is CampaignState.PAUSED:
        return described(campaign, "already paused")
    paused = await context.store.pause_campaign(
        campaign.id,
        PauseReason.OPERATOR,
        f"by {actor.user}",
        audit("campaign.paused", f"paused {campaign.name}", actor),
    )
    context.hooks.wake()
    return described(paused, "paused: nothing new begins; what is in flight finishes")


@action("campaign.resume", Named)
async def resume(context: Context, args: Named, actor: Actor) -> Result:
    """Plan again by the same pacing, first gap included, order kept; never a burst."""
    campaign = await find(context, args)
    if campaign.state is CampaignState.ACTIVE:
        return described(campaign, "already active")
    if campaign.state is not CampaignState.PAUSED:
        raise RefusedError(f"campaign '{campaign.name}' is {campaign.state}: only a paused one can be resumed")
    check_resumable(campaign)
    limits = await routes.limits_of(context, campaign)
    async with context.planning(campaign.id):
        planned, first, last, _ = await replan(context.store, campaign, limits, now=context.clock.now())
    active = await context.store.activate_campaign(
        campaign.id,
        audit("campaign.resumed", f"resumed {campaign.name}: {planned:,} planned anew", actor, n=planned),
        execution="resume",
        queued=planned,
    )
    context.composer.forget(campaign.id)
    context.hooks.wake()
    return described(active, f"{messages(planned)} planned anew", queued=planned, first_due=first, last_due=last)


@action("campaign.cancel", Named)
async def cancel(context: Context, args: Named, actor: Actor) -> Result:
    campaign = await find(context, args)
    if campaign.state is CampaignState.CANCELLED:
        return described(campaign, "already cancelled")
    cancelled = await context.store.cancel_campaign(
        campaign.id, audit("campaign.cancelled", f"cancelled {campaign.name}", actor)
    )
    context.hooks.wake()
    return described(cancelled, "cancelled: open messages are skipped in 10 s, until then it can be undone")


@action("campaign.undo_cancel", Named)
async def undo_cancel(context: Context, args: Named, actor: Actor) -> Result:
    campaign = await find(context, args)
    back = await context.store.undo_cancel(
        campaign.id, audit("campaign.cancel_undone", f"undid the cancel of {campaign.name}", actor), CANCEL_GRACE
    )
    context.hooks.wake()
    return described(back, f"the cancel is undone: {back.state} again")


@action("campaign.live", LiveArgs)
async def live(context: Context, args: LiveArgs, actor: Actor) -> Result:
    campaign = await find(context, args)
    word = "live" if args.live else "not live"
    changed = await context.store.set_live(
        campaign.id, args.live, audit("campaign.live", f"set {campaign.name} {word}", actor)
    )
    context.hooks.wake()
    return described(changed, f"{campaign.name} is {word}")
