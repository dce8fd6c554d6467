"""What people change in a campaign that exists: its message, its pacing, and the parts of a draft."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import Field

from engine import approving, routes
from engine.accounts import Account
from engine.control.actions import Args, Context, Result, action, audit
from engine.control.campaigns import check_name, concurrency_of
from engine.control.common import Named, described, find, lower_ceiling, messages, window_of
from engine.control.steps import StepArgs, check_settings, check_steps, specs_of, steps_of, unused
from engine.control.suppressions import check_list
from engine.estimating import estimated
from engine.planning.limits import Limits
from engine.planning.pacing import Pacing
from engine.planning.spreading import check_cap
from engine.planning.windows import Window
from engine.plans import check_opens, windows_of
from engine.replanning import replan
from engine.sequences import follow_edit
from storage.edits import MESSAGE_STATES, PACED_STATES, Edit, Tuning, check_editable
from storage.errors import RefusedError, UsageError
from storage.model import Actor, Approval, CampaignState
from storage.nouns import Campaign, Step
from storage.step_edits import Replanned


class EditArgs(Named):
    """What is left out stays as it is."""

    rename: str | None = None
    account: str | None = None
    also: list[str] | None = None
    """The further accounts, all of them."""
    steps: list[StepArgs] | None = None
    """The steps behind the first, all of them."""
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    headers: dict[str, str] | None = None
    attachments: list[dict[str, str]] | None = None
    settings: dict[str, Any] | None = None
    """Laid over those that it has: `from_name`, `from_address`, `reply_to`, `cold`, `identity`."""
    list_name: str | None = None
    """The list that a reader of it leaves; "": its own name."""
    approval: Approval | None = None
    """Only of a draft; as in `campaign.new`."""
    approval_time: int | None = Field(default=None, ge=0)
    """How long messages that are asked about from now on wait (us; 0: for ever)."""


class PaceArgs(Named):
    pacing: dict[str, Any] = Field(min_length=1)
    concurrency: int | None = Field(default=None, ge=1, le=1000)


class TuneArgs(Named):
    """What is left out stays as it is. `window` as `engine.planning.windows.Window.from_dict` reads it; {} takes the
    campaign's own window away. `concurrency`: how many of it are under way at once."""

    priority: int | None = Field(default=None, ge=1, le=10)
    weight: int | None = Field(default=None, ge=1, le=100)
    concurrency: int | None = Field(default=None, ge=1, le=1000)
    window: dict[str, Any] | None = None


class ForgetArgs(Args):
    campaign: str
    import_id: int


@action("campaign.edit", EditArgs)
async def edit(context: Context, args: EditArgs, actor: Actor) -> Result:
    """Change the steps and further accounts of a campaign that is not being sent, and a draft's name and first account.
    All is checked as `campaign.new` checks it; messages that are not sent yet are made from the new steps."""
    given = args.model_dump(exclude_none=True, exclude={"name", "version"})
    if not given:
        raise UsageError("nothing was given to change", hint="see --help of the command")
    campaign = await find(context, args)
    async with context.planning(campaign.id):
        campaign = await find(context, args)
        if args.rename is not None:
            check_name(args.rename)
        check_settings(args.settings or {})
        check_list(args.list_name or "")
        accounts = await _accounts_after(context, campaign, args)
        queues = [(await context.queue_of(one)).id for one in accounts]
        wanted = Edit(
            name=args.rename,
            queue_id=queues[0] if args.account is not None else None,
            more_queues=tuple(queues[1:]) if args.account is not None or args.also is not None else None,
            steps=None if args.steps is None else specs_of(args.steps),
            subject=args.subject,
            text=args.text,
            html=args.html,
            headers=args.headers,
            attachments=None if args.attachments is None else tuple(args.attachments),
            settings=args.settings,
            list_name=args.list_name,
            approval=None if args.approval is None else args.approval.value,
            approval_time=args.approval_time,
        )
        if wanted.of_message:
            check_editable(campaign, MESSAGE_STATES, "message")
        steps = await _steps_after(context, campaign, wanted)
        fields = sorted(check_steps(campaign, steps, accounts, unfinished=campaign.state is CampaignState.DRAFT))
        what = " and ".join(_parts(wanted))
        changed = await context.store.edit_campaign(
            campaign.id, wanted, audit("campaign.edited", f"changed {what} of {campaign.name}", actor)
        )
        context.composer.forget(campaign.id)
        void = await approving.recheck(context, changed)
        planned = await _for_messages(context, campaign)
    context.hooks.wake()
    again = f"; {void:,} approved before wait for approval again" if void else ""
    if campaign.approved_at is not None and changed.unapproved:
        again = "; it has to be approved again"
    became = f"; {words}" if (words := _replanned_words(planned)) else ""
    return described(
        changed, f"changed {what} of {changed.name}{again}{became}", void=void, fields=fields, steps=len(steps),
        accounts=[one.name for one in accounts], unused=unused(accounts, steps),
        replanned=planned.moved, left_out=planned.left_out, waiting=planned.waiting,
    )  # fmt: skip


async def _for_messages(context: Context, campaign: Campaign) -> Replanned:
    """Let what exists of a campaign follow an edit of its steps."""
    for left in await context.store.unfinished_step_edits():
        if left.campaign_id == campaign.id:
            return await follow_edit(context, left)
    return Replanned()


def _replanned_words(done: Replanned) -> str:
    parts = (
        (done.moved, "planned message is due anew", "planned messages are due anew"),
        (done.left_out, "will not be sent", "will not be sent"),
        (done.waiting, "waits for the invitation to be accepted", "wait for the invitation to be accepted"),
    )
    return ", ".join(f"{n:,} {one if n == 1 else several}" for n, one, several in parts if n)


async def _accounts_after(context: Context, campaign: Campaign, args: EditArgs) -> list[Account]:
    """The accounts once they are changed, the first one first. Raises NotFoundError."""
    first = args.account or campaign.account
    if args.also is not None:
        more = args.also
    else:
        more = [name for _, name, _ in await context.store.get_lanes(campaign.id) if name != campaign.account]
    return [context.config.account(name) for name in dict.fromkeys((first, *more))]


async def _steps_after(context: Context, campaign: Campaign, edit: Edit) -> list[Step]:
    """The steps once they are changed."""
    old = await context.store.get_steps(campaign.id)
    parts = {name: getattr(edit, name) for name in ("subject", "text", "html", "headers", "attachments")}
    first = replace(old[0], **{name: part for name, part in parts.items() if part is not None})
    return [first, *(old[1:] if edit.steps is None else steps_of(campaign.id, edit.steps))]


def _parts(edit: Edit) -> list[str]:
    changed = (
        ("the name", edit.name is not None),
        ("the account" if edit.more_queues == () else "the accounts", edit.more_queues is not None),
        ("the message", edit.of_message),
        ("the steps", edit.steps is not None),
        ("the settings", edit.settings is not None),
        ("the list", edit.list_name is not None),
        ("the approval", edit.approval is not None or edit.approval_time is not None),
    )
    return [part for part, is_so in changed if is_so]


@action("campaign.pace", PaceArgs)
async def pace(context: Context, args: PaceArgs, actor: Actor) -> Result:
    """Another pacing. What a running campaign has not sent is planned anew by it: order kept, first gap included."""
    pacing = Pacing.from_dict(args.pacing)
    campaign = await find(context, args)
    async with context.planning(campaign.id):
        campaign = await find(context, args)
        check_editable(campaign, PACED_STATES, "pacing")
        account = context.config.account(campaign.account)
        refuse_above(pacing, account.name, await context.limits_of(account))
        if pacing.spread and campaign.state is CampaignState.ACTIVE:
            for limits in (await routes.limits_of(context, campaign)).values():
                check_cap(limits.cap_a_day)
        at_once = args.concurrency or concurrency_of(pacing)
        text = f"set {campaign.name} to {pacing.describe()}"
        changed = await context.store.set_pacing(
            campaign.id, pacing.to_dict(), at_once, audit("campaign.paced", text, actor)
        )
        more: Result = {"pacing": pacing.describe(), "queued": 0}
        if changed.state is CampaignState.ACTIVE:
            more |= await _planned_anew(context, changed, pacing)
    context.hooks.wake()
    ends = f"; {more['estimate']}" if more.get("estimate") else ""
    return described(changed, f"{changed.name}: {pacing.describe()}{ends}", **more)


@action("campaign.tune", TuneArgs)
async def tune(context: Context, args: TuneArgs, actor: Actor) -> Result:
    """Another share of the queue or another window, from now on. After another window what a running campaign has not
    sent is planned anew; what is in flight is left alone."""
    campaign = await find(context, args)
    async with context.planning(campaign.id):
        campaign = await find(context, args)
        account = context.config.account(campaign.account)
        hours = None if args.window is None else window_of(args.window, account, context.config.zone)
        wanted = Tuning(args.priority, args.weight, args.concurrency, hours)
        said = _tuned_words(campaign, wanted)
        if not said:
            raise UsageError("nothing was given to change", hint="see --help of the command")
        if hours is not None and campaign.state is CampaignState.ACTIVE:
            for limits in (await routes.limits_of(context, campaign)).values():
                check_opens(campaign, windows_of(replace(campaign, hours=hours), limits), context.clock.now())
        was = {
            "priority": campaign.priority, "weight": campaign.weight, "concurrency": campaign.concurrency,
            "window": campaign.hours,
        }  # fmt: skip
        changed = await context.store.tune_campaign(
            campaign.id, wanted, audit("campaign.tuned", f"tuned {campaign.name}: {said}", actor)
        )
        more: Result = {"was": was, "queued": 0}
        if hours is not None and hours != campaign.hours and changed.state is CampaignState.ACTIVE:
            more |= await _planned_anew(context, changed, Pacing.from_dict(changed.pacing))
    context.hooks.wake()
    planned = f"; {messages(more['queued'])} planned anew" if more["queued"] else ""
    return described(changed, f"{changed.name}: {said}{planned}", **more)


def _tuned_words(campaign: Campaign, tuning: Tuning) -> str:
    given = (("priority", tuning.priority), ("weight", tuning.weight), ("at once", tuning.concurrency))
    parts = [f"{name} {value}" for name, value in given if value is not None]
    if tuning.hours is not None:
        own = f"window {Window.from_dict(tuning.hours).describe()}" if tuning.hours else "no window of its own"
        parts.append(own)
    return ", ".join(parts)


async def _planned_anew(context: Context, campaign: Campaign, pacing: Pacing) -> Result:
    now = context.clock.now()
    every = await routes.limits_of(context, campaign)
    anew = await replan(context.store, campaign, every, now=now)
    text = estimated(campaign, pacing, anew.shares, now).text
    return {"queued": anew.n, "first_due": anew.first, "last_due": anew.last, "estimate": text}


def refuse_above(pacing: Pacing, account: str, limits: Limits) -> None:
    """Refuse a steady rate above the account's own ceiling."""
    ceiling = lower_ceiling(pacing, limits)
    if ceiling:
        raise RefusedError(
            f"{pacing.rate} is above the ceiling of account {account}: {ceiling}",
            hint="choose a lower rate, or raise the account's own limit first",
        )


@action("recipients.forget", ForgetArgs)
async def forget(context: Context, args: ForgetArgs, actor: Actor) -> Result:
    """Take an import of a draft back, with everybody who came by it."""
    campaign = await context.store.get_campaign(args.campaign)
    async with context.planning(campaign.id):
        n = await context.store.reopen_import(
            campaign.id,
            args.import_id,
            audit("recipients.forgotten", f"took import {args.import_id} of {campaign.name} back", actor),
        )
        while await context.store.remove_import_slice(args.import_id):
            pass
    return {"success": True, "campaign": campaign.name, "removed": n, "message": f"{n:,} taken out of {campaign.name}"}
